//! Operations. One operation is one stem: `src/ops/X.rs`, `shaders/X.wgsl`, `kernels-tests/X.rs`, a
//! line in [`OPS`].

mod act;
mod adam;
mod add;
mod batch_norm;
mod batch_norm_second;
mod blur;
mod canny;
mod channel_sum;
mod components;
mod concat;
mod conv2d;
mod copy;
mod dispatch;
mod dropout;
mod ema;
mod fill;
mod implicit_gemm;
mod init;
mod loss;
mod mul;
mod pair;
mod picture;
mod pool;
mod reduce;
mod registry;
mod resample2d;
mod sample;
mod scale;
mod sum;
mod thin;
mod variation;

pub use act::{Act, ActBackward, ActPass};
pub use adam::Adam;
pub use add::Add;
pub use batch_norm::{
    BatchNorm, BatchNormApply, BatchNormBackward, BatchNormStats, NormMode, Running,
};
pub use batch_norm_second::BatchNormSecond;
pub use blur::GaussianBlur;
pub use canny::{Luma, NonMaximum, Sobel};
pub use channel_sum::ChannelSum;
pub use components::Components;
pub use concat::{Concat, Slice};
pub use conv2d::Convolution;
pub use copy::Copy;
pub use dispatch::{Bind, Dispatch, Operand, Value, WORKGROUP};
pub use dropout::Dropout;
pub use ema::Ema;
pub use fill::Fill;
pub use implicit_gemm::{Fused, Method, Of, Pass, Problem, Tile, Tuning, Variant, Wish};
pub use init::{Init, InitNormal};
pub use loss::{Loss, LossBackward, LossKind};
pub use mul::Mul;
pub use picture::{PictureToTensor, TensorToPicture};
pub use pool::{Pool, PoolDecision, PoolPages};
pub use registry::{Gradient, OPS, OpInfo, sample_kernels};
pub use resample2d::{
    Enlarge, PadPass, Padding, Resample2d, Resample2dBackward, Resample2dBackwardRelu,
};
pub use sample::{Mix, MixBackward, SampleBroadcast, SampleSum};
pub use scale::{Scale, ScaleBy};
pub use sum::{Broadcast, Sum};
pub use thin::Thin;
pub use variation::{Variation, VariationBackward};

use crate::error::Result;
use crate::shape::Shape;
use crate::tape::Backward;
use std::fmt;

/// Arithmetic and traffic of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations on values that mean something; a multiply-add is two.
    pub flop: u64,
    /// Bytes that must be read or written at least once.
    pub bytes: u64,
}

/// A node as an operation sees it when it says which dispatches to make.
#[derive(Debug)]
pub struct Lowering<'a> {
    /// Which variant convolutions take.
    pub tuning: &'a Tuning,
    /// Where the operands lie.
    pub inputs: &'a [Operand],
    /// Where the results go.
    pub outputs: &'a [Operand],
    /// The number the node was recorded under: the stream of random numbers it draws from.
    pub number: u32,
}

/// How a plan may lay an operation's tensors on top of each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// It computes.
    None,
    /// It joins its inputs along the channels: their producers may write into the output directly.
    Concat,
    /// Its output is part of its input, from this vec4 of each pixel on.
    Slice(u32),
}

/// An operation with its hyper-parameters. Shapes are checked by the function that records it;
/// nothing here can fail on them.
pub trait Op: fmt::Debug + Send + Sync {
    /// Name in labels and reports.
    fn name(&self) -> &'static str;

    /// The dispatches that compute it.
    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch>;

    /// Records the gradient of its inputs from the gradient of its outputs.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] where there is no derivative.
    fn backward(&self, b: &mut Backward<'_>) -> Result<()>;

    /// Arithmetic and traffic. By default an element-wise operation: one operation an output
    /// element, everything touched once.
    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost {
            flop: outputs.first().map_or(0, Shape::elements),
            bytes: inputs.iter().chain(outputs).map(Shape::bytes).sum(),
        }
    }

    /// Whether it merely arranges tensors.
    fn view(&self) -> View {
        View::None
    }

    /// What it is, if it is a pass of a convolution.
    fn convolution(&self) -> Option<Convolution> {
        None
    }

    /// What it is, if it is an activation or the derivative of one.
    fn activation(&self) -> Option<ActPass> {
        None
    }

    /// What it is, if it is padding that enlarges nothing, or the adjoint of one.
    fn padding(&self) -> Option<PadPass> {
        None
    }

    /// Whether it reads what its outputs held before (sums onto them, updates them).
    fn in_place(&self) -> bool {
        false
    }
}

/// Stands in for an operation while its own derivative is being recorded.
#[derive(Debug)]
pub(crate) struct Away;

impl Op for Away {
    fn name(&self) -> &'static str {
        "away"
    }
    fn lower(&self, _: &Lowering<'_>) -> Vec<Dispatch> {
        unreachable!("only on a tape while a derivative is recorded")
    }
    fn backward(&self, _: &mut Backward<'_>) -> Result<()> {
        unreachable!("only on a tape while a derivative is recorded")
    }
}
