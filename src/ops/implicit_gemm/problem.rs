//! What is to be computed: a pass of a convolution and its exact shapes, and the matrix product
//! that it is.

use super::variant::Method;
use crate::ops::Sums;
use crate::ops::padding::Padding;
use crate::shape::{Conv, Shape};
use std::fmt;

/// A tensor of a layer. The bias aside, a layer has three, and each pass computes one of them (or
/// its gradient) from the other two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Of {
    /// `y`, or its gradient `dy`.
    Output,
    /// `x`, or its gradient `dx`.
    Input,
    /// `w`, or its gradient `dw`.
    Weight,
}

/// A pass of a convolution: the kind of its layer, and which tensor of the layer it computes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pass {
    /// Whether the layer is a transposed convolution.
    pub transposed: bool,
    /// The tensor that it computes: the output forward, the others as gradients.
    pub of: Of,
}

impl Pass {
    /// The passes of both kinds of layers.
    pub const ALL: [Pass; 6] = {
        let [a, b, c] = Pass::of_layer(false);
        let [d, e, f] = Pass::of_layer(true);
        [a, b, c, d, e, f]
    };

    /// The passes of a layer: output, gradient of the input, gradient of the weight.
    pub const fn of_layer(transposed: bool) -> [Pass; 3] {
        [
            Pass { transposed, of: Of::Output },
            Pass { transposed, of: Of::Input },
            Pass { transposed, of: Of::Weight },
        ]
    }

    /// Name of the operation.
    pub const fn name(self) -> &'static str {
        match (self.transposed, self.of) {
            (false, Of::Output) => "conv2d",
            (false, Of::Input) => "conv2d_bwd_x",
            (false, Of::Weight) => "conv2d_bwd_w",
            (true, Of::Output) => "conv_transpose2d",
            (true, Of::Input) => "conv_transpose2d_bwd_x",
            (true, Of::Weight) => "conv_transpose2d_bwd_w",
        }
    }

    /// Its two operands, in order.
    pub const fn operands(self) -> [Of; 2] {
        match self.of {
            Of::Output => [Of::Input, Of::Weight],
            Of::Input => [Of::Output, Of::Weight],
            Of::Weight => [Of::Input, Of::Output],
        }
    }

    /// Whether it computes the gradient of the weight: a sum over pixels.
    pub const fn is_weight(self) -> bool {
        matches!(self.of, Of::Weight)
    }

    /// Whether it computes the smaller map from the larger one, as a forward convolution does. The
    /// other passes over data compute the larger map, one phase of the stride after another.
    pub const fn gathers(self) -> bool {
        match self.of {
            Of::Output => !self.transposed,
            Of::Input => self.transposed,
            Of::Weight => false,
        }
    }
}

/// What is to be computed: the pass and its exact shapes. Prints as the key of tuning tables.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Problem {
    /// The pass.
    pub pass: Pass,
    /// The two operands in the operation's order.
    pub inputs: [Shape; 2],
    /// The result.
    pub output: Shape,
    /// Kernel, stride, padding.
    pub conv: Conv,
    /// What the padding is where it is not zeros: of `conv2d` and `conv2d_bwd_w` only.
    pub border: Option<Padding>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, y] =
            [self.inputs[0], self.inputs[1], self.output].map(|s| s.to_string().replace(' ', ""));
        write!(f, "{} {a} {b} -> {y} {}", self.pass.name(), self.conv)?;
        self.border.map_or(Ok(()), |border| write!(f, " {border}"))
    }
}

/// Sizes of the matrix product that a problem is, once for each of `phases`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Product {
    pub rows: u32,
    /// vec4s.
    pub cols: u32,
    /// Steps of 4 in a run of the sum; the sum has `taps` runs.
    pub blocks: u32,
    pub taps: u32,
    pub phases: u32,
}

impl Product {
    /// Sizes of a dispatch that computes it in slices of so many blocks.
    pub fn sums(&self, slice: u32) -> Sums {
        let Product { rows, cols, blocks, taps, phases } = *self;
        Sums { rows, cols, steps: taps * slice, times: phases * blocks.div_ceil(slice) }
    }
}

