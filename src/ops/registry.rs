//! Every operation in one list, with an example of each: documentation, tests and benches go
//! through it.

use super::{Act, Of, samples};
use crate::error::Result;
use crate::store::Store;
use crate::tape::Tape;

/// The operation that computes the derivative of another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gradient {
    /// This operation, by name (and perhaps others with it).
    Op(&'static str),
    /// The gradient of the output, passed on unchanged.
    Passed,
    /// There is none, for this reason.
    None(&'static str),
}

/// An operation in [`OPS`].
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// What [`super::Op::name`] returns.
    pub name: &'static str,
    /// The file in `src/ops` (of filters: `src/filters/ops`) that holds it, without extension.
    pub stem: &'static str,
    /// What it computes, as a formula where there is one.
    pub summary: &'static str,
    /// How its derivative is computed.
    pub gradient: Gradient,
    /// Records it and its derivative at small shapes, in every variant that has kernels of its own.
    pub sample: fn(&mut Tape, &mut Store) -> Result<()>,
}

pub(crate) const fn op(
    name: &'static str,
    stem: &'static str,
    summary: &'static str,
    gradient: Gradient,
    sample: fn(&mut Tape, &mut Store) -> Result<()>,
) -> OpInfo {
    OpInfo { name, stem, summary, gradient, sample }
}

const NO_OPERANDS: Gradient = Gradient::None("it has no operands");
const FUSED: Gradient = Gradient::None("plans put it in place of what was recorded, which has one");
const OF_SUMS: Gradient = Gradient::None("those of batch_norm and batch_norm_bwd cover it");
const THIRD: Gradient = Gradient::None("third derivatives are not needed by any loss here");
const SECOND_LOSS: Gradient =
    Gradient::None("second derivatives of losses are not needed by any net here");

