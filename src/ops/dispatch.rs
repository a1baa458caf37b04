//! What an operation asks the device to do: a kernel, its bindings, its parameters, a grid.

use super::Variant;
use crate::gpu::{Access, Binding, Kernel};
use crate::shape::Shape;

/// Invocations per workgroup of element-wise kernels.
pub const WORKGROUP: u32 = 64;
/// WebGPU's default limit of workgroups per dimension; larger grids are folded (`linear_id` in
/// `lib/index.wgsl`).
const MAX_GROUPS: u32 = 65_535;

/// Where a tensor lies: vec4 `q` of pixel `p` is at `offset + p * stride + q` of its binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Shape of the tensor.
    pub shape: Shape,
    /// First vec4 within the buffer.
    pub offset: u32,
    /// vec4s from one pixel to the next.
    pub stride: u32,
    /// The buffer it lies in; equal numbers share one.
    pub root: u32,
}

impl Operand {
    /// A tensor in a buffer of its own.
    pub fn dense(shape: Shape, root: u32) -> Self {
        Operand { shape, offset: 0, stride: shape.c.vec4s(), root }
    }
}

/// One word of a parameter block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A `u32`: sizes, offsets, counts.
    U(u32),
    /// An `i32`: padding, directions.
    I(i32),
    /// An `f32`: factors.
    F(f32),
}

/// The tensor of a node that is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// An input, read.
    In(usize),
    /// An output, written (or updated).
    Out(usize),
    /// Memory of the node's own, free again after it: number `at`, of `bytes` bytes (the same at
    /// every use).
    Scratch {
        /// Number of the scratch tensor within its node, from 0.
        at: usize,
        /// Its size in bytes.
        bytes: u64,
        /// Whether this dispatch writes it.
        write: bool,
    },
}

/// One dispatch of a node: a kernel with its bindings, parameters and grid.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The kernel to run.
    pub kernel: Kernel,
    /// Bound buffers, in the order of the kernel's bindings.
    pub binds: Vec<Bind>,
    /// The parameter block: names and values in the order of the shader's `Params`.
    pub params: Vec<(String, Value)>,
    /// The grid, in workgroups per dimension.
    pub groups: [u32; 3],
    /// Of the first dispatch of a convolution: the variant it belongs to.
    pub variant: Option<Variant>,
    /// Of a product of matrices: its sizes.
    pub sums: Option<Sums>,
}

/// Sizes of a product of matrices as one dispatch computes it: `rows` by `4 * cols` sums of
/// `4 * steps` terms, `times` over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Rows of the result.
    pub rows: u32,
    /// vec4s of columns of the result.
    pub cols: u32,
    /// Steps of 4 terms in each sum; of a sum in slices, in each slice.
    pub steps: u32,
    /// How many such products: phases or points, times slices.
    pub times: u32,
}

impl Sums {
    /// Multiply-adds, those on padding of channels included.
    pub fn multiply_adds(&self) -> u64 {
        16 * [self.rows, self.cols, self.steps, self.times].map(u64::from).iter().product::<u64>()
    }
}

impl Dispatch {
    /// A dispatch of an entry point of a shader file.
    pub fn new(file: &'static str, entry: &'static str) -> Self {
        Dispatch {
            kernel: Kernel::new(file, entry, &[]),
            binds: Vec::new(),
            params: Vec::new(),
            groups: [1, 1, 1],
            variant: None,
            sums: None,
        }
    }

    /// A dispatch of an entry point of WGSL from elsewhere: [`Kernel::of_text`].
    pub fn of_text(name: &'static str, text: &'static str, entry: &'static str) -> Self {
        Dispatch { kernel: Kernel::of_text(name, text, entry, &[]), ..Dispatch::new(name, entry) }
    }

    /// Gives a `// tune` constant another value.
    pub fn tune(mut self, name: &'static str, value: u32) -> Self {
        self.kernel = self.kernel.tune(name, value);
        self
    }

    /// Binds a tensor as the next storage binding.
    pub fn bind(mut self, name: &'static str, bind: Bind) -> Self {
        let access = if matches!(bind, Bind::Out(_) | Bind::Scratch { write: true, .. }) {
            Access::Write
        } else {
            Access::Read
        };
        let binding: Binding = (name, access);
        self.kernel.bindings.push(binding);
        self.binds.push(bind);
        self
    }

    fn value(mut self, name: impl Into<String>, value: Value) -> Self {
        self.params.push((name.into(), value));
        self
    }

    /// Appends a `u32` parameter.
    pub fn u(self, name: impl Into<String>, value: u32) -> Self {
        self.value(name, Value::U(value))
    }

    /// Appends an `i32` parameter.
    pub fn i(self, name: impl Into<String>, value: i32) -> Self {
        self.value(name, Value::I(value))
    }

    /// Appends an `f32` parameter.
    pub fn f(self, name: impl Into<String>, value: f32) -> Self {
        self.value(name, Value::F(value))
    }

    /// Appends `NAME_off` and `NAME_stride` of an operand.
    pub fn view(self, name: &str, operand: &Operand) -> Self {
        self.u(format!("{name}_off"), operand.offset).u(format!("{name}_stride"), operand.stride)
    }

    /// Appends `part0 … part3`: logical channels by part.
    pub fn parts(self, shape: &Shape) -> Self {
        (0..)
            .zip(shape.c.parts())
            .fold(self, |d, (at, part): (u32, u32)| d.u(format!("part{at}"), part))
    }

    /// States the sizes of the product of matrices that it is.
    pub fn sums(mut self, sums: Sums) -> Self {
        self.sums = Some(sums);
        self
    }

    /// As many workgroups of [`WORKGROUP`] as `invocations` take, folded into two dimensions.
    pub fn over(self, invocations: u64) -> Self {
        self.workgroups(invocations.div_ceil(u64::from(WORKGROUP)))
    }

    /// That many workgroups, folded into two dimensions.
    pub fn workgroups(self, count: u64) -> Self {
        let groups = count.max(1) as u32;
        let x = groups.min(MAX_GROUPS);
        self.groups([x, groups.div_ceil(x), 1])
    }

    /// Sets the grid, in workgroups per dimension.
    pub fn groups(mut self, groups: [u32; 3]) -> Self {
        self.groups = groups;
        self
    }

    /// The parameter block as bytes.
    pub(crate) fn param_bytes(&self) -> Vec<u8> {
        let word = |value: &Value| match *value {
            Value::U(v) => v.to_le_bytes(),
            Value::I(v) => v.to_le_bytes(),
            Value::F(v) => v.to_le_bytes(),
        };
        self.params.iter().flat_map(|(_, value)| word(value)).collect()
    }
}
