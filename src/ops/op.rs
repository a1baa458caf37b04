//! What an operation is: how it is lowered to dispatches, differentiated, and what it costs.

use super::dispatch::{Dispatch, Operand};
use super::implicit_gemm::Tuning;
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::Backward;
use std::any::Any;
use std::fmt;

/// Arithmetic and traffic of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations, without those on padding; a multiply-add counts two.
    pub flop: u64,
    /// Bytes that must be read or written at least once.
    pub bytes: u64,
}

/// A node as an operation sees it when it is lowered to dispatches.
#[derive(Debug)]
pub struct Lowering<'a> {
    /// Chooses the variant of each convolution.
    pub tuning: &'a Tuning,
    /// Shapes of the operands, and where they lie.
    pub inputs: &'a [Operand],
    /// Shapes of the results, and where they go.
    pub outputs: &'a [Operand],
    /// The number the node was recorded under: the stream of random numbers it draws from.
    pub number: u32,
}

/// How a plan may lay an operation's tensors on top of each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// None: it computes, from buffers into others.
    None,
    /// It joins its inputs along the channels: their producers may write into the output directly.
    Concat,
    /// Its output is part of its input, from this vec4 of each pixel on.
    Slice(u32),
    /// It joins its inputs image after image, likewise.
    Join,
    /// Its outputs are the images of its input, in order.
    Split,
}

/// An operation with its hyper-parameters. Shapes are checked by the function that records it;
/// nothing here can fail on them.
pub trait Op: Any + fmt::Debug + Send + Sync {
    /// Name in labels and reports.
    fn name(&self) -> &'static str;

    /// The dispatches that compute it.
    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch>;

    /// Records the gradient of its inputs from the gradient of its outputs.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] where there is no derivative.
    fn backward(&self, b: &mut Backward<'_>) -> Result<()>;

    /// Arithmetic and traffic. By default an element-wise operation: one operation per output
    /// element, everything touched once.
    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: outputs.first().map_or(0, Shape::elements),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }

    /// How it arranges tensors, if it computes nothing.
    fn view(&self) -> View {
        View::None
    }

    /// Whether it reads what its outputs held before (sums onto them, updates them).
    fn in_place(&self) -> bool {
        false
    }

    /// Whether its results are numbers, of which NaN and infinity are wrong; otherwise any bits
    /// are right (packed bytes).
    fn makes_numbers(&self) -> bool {
        true
    }
}