/// All operations of networks; those of filters are in [`crate::filters::OPS`].
pub const OPS: &[OpInfo] = &[
    op(
        "leaky_relu",
        "act",
        "y = x > 0 ? x : slope x",
        Gradient::Op("act_bwd"),
        samples::leaky_relu,
    ),
    op("relu", "act", "y = max(x, 0)", Gradient::Op("act_bwd"), |t, _| samples::act(t, Act::Relu)),
    op("tanh", "act", "y = tanh(x)", Gradient::Op("act_bwd"), |t, _| samples::act(t, Act::Tanh)),
    op("sigmoid", "act", "y = 1 / (1 + exp(-x))", Gradient::Op("act_bwd"), samples::sigmoid),
    op("act_bwd", "act", "dx = f'(.) dy", Gradient::Op("act_bwd"), samples::act_bwd),
    op("add", "add", "y = a + b", Gradient::Passed, samples::add),
    op("mul", "mul", "y = a b", Gradient::Op("mul"), samples::mul),
    op("scale", "scale", "y = a x", Gradient::Op("scale"), samples::scale),
    op(
        "scale_by",
        "scale",
        "y = s x, s a scalar tensor",
        Gradient::Op("scale_by"),
        samples::scale_by,
    ),
    op("fill", "fill", "y = value", NO_OPERANDS, samples::fill),
    op("copy", "copy", "y = x", Gradient::Passed, samples::copy),
    op(
        "concat",
        "concat",
        "y = the channels of the inputs one after another",
        Gradient::Op("slice"),
        samples::concat,
    ),
    op("slice", "concat", "y = some of the channels of x", Gradient::Op("concat"), samples::slice),
    op(
        "join_batches",
        "batches",
        "y = the images of the inputs one after another",
        Gradient::Op("split_batch"),
        samples::join_batches,
    ),
    op(
        "split_batch",
        "batches",
        "y_i = some of the images of x",
        Gradient::Op("join_batches"),
        samples::split_batch,
    ),
    op(
        "dropout",
        "dropout",
        "y = keep ? x / (1 - p) : 0",
        Gradient::Op("dropout"),
        samples::dropout,
    ),
    op("init_normal", "init", "w = mean + std * normal", NO_OPERANDS, samples::init_normal),
    op(
        "picture_to_tensor",
        "picture",
        "y = (byte / 255 - 0.5) * 2",
        Gradient::None("bytes have no gradient"),
        samples::picture_to_tensor,
    ),
    op(
        "tensor_to_picture",
        "picture",
        "byte = round((x + 1) * 127.5)",
        Gradient::None("rounding has no gradient"),
        samples::tensor_to_picture,
    ),
    op(
        "sum",
        "sum",
        "y = scale * sum of x; with scale 1 / elements the mean",
        Gradient::Op("broadcast"),
        samples::sum,
    ),
    op("broadcast", "sum", "y = scale * x, x a scalar", Gradient::Op("sum"), samples::broadcast),
    op(
        "channel_sum",
        "channel_sum",
        "y = sum of x over pixels",
        Gradient::None("it makes gradients of biases, on which no loss depends"),
        samples::channel_sum,
    ),
    op(
        "bce_with_logits",
        "loss",
        "y = mean of log(1 + exp(x)) - target x",
        Gradient::Op("bce_with_logits_bwd"),
        samples::bce,
    ),
    op(
        "bce_with_logits_bwd",
        "loss",
        "dx = dy / elements * (sigmoid(x) - target)",
        SECOND_LOSS,
        samples::bce,
    ),
    op("mse", "loss", "y = mean of (x - target)^2", Gradient::Op("mse_bwd"), samples::mse),
    op("mse_bwd", "loss", "dx = dy / elements * 2 (x - target)", SECOND_LOSS, samples::mse),
    op("l1", "loss", "y = mean of |x - target|", Gradient::Op("l1_bwd"), samples::l1),
    op("l1_bwd", "loss", "dx = dy / elements * sign(x - target)", SECOND_LOSS, samples::l1),
    op(
        "hinge",
        "loss",
        "y = mean of max(0, 1 - target x)",
        Gradient::Op("hinge_bwd"),
        samples::one_sided,
    ),
    op(
        "hinge_bwd",
        "loss",
        "dx = dy / elements * (target x < 1 ? -target : 0)",
        SECOND_LOSS,
        samples::one_sided,
    ),
    op(
        "norm_penalty",
        "loss",
        "y = mean of (sqrt(x) - target)^2",
        Gradient::Op("norm_penalty_bwd"),
        samples::one_sided,
    ),
    op(
        "norm_penalty_bwd",
        "loss",
        "dx = dy / elements * (1 - target / sqrt(x))",
        SECOND_LOSS,
        samples::one_sided,
    ),
    op(
        "variation",
        "variation",
        "y = a |right - x| + b |below - x|; its sum is the total variation",
        Gradient::Op("variation_bwd"),
        samples::variation,
    ),
    op(
        "variation_bwd",
        "variation",
        "dx = signed sums of dy here, left and above",
        SECOND_LOSS,
        samples::variation,
    ),
    op(
        "sample_sum",
        "sample",
        "y = sum of each sample of x",
        Gradient::Op("sample_broadcast"),
        samples::sample_sum,
    ),
    op(
        "sample_broadcast",
        "sample",
        "y = x of the sample",
        Gradient::Op("sample_sum"),
        samples::sample_broadcast,
    ),
    op(
        "mix",
        "sample",
        "y = alpha a + (1 - alpha) b, alpha random, one per sample",
        Gradient::Op("mix_bwd"),
        |t, _| samples::mix(t),
    ),
    op(
        "mix_bwd",
        "sample",
        "da = alpha dy, db = (1 - alpha) dy",
        Gradient::Op("mix_bwd"),
        |t, _| samples::mix(t),
    ),
    op(
        "resample2d",
        "resample2d",
        "y = x enlarged by 2 (nearest, bilinear) and padded by reflection or replication",
        Gradient::Op("resample2d_bwd"),
        |t, _| samples::resample(t),
    ),
    op(
        "resample2d_bwd",
        "resample2d",
        "the adjoint of resample2d",
        Gradient::Op("resample2d"),
        |t, _| samples::resample(t),
    ),
    op(
        "resample2d_bwd_relu",
        "resample2d",
        "the adjoint of resample2d, times the derivative of a ReLU before it",
        FUSED,
        samples::resample2d_bwd_relu,
    ),
    op(
        "avg_pool2d",
        "avg_pool",
        "y = mean of the pixels of a window that are inside the image",
        Gradient::Op("avg_pool2d_bwd"),
        samples::avg_pool,
    ),
    op(
        "avg_pool2d_bwd",
        "avg_pool",
        "the adjoint of avg_pool2d",
        Gradient::Op("avg_pool2d"),
        samples::avg_pool,
    ),
    op(
        "max_pool2d",
        "max_pool",
        "y = max of 2x2 pixels",
        Gradient::Op("max_pool2d_bwd"),
        samples::max_pool,
    ),
    op(
        "max_pool2d_bwd",
        "max_pool",
        "dx = dy at the first largest pixel of each window, else 0",
        Gradient::None("second derivatives of max pooling are not needed by any loss here"),
        samples::max_pool,
    ),
    op(
        "one_hot",
        "one_hot",
        "y = 1 in the channel that x names, else 0",
        Gradient::None("an index has no derivative"),
        samples::one_hot,
    ),
    op(
        "instance_edges",
        "instance_edges",
        "y = 1 where x differs from a pixel beside, above or below, else 0",
        Gradient::None("numbers of instances have no derivative"),
        samples::instance_edges,
    ),
    op(
        "instance_mean",
        "instance_mean",
        "y = mean of x over the pixels of the image with the same number",
        Gradient::Op("instance_mean"),
        samples::instance_mean,
    ),
    op(
        "batch_norm",
        "batch_norm",
        "y = (x - mean) rstd gamma + beta",
        Gradient::Op("batch_norm_bwd"),
        samples::batch_norm,
    ),
    op(
        "batch_norm_stats",
        "batch_norm",
        "mean and 1 / sqrt(var + eps) by channel and group",
        Gradient::None("that of batch_norm covers it"),
        samples::batch_norm,
    ),
    op(
        "batch_norm_running",
        "batch_norm",
        "statistics from running mean and variance",
        Gradient::None("running statistics are not trained"),
        samples::batch_norm,
    ),
    op(
        "batch_norm_sums",
        "batch_norm",
        "sums of dy and dy xhat by channel and group",
        OF_SUMS,
        samples::batch_norm,
    ),
    op(
        "batch_norm_parameter",
        "batch_norm",
        "dgamma or dbeta from the sums",
        OF_SUMS,
        samples::batch_norm,
    ),
    op(
        "batch_norm_bwd",
        "batch_norm",
        "dx = gamma rstd (dy - mean of dy - xhat * mean of dy xhat)",
        Gradient::Op("batch_norm_second"),
        samples::batch_norm_second,
    ),
    op(
        "batch_norm_whole",
        "batch_norm",
        "statistics of few pixels, and y from them",
        FUSED,
        samples::batch_norm_whole,
    ),
    op(
        "batch_norm_whole_bwd",
        "batch_norm",
        "sums over few pixels, and dx from them",
        FUSED,
        samples::batch_norm_whole,
    ),
    op(
        "batch_norm_second",
        "batch_norm_second",
        "the derivative of batch_norm_bwd by x",
        THIRD,
        samples::batch_norm_second,
    ),
    op(
        "conv2d",
        "conv2d",
        "y = bias + sum over taps and ci of x w",
        Gradient::Op("conv2d_bwd_x"),
        |t, s| samples::convolutions(t, s, false),
    ),
    op(
        "conv2d_bwd_x",
        "conv2d",
        "dx = sum over taps and co of dy w",
        Gradient::Op("conv2d"),
        |t, _| samples::gradient(t, false, Of::Input),
    ),
    op(
        "conv2d_bwd_w",
        "conv2d",
        "dw = sum over pixels of x dy",
        Gradient::Op("conv2d_bwd_x"),
        |t, _| samples::gradient(t, false, Of::Weight),
    ),
    op(
        "conv_transpose2d",
        "conv2d",
        "y = bias + sum over taps and ci of x w, spread",
        Gradient::Op("conv_transpose2d_bwd_x"),
        |t, s| samples::convolutions(t, s, true),
    ),
    op(
        "conv_transpose2d_bwd_x",
        "conv2d",
        "dx = sum over taps and co of dy w",
        Gradient::Op("conv_transpose2d"),
        |t, _| samples::gradient(t, true, Of::Input),
    ),
    op(
        "conv_transpose2d_bwd_w",
        "conv2d",
        "dw = sum over pixels of x dy",
        Gradient::Op("conv_transpose2d_bwd_x"),
        |t, _| samples::gradient(t, true, Of::Weight),
    ),
    op(
        "adam",
        "adam",
        "w -= lr * m / (sqrt(v) + eps), moments updated",
        Gradient::None("an optimizer step is not trained through"),
        samples::adam,
    ),
    op(
        "pool",
        "pool",
        "y = x, or what is kept in a slot; the slot = x",
        Gradient::None("what comes out was made by an earlier step"),
        samples::pool,
    ),
    op(
        "ema",
        "ema",
        "e += share (w - e), share falling to 1 - decay",
        Gradient::None("an average of parameters is not trained through"),
        samples::ema,
    ),
];
