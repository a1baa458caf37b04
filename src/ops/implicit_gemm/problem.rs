//! What is to be computed: a pass of a convolution and its exact shapes, and the matrix product
//! that it is.

use super::Method;
use crate::ops::Padding;
use crate::shape::{Conv, Shape};
use std::fmt;

/// A pass of a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pass {
    /// `conv2d`
    Conv,
    /// `conv2d_bwd_x`
    ConvX,
    /// `conv2d_bwd_w`
    ConvW,
    /// `conv_transpose2d`
    Transposed,
    /// `conv_transpose2d_bwd_x`
    TransposedX,
    /// `conv_transpose2d_bwd_w`
    TransposedW,
}

impl Pass {
    /// All of them.
    pub const ALL: [Pass; 6] = [
        Pass::Conv,
        Pass::ConvX,
        Pass::ConvW,
        Pass::Transposed,
        Pass::TransposedX,
        Pass::TransposedW,
    ];

    /// Those of a layer: output, gradient of the input, gradient of the weight.
    pub fn of_layer(transposed: bool) -> [Pass; 3] {
        if transposed {
            [Pass::Transposed, Pass::TransposedX, Pass::TransposedW]
        } else {
            [Pass::Conv, Pass::ConvX, Pass::ConvW]
        }
    }

    /// Name of the operation.
    pub fn name(self) -> &'static str {
        match self {
            Pass::Conv => "conv2d",
            Pass::ConvX => "conv2d_bwd_x",
            Pass::ConvW => "conv2d_bwd_w",
            Pass::Transposed => "conv_transpose2d",
            Pass::TransposedX => "conv_transpose2d_bwd_x",
            Pass::TransposedW => "conv_transpose2d_bwd_w",
        }
    }

    /// Whether it belongs to a transposed convolution.
    pub fn is_transposed(self) -> bool {
        matches!(self, Pass::Transposed | Pass::TransposedX | Pass::TransposedW)
    }

    /// Whether it makes a layer's output.
    pub fn is_forward(self) -> bool {
        matches!(self, Pass::Conv | Pass::Transposed)
    }

    /// Whether it makes a weight's gradient.
    pub fn is_weights(self) -> bool {
        matches!(self, Pass::ConvW | Pass::TransposedW)
    }
}

/// What is to be computed: the pass and its exact shapes. Prints as the key of tables.
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

impl Problem {
    /// A pass of the layer from `x` `[n, hi, wi, ci]` to `y` `[n, ho, wo, co]`.
    pub fn of_layer(pass: Pass, x: Shape, y: Shape, conv: Conv) -> Self {
        let w = Shape::new(conv.taps(), 1, x.c.physical(), y.c);
        let (inputs, output) = match pass {
            Pass::Conv | Pass::Transposed => ([x, w], y),
            Pass::ConvX | Pass::TransposedX => ([y, w], x),
            Pass::ConvW | Pass::TransposedW => ([x, y], w),
        };
        Problem { pass, inputs, output, conv, border: None }
    }

    /// The layer's input and output.
    pub fn layer(&self) -> [Shape; 2] {
        let [a, b] = self.inputs;
        match self.pass {
            Pass::Conv | Pass::Transposed => [a, self.output],
            Pass::ConvX | Pass::TransposedX => [self.output, a],
            Pass::ConvW | Pass::TransposedW => [a, b],
        }
    }

    /// Sizes of the direct product.
    pub(super) fn direct(&self) -> Product {
        let (conv, y) = (self.conv, self.output);
        let taps = conv.taps();
        match self.pass {
            Pass::Conv | Pass::TransposedX => {
                let blocks = self.inputs[0].c.vec4s();
                Product { rows: y.pixels(), cols: y.c.vec4s(), blocks, taps, phases: 1 }
            }
            Pass::ConvX | Pass::Transposed => {
                let s = conv.stride;
                let rows = y.n * y.h.div_ceil(s) * y.w.div_ceil(s);
                Product {
                    rows,
                    cols: y.c.vec4s(),
                    blocks: self.inputs[0].c.vec4s(),
                    taps: taps.div_ceil(s * s),
                    phases: s * s,
                }
            }
            Pass::ConvW | Pass::TransposedW => {
                let (gathered, anchor) = if self.pass == Pass::ConvW { (0, 1) } else { (1, 0) };
                let anchor = self.inputs[anchor];
                Product {
                    rows: taps * self.inputs[gathered].c.physical(),
                    cols: anchor.c.vec4s(),
                    blocks: anchor.pixels().div_ceil(4),
                    taps: 1,
                    phases: 1,
                }
            }
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
            Pass::Conv,
            Shape::new(1, 128, 128, 64),
            Shape::new(1, 64, 64, 128),
            Conv::new(4, 2, 1),
        )
    }
}
