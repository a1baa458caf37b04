//! You will learn: how to add an operation of your own, with a kernel in WGSL and a gradient,
//! without touching the crate.
//!
//! Run: `cargo run --release --example 08_custom_op`
//!
//! Expect: `the slope along the gradient is …, differences say …`, and the two agree

use pixtape::ops::{Bind, Dispatch, Lowering, Op, Operand};
use pixtape::{Backward, Gpu, Plan, PlanOptions, Result, Shape, StepValues, Store, Tape, Tensor};

/// Softplus and its derivative. `shaders/README.md` says what `use` brings and how parameters,
/// bindings and tensors are laid out. Lanes without a channel have to stay 0.
const KERNEL: &str = "\
// use: index
struct Params { vec4s: u32, width: u32, x_off: u32, x_stride: u32, y_off: u32, y_stride: u32, dy_off: u32, dy_stride: u32,
  part0: u32, part1: u32, part2: u32, part3: u32 }
@group(1) @binding(0) var<uniform> p: Params;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn softplus(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let v = x[p.x_off + at.x * p.x_stride + at.y];
  let here = lanes(at.y, vec4<u32>(p.part0, p.part1, p.part2, p.part3));
  let made = max(v, vec4<f32>(0.0)) + log(1.0 + exp(-abs(v)));
  y[p.y_off + at.x * p.y_stride + at.y] = select(vec4<f32>(0.0), made, lane_mask(here.y));
}

@compute @workgroup_size(WORKGROUP)
fn softplus_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = linear_id(group, groups, local);
  if (i >= p.vec4s) { return; }
  let at = divmod(i, p.width);
  let v = x[p.x_off + at.x * p.x_stride + at.y];
  dx[p.y_off + at.x * p.y_stride + at.y] = dy[p.dy_off + at.x * p.dy_stride + at.y] / (1.0 + exp(-v));
}
";

/// `y = log(1 + exp(x))`, element by element: same shape as `x`.
#[derive(Debug)]
struct Softplus;

/// `dx = dy / (1 + exp(-x))`. Inputs: `x`, `dy`.
#[derive(Debug)]
struct SoftplusBackward;

/// The parameter block, in the order of `Params`.
fn params(d: Dispatch, x: &Operand, y: &Operand, dy: &Operand) -> Dispatch {
    let vec4s = x.shape.vec4s();
    d.u("vec4s", vec4s as u32)
        .u("width", x.shape.c.vec4s())
        .view("x", x)
        .view("y", y)
        .view("dy", dy)
        .parts(&x.shape)
        .over(vec4s)
}

impl Op for Softplus {
    fn name(&self) -> &'static str {
        "softplus"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let d = Dispatch::of_text("softplus", KERNEL, "softplus")
            .bind("x", Bind::In(0))
            .bind("y", Bind::Out(0));
        vec![params(d, x, y, x)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (x, dy) = (b.inputs[0], b.dy());
        let shape = b.tape.shape(x);
        let dx = b.tape.push_one(SoftplusBackward, &[x, dy], shape);
        b.give(0, dx);
        Ok(())
    }
}

impl Op for SoftplusBackward {
    fn name(&self) -> &'static str {
        "softplus_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, dy, dx) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
        let d = Dispatch::of_text("softplus", KERNEL, "softplus_bwd")
            .bind("x", Bind::In(0))
            .bind("dy", Bind::In(1))
            .bind("dx", Bind::Out(0));
        vec![params(d, x, dx, dy)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("softplus_bwd", "no second derivative was written for it")
    }
}

fn softplus(tape: &mut Tape, x: Tensor) -> Tensor {
    let shape = tape.shape(x);
    tape.push_one(Softplus, &[x], shape)
}

fn main() -> Result<()> {
    let gpu = pollster::block_on(Gpu::request(&Default::default()))?;
    let (mut tape, store) = (Tape::new(), Store::new());
    let x = tape.input("x", Shape::new(1, 8, 8, 6));
    let y = softplus(&mut tape, x);
    let loss = tape.mse(y, 0.5);
    let dx = tape.backward(&[loss], &[x])?[0].expect("the loss depends on x");
    let program = Plan::new(&tape, &store, &[loss, dx], gpu.family(), PlanOptions::default())?
        .prepare(&gpu, &store)?;

    let count = 8 * 8 * 6;
    let wave = |step: f32| -> Vec<f32> { (0..count).map(|i| (i as f32 * step).sin()).collect() };
    let (values, direction) = (wave(0.7), wave(0.3));
    let at = |values: &[f32]| -> Result<f64> {
        program.write(x, values)?;
        program.step(&StepValues::default())?;
        Ok(pollster::block_on(program.read(loss))?[0].into())
    };
    at(&values)?;
    let gradient = pollster::block_on(program.read(dx))?;
    let slope: f64 =
        gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
    let moved =
        |by: f32| -> Vec<f32> { values.iter().zip(&direction).map(|(v, d)| v + by * d).collect() };
    let difference = (at(&moved(0.01))? - at(&moved(-0.01))?) / 0.02;
    println!("the slope along the gradient is {slope:.5}, differences say {difference:.5}");
    assert!((slope - difference).abs() < 1e-3 * slope.abs().max(0.01), "they differ");
    Ok(())
}