impl Problem {
    /// A pass of the layer from `x` `[n, hi, wi, ci]` to `y` `[n, ho, wo, co]`.
    pub fn of_layer(pass: Pass, x: Shape, y: Shape, conv: Conv) -> Self {
        let w = Shape::new(conv.taps(), 1, x.c.physical(), y.c);
        let shape = |of| match of {
            Of::Output => y,
            Of::Input => x,
            Of::Weight => w,
        };
        let inputs = pass.operands().map(shape);
        Problem { pass, inputs, output: shape(pass.of), conv, border: None }
    }

    /// Shape of a tensor of the layer.
    fn shape(&self, of: Of) -> Shape {
        let at = self.pass.operands().iter().position(|o| *o == of);
        at.map_or(self.output, |at| self.inputs[at])
    }

    /// The layer's input and output.
    pub fn layer(&self) -> [Shape; 2] {
        [self.shape(Of::Input), self.shape(Of::Output)]
    }

    /// The map at whose pixels the kernel is anchored, and the one that it walks over: a
    /// convolution's output and input, a transposed convolution's input and output.
    pub fn anchor_and_walked(&self) -> [Shape; 2] {
        let [x, y] = self.layer();
        if self.pass.transposed { [x, y] } else { [y, x] }
    }

    /// Images and sides of the grid that results are made on: the anchor's pixels, or of a pass
    /// that spreads the pixels of one phase of the result.
    pub(super) fn grid(&self) -> [u32; 3] {
        if self.pass.is_weight() || self.pass.gathers() {
            let [anchor, _] = self.anchor_and_walked();
            [anchor.n, anchor.h, anchor.w]
        } else {
            let (y, s) = (self.output, self.conv.stride);
            [y.n, y.h.div_ceil(s), y.w.div_ceil(s)]
        }
    }

    /// Multiply-adds that the layer really needs, two FLOP each: counted at the pixels of the
    /// anchor.
    pub(crate) fn flop(&self) -> u64 {
        let ([anchor, _], [x, y]) = (self.anchor_and_walked(), self.layer());
        let product = [anchor.pixels(), x.c.logical(), y.c.logical(), self.conv.taps()];
        2 * product.into_iter().map(u64::from).product::<u64>()
    }

    /// Sizes of the direct product.
    pub(super) fn direct(&self) -> Product {
        let taps = self.conv.taps();
        if self.pass.is_weight() {
            let [anchor, walked] = self.anchor_and_walked();
            return Product {
                rows: taps * walked.c.physical(),
                cols: anchor.c.vec4s(),
                blocks: anchor.pixels().div_ceil(4),
                taps: 1,
                phases: 1,
            };
        }
        let phases = if self.pass.gathers() { 1 } else { self.conv.stride.pow(2) };
        Product {
            rows: self.grid().into_iter().product(),
            cols: self.output.c.vec4s(),
            blocks: self.inputs[0].c.vec4s(),
            taps: taps.div_ceil(phases),
            phases,
        }
    }

    /// Terms of the sum that an element of the result is, at most.
    pub fn terms(&self) -> u64 {
        let Product { blocks, taps, .. } = self.direct();
        4 * u64::from(blocks) * u64::from(taps)
    }

    /// Whether a method applies.
    pub fn allows(&self, method: Method) -> bool {
        let Conv { kernel, stride, pad, .. } = self.conv;
        let halves = kernel == 4 && stride == 2 && pad == 1;
        let keeps = stride == 1 && (pad < kernel || self.border.is_some());
        // A result within one tile gains nothing, and what is constant there (one pixel enlarged)
        // must stay so: a norm of it would multiply each rounding by 1 / sqrt(eps).
        let [_, y] = self.layer();
        let exceeds = |tile: u32| y.h.min(y.w) > tile;
        match method {
            Method::Direct => true,
            Method::Winograd3 => halves,
            Method::Winograd5 => halves || keeps && (kernel == 4 || kernel == 3 && exceeds(3)),
            Method::Winograd6 => keeps && (kernel == 4 && exceeds(3) || kernel == 3 && exceeds(4)),
        }
    }
}

#[cfg(test)]
impl Problem {
    /// 64 to 128 channels, 128 x 128 to 64 x 64, k4 s2 p1.
    pub(super) fn sample() -> Problem {
        Problem::of_layer(
            Pass::ALL[0],
            Shape::new(1, 128, 128, 64),
            Shape::new(1, 64, 64, 128),
            Conv::new(4, 2, 1),
        )
    }
}
