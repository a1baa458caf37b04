//! Operations. One operation is one stem: `src/ops/X.rs`, `shaders/X.wgsl`, `kernels-tests/X.rs`, a
//! line in [`OPS`].

mod act;
mod adam;
mod add;
mod avg_pool;
mod batch_norm;
mod batch_norm_second;
mod channel_sum;
mod concat;
mod conv2d;
mod copy;
mod dispatch;
mod dropout;
mod ema;
mod fill;
mod forward;
mod implicit_gemm;
mod init;
mod instance_edges;
mod instance_mean;
mod loss;
mod max_pool;
mod mul;
mod one_hot;
mod op;
mod padding;
mod pair;
mod picture;
mod pool;
mod reduce;
pub(crate) mod registry;
mod resample2d;
mod sample;
pub(crate) mod sample_kernels;
mod samples;
mod scale;
mod sum;
mod variation;

pub use act::{Act, ActBackward};
pub use adam::Adam;
pub use add::Add;
pub use avg_pool::{AvgPool2d, AvgPool2dBackward, Pooling};
pub(crate) use batch_norm::is_whole;
pub use batch_norm::{
    BatchNorm, BatchNormApply, BatchNormBackward, BatchNormStats, BatchNormSums, BatchNormWhole,
    BatchNormWholeBackward, NormMode, Running,
};
pub use batch_norm_second::BatchNormSecond;
pub use channel_sum::ChannelSum;
pub use concat::{Concat, Slice};
pub use conv2d::Convolution;
pub use copy::Copy;
pub use dispatch::{Bind, Dispatch, Operand, Sums, Value, WORKGROUP};
pub use dropout::Dropout;
pub use ema::Ema;
pub use fill::Fill;
pub(crate) use forward::Forward;
pub use implicit_gemm::{Fused, Method, Of, PartialVariant, Pass, Problem, Tile, Tuning, Variant};
pub use init::{Init, InitNormal};
pub use instance_edges::InstanceEdges;
pub use instance_mean::InstanceMean;
pub use loss::{Loss, LossBackward, LossKind};
pub use max_pool::{MaxPool2d, MaxPool2dBackward};
pub use mul::Mul;
pub use one_hot::OneHot;
pub use op::{Cost, Lowering, Op, View};
pub use padding::Padding;
pub use picture::{PictureToTensor, TensorToPicture};
pub use pool::{Pool, PoolDecision, PoolPages};
pub use registry::{Gradient, OPS, OpInfo};
pub use resample2d::{Enlarge, Resample2d, Resample2dBackward, Resample2dBackwardRelu};
pub use sample::{Mix, MixBackward, SampleBroadcast, SampleSum};
pub use scale::{Scale, ScaleBy};
pub use sum::{Broadcast, Sum};
pub use variation::{Variation, VariationBackward};
