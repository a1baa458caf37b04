//! Every operation in one list, with an example of each: documentation, tests and benches go
//! through it.

use super::{
    Act, ActBackward, BatchNorm, Broadcast, Convolution, Dispatch, Enlarge, Fused, Lowering,
    MixBackward, NormMode, Of, Operand, Padding, Pass, Resample2d, Resample2dBackward,
    Resample2dBackwardRelu, Running, SampleBroadcast, Slice, Tuning, View,
};
use crate::error::Result;
use crate::shape::{Channels, Conv, Shape};
use crate::store::{Layout, Store};
use crate::tape::{Tape, Tensor};

/// What the derivative of an operation is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gradient {
    /// This operation, by name (and perhaps others with it).
    Op(&'static str),
    /// The gradient of the output as it is.
    Passed,
    /// Nothing: the reason.
    None(&'static str),
}

/// An operation in [`OPS`].
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// What [`super::Op::name`] returns.
    pub name: &'static str,
    /// The file in `src/ops` that holds it, without extension.
    pub stem: &'static str,
    /// The formula, in a line of `docs/ops.md`.
    pub summary: &'static str,
    /// The operations of its derivative, or why it has none.
    pub gradient: Gradient,
    /// Records it and its derivative at small shapes, in every variant that has kernels of its own.
    pub sample: fn(&mut Tape, &mut Store) -> Result<()>,
}

const fn op(
    name: &'static str,
    stem: &'static str,
    summary: &'static str,
    gradient: Gradient,
    sample: fn(&mut Tape, &mut Store) -> Result<()>,
) -> OpInfo {
    OpInfo { name, stem, summary, gradient, sample }
}

const NO_OPERANDS: Gradient = Gradient::None("it has no operands");
const NOT_TRAINED: Gradient =
    Gradient::None("a filter of finished pictures; nothing is trained through it");
const FUSED: Gradient = Gradient::None("plans put it in place of what was recorded, which has one");
const OF_SUMS: Gradient = Gradient::None("those of batch_norm and batch_norm_bwd cover it");
const THIRD: Gradient = Gradient::None("third derivatives are not needed by any loss here");
const SECOND_LOSS: Gradient =
    Gradient::None("second derivatives of losses are not needed by any net here");

/// All operations.
pub const OPS: &[OpInfo] = &[
    op("leaky_relu", "act", "y = x > 0 ? x : slope x", Gradient::Op("act_bwd"), |t, _| {
        act(t, Act::LeakyRelu(0.2))
    }),
    op("relu", "act", "y = max(x, 0)", Gradient::Op("act_bwd"), |t, _| act(t, Act::Relu)),
    op("tanh", "act", "y = tanh(x)", Gradient::Op("act_bwd"), |t, _| act(t, Act::Tanh)),
    op("sigmoid", "act", "y = 1 / (1 + exp(-x))", Gradient::Op("act_bwd"), |t, _| {
        act(t, Act::Sigmoid)
    }),
    op("act_bwd", "act", "dx = f'(.) dy", Gradient::Op("act_bwd"), act_bwd),
    op("add", "add", "y = a + b", Gradient::Passed, |t, _| {
        let (a, b) = (input(t), input(t));
        let y = t.add(a, b)?;
        differentiate(t, y, &[a, b])
    }),
    op("mul", "mul", "y = a b", Gradient::Op("mul"), |t, _| {
        let (a, b) = (input(t), input(t));
        let y = t.mul(a, b)?;
        differentiate(t, y, &[a, b])
    }),
    op("scale", "scale", "y = a x", Gradient::Op("scale"), |t, _| {
        let x = input(t);
        let y = t.scale(x, 0.5);
        differentiate(t, y, &[x])
    }),
    op("scale_by", "scale", "y = s x, s a scalar tensor", Gradient::Op("scale_by"), |t, _| {
        let (x, s) = (input(t), t.input("s", Shape::scalar()));
        let y = t.scale_by(x, s)?;
        differentiate(t, y, &[x])
    }),
    op("fill", "fill", "y = value", NO_OPERANDS, |t, _| {
        t.fill(shape(), 1.0);
        Ok(())
    }),
    op("copy", "copy", "y = x", Gradient::Passed, |t, _| {
        let x = input(t);
        let y = t.copy(x);
        differentiate(t, y, &[x])
    }),
    op(
        "concat",
        "concat",
        "y = the channels of the inputs one after another",
        Gradient::Op("slice"),
        |t, _| {
            let (a, b) = (input(t), t.input("b", shape().with_channels(6)));
            let y = t.concat(&[a, b])?;
            differentiate(t, y, &[a, b])
        },
    ),
    op("slice", "concat", "y = some of the channels of x", Gradient::Op("concat"), |t, _| {
        let x = input(t);
        let y = Slice::record(t, x, 1, 5.into())?;
        differentiate(t, y, &[x])
    }),
    op("dropout", "dropout", "y = keep ? x / (1 - p) : 0", Gradient::Op("dropout"), |t, _| {
        let x = input(t);
        let y = t.dropout(x, 0.5)?;
        differentiate(t, y, &[x])
    }),
    op("init_normal", "init", "w = mean + std * normal", NO_OPERANDS, |t, s| {
        let layouts = [
            Layout::Vector(channels()),
            weight(16),
            Layout::ConvTranspose { ci: channels(), co: 6, kernel: 4 },
        ];
        for (stream, layout) in (0..).zip(layouts) {
            let p = s.param("sample", "w", layout);
            t.init_normal(s, &p, 0.0, 0.02, stream);
        }
        Ok(())
    }),
    op(
        "picture_to_tensor",
        "picture",
        "y = (byte / 255 - 0.5) * 2",
        Gradient::None("bytes have no gradient"),
        |t, _| {
            let raw = t.picture_input("picture", 2, 3, 5, 3);
            t.picture_to_tensor(raw, Shape::new(2, 3, 5, 3)).map(drop)
        },
    ),
    op(
        "tensor_to_picture",
        "picture",
        "byte = round((x + 1) * 127.5)",
        Gradient::None("rounding has no gradient"),
        |t, _| {
            let x = t.input("x", Shape::new(2, 3, 5, 3));
            t.tensor_to_picture(x);
            Ok(())
        },
    ),
    op(
        "sum",
        "sum",
        "y = scale * sum of x; with scale 1 / elements the mean",
        Gradient::Op("broadcast"),
        |t, _| {
            for x in [Shape::vector(3), shape(), Shape::new(1, 128, 128, 3)] {
                let x = t.input("x", x);
                let y = t.mean(x);
                t.backward(&[y], &[x])?;
            }
            Ok(())
        },
    ),
    op("broadcast", "sum", "y = scale * x, x a scalar", Gradient::Op("sum"), |t, _| {
        let x = t.input("x", Shape::scalar());
        let y = t.push_one(Broadcast { scale: 0.5 }, &[x], shape());
        differentiate(t, y, &[x])
    }),
    op(
        "channel_sum",
        "channel_sum",
        "y = sum of x over pixels",
        Gradient::None("it makes gradients of biases, on which no loss depends"),
        |t, _| {
            for x in reduced() {
                let x = t.input("x", x);
                t.channel_sum(x);
            }
            Ok(())
        },
    ),
    op(
        "bce_with_logits",
        "loss",
        "y = mean of log(1 + exp(x)) - target x",
        Gradient::Op("bce_with_logits_bwd"),
        bce,
    ),
    op(
        "bce_with_logits_bwd",
        "loss",
        "dx = dy / elements * (sigmoid(x) - target)",
        SECOND_LOSS,
        bce,
    ),
    op("mse", "loss", "y = mean of (x - target)^2", Gradient::Op("mse_bwd"), mse),
    op("mse_bwd", "loss", "dx = dy / elements * 2 (x - target)", SECOND_LOSS, mse),
    op("l1", "loss", "y = mean of |x - target|", Gradient::Op("l1_bwd"), l1),
    op("l1_bwd", "loss", "dx = dy / elements * sign(x - target)", SECOND_LOSS, l1),
    op("hinge", "loss", "y = mean of max(0, 1 - target x)", Gradient::Op("hinge_bwd"), one_sided),
    op(
        "hinge_bwd",
        "loss",
        "dx = dy / elements * (target x < 1 ? -target : 0)",
        SECOND_LOSS,
        one_sided,
    ),
    op(
        "norm_penalty",
        "loss",
        "y = mean of (sqrt(x) - target)^2",
        Gradient::Op("norm_penalty_bwd"),
        one_sided,
    ),
    op(
        "norm_penalty_bwd",
        "loss",
        "dx = dy / elements * (1 - target / sqrt(x))",
        SECOND_LOSS,
        one_sided,
    ),
    op(
        "variation",
        "variation",
        "y = a |right - x| + b |below - x|; its sum is the total variation",
        Gradient::Op("variation_bwd"),
        variation,
    ),
    op(
        "variation_bwd",
        "variation",
        "dx = signed sums of dy here, left and above",
        SECOND_LOSS,
        variation,
    ),
    op(
        "sample_sum",
        "sample",
        "y = sum of each sample of x",
        Gradient::Op("sample_broadcast"),
        |t, _| {
            for x in reduced() {
                let x = t.input("x", x);
                let y = t.sample_sum(x);
                differentiate(t, y, &[x])?;
            }
            Ok(())
        },
    ),
    op("sample_broadcast", "sample", "y = x of the sample", Gradient::Op("sample_sum"), |t, _| {
        let x = t.input("x", Shape::new(2, 1, 1, 1));
        let y = t.push_one(SampleBroadcast, &[x], shape());
        differentiate(t, y, &[x])
    }),
    op(
        "mix",
        "sample",
        "y = alpha a + (1 - alpha) b, alpha random, one a sample",
        Gradient::Op("mix_bwd"),
        |t, _| mix(t),
    ),
    op(
        "mix_bwd",
        "sample",
        "da = alpha dy, db = (1 - alpha) dy",
        Gradient::Op("mix_bwd"),
        |t, _| mix(t),
    ),
    op(
        "resample2d",
        "resample2d",
        "y = x enlarged by 2 (nearest, bilinear) and padded by reflection or replication",
        Gradient::Op("resample2d_bwd"),
        |t, _| resample(t),
    ),
    op(
        "resample2d_bwd",
        "resample2d",
        "the adjoint of resample2d",
        Gradient::Op("resample2d"),
        |t, _| resample(t),
    ),
    op(
        "resample2d_bwd_relu",
        "resample2d",
        "the adjoint of resample2d, times the derivative of a ReLU before it",
        FUSED,
        |t, _| {
            for padding in [Padding::Reflect, Padding::Replicate] {
                let pad = Resample2d { enlarge: Enlarge::No, padding, pad: 1 };
                let x = input(t);
                let dy =
                    t.input("dy", Shape { h: t.shape(x).h + 2, w: t.shape(x).w + 2, ..t.shape(x) });
                let shape = t.shape(x);
                t.push_one(Resample2dBackwardRelu(pad), &[dy, x], shape);
            }
            Ok(())
        },
    ),
    op(
        "batch_norm",
        "batch_norm",
        "y = (x - mean) rstd gamma + beta",
        Gradient::Op("batch_norm_bwd"),
        batch_norm,
    ),
    op(
        "batch_norm_stats",
        "batch_norm",
        "mean and 1 / sqrt(var + eps) by channel and group",
        Gradient::None("that of batch_norm covers it"),
        batch_norm,
    ),
    op(
        "batch_norm_running",
        "batch_norm",
        "statistics from running mean and variance",
        Gradient::None("running statistics are not trained"),
        batch_norm,
    ),
    op(
        "batch_norm_sums",
        "batch_norm",
        "sums of dy and dy xhat by channel and group",
        OF_SUMS,
        batch_norm,
    ),
    op("batch_norm_parameter", "batch_norm", "dgamma or dbeta from the sums", OF_SUMS, batch_norm),
    op(
        "batch_norm_bwd",
        "batch_norm",
        "dx = gamma rstd (dy - mean of dy - xhat * mean of dy xhat)",
        Gradient::Op("batch_norm_second"),
        batch_norm_second,
    ),
    op(
        "batch_norm_second",
        "batch_norm_second",
        "the derivative of batch_norm_bwd by x",
        THIRD,
        batch_norm_second,
    ),
    op(
        "conv2d",
        "conv2d",
        "y = bias + sum over taps and ci of x w",
        Gradient::Op("conv2d_bwd_x"),
        |t, s| convolutions(t, s, false),
    ),
    op(
        "conv2d_bwd_x",
        "conv2d",
        "dx = sum over taps and co of dy w",
        Gradient::Op("conv2d"),
        |t, s| {
            let (x, w, dy) = small(t, s, false);
            let (dx, shape) = (backward(false, Of::Input), t.shape(x));
            let dx = t.push_one(dx, &[dy, w], shape);
            differentiate(t, dx, &[dy, w])
        },
    ),
    op(
        "conv2d_bwd_w",
        "conv2d",
        "dw = sum over pixels of x dy",
        Gradient::Op("conv2d_bwd_x"),
        |t, s| {
            let (x, w, dy) = small(t, s, false);
            let (dw, shape) = (backward(false, Of::Weight), t.shape(w));
            let dw = t.push_one(dw, &[x, dy], shape);
            differentiate(t, dw, &[x, dy])
        },
    ),
    op(
        "conv_transpose2d",
        "conv2d",
        "y = bias + sum over taps and ci of x w, spread",
        Gradient::Op("conv_transpose2d_bwd_x"),
        |t, s| convolutions(t, s, true),
    ),
    op(
        "conv_transpose2d_bwd_x",
        "conv2d",
        "dx = sum over taps and co of dy w",
        Gradient::Op("conv_transpose2d"),
        |t, s| {
            let (x, w, dy) = small(t, s, true);
            let (dx, shape) = (backward(true, Of::Input), t.shape(x));
            let dx = t.push_one(dx, &[dy, w], shape);
            differentiate(t, dx, &[dy, w])
        },
    ),
    op(
        "conv_transpose2d_bwd_w",
        "conv2d",
        "dw = sum over pixels of x dy",
        Gradient::Op("conv_transpose2d_bwd_x"),
        |t, s| {
            let (x, w, dy) = small(t, s, true);
            let (dw, shape) = (backward(true, Of::Weight), t.shape(w));
            let dw = t.push_one(dw, &[x, dy], shape);
            differentiate(t, dw, &[x, dy])
        },
    ),
    op(
        "adam",
        "adam",
        "w -= lr * m / (sqrt(v) + eps), moments updated",
        Gradient::None("an optimizer step is not trained through"),
        |t, s| {
            s.param("sample", "w", weight(6));
            for page in s.pages("sample") {
                t.adam(s, &page, 1);
            }
            Ok(())
        },
    ),
    op(
        "pool",
        "pool",
        "y = x, or what is kept in a slot; the slot = x",
        Gradient::None("what comes out was made by an earlier step"),
        |t, s| {
            let x = t.input("x", Shape::new(2, 3, 5, 6));
            let pool = super::PoolPages::new(s, "pool", 3, [3, 5, 6]);
            let decisions = t.pool_decisions("decisions", 2);
            t.pool(s, &pool, x, decisions).map(drop)
        },
    ),
    op(
        "ema",
        "ema",
        "e += share (w - e), share falling to 1 - decay",
        Gradient::None("an average of parameters is not trained through"),
        |t, s| {
            let (w, e) =
                (s.param("sample", "w", weight(6)).value, s.param("average", "w", weight(6)).value);
            t.ema(s, w, e, 0.999)
        },
    ),
    op(
        "gaussian_blur",
        "blur",
        "y = Gaussian * x, every channel by itself, borders repeated",
        NOT_TRAINED,
        |t, _| {
            let x = input(t);
            t.gaussian_blur(x, 1.5).map(drop)
        },
    ),
    op("luma", "canny", "y = 0.299 r + 0.587 g + 0.114 b", NOT_TRAINED, |t, _| {
        let x = t.input("x", Shape::new(2, 5, 7, 3));
        t.luma(x).map(drop)
    }),
    op(
        "sobel",
        "canny",
        "y = (dx, dy, their length) by Sobel's 3 x 3 filters",
        NOT_TRAINED,
        |t, _| {
            let x = t.input("x", Shape::new(2, 5, 7, 1));
            t.sobel(x).map(drop)
        },
    ),
    op(
        "non_maximum",
        "canny",
        "y = 2 or 1 where the length is a maximum along the gradient and reaches high or low, \
         else 0",
        NOT_TRAINED,
        |t, _| {
            let x = t.input("x", Shape::new(2, 5, 7, 3));
            t.non_maximum(x, 0.1, 0.2).map(drop)
        },
    ),
    op(
        "components",
        "components",
        "y = 1 in 8-connected components of x > 0 with enough pixels that reach a level, else 0",
        NOT_TRAINED,
        |t, _| {
            let x = t.input("x", Shape::new(2, 5, 7, 1));
            t.components(x, 2.0, 5).map(drop)
        },
    ),
    op(
        "thin",
        "thin",
        "y = x > 0 less one layer of pixels on two sides (Guo and Hall)",
        NOT_TRAINED,
        |t, _| {
            let x = t.input("x", Shape::new(2, 5, 7, 1));
            t.thin(x, 1).map(drop)
        },
    ),
];

const K4S2: Conv = Conv::new(4, 2, 1);

/// Two parts, the first with padding inside the tensor.
fn channels() -> Channels {
    Channels::concat(&[3.into(), 5.into()]).expect("two parts")
}

fn shape() -> Shape {
    Shape::new(2, 4, 4, channels())
}

fn weight(co: u32) -> Layout {
    Layout::Conv { ci: channels(), co, kernel: 4 }
}

fn input(t: &mut Tape) -> Tensor {
    t.input("x", shape())
}

fn differentiate(t: &mut Tape, y: Tensor, wrt: &[Tensor]) -> Result<()> {
    let loss = t.sum(y);
    t.backward(&[loss], wrt).map(drop)
}

fn act(t: &mut Tape, act: Act) -> Result<()> {
    let x = input(t);
    let y = t.act(x, act);
    differentiate(t, y, &[x])
}

fn act_bwd(t: &mut Tape, _: &mut Store) -> Result<()> {
    let (x, dy) = (input(t), input(t));
    let dx = t.push_one(ActBackward(Act::LeakyRelu(0.2)), &[x, dy], shape());
    differentiate(t, dx, &[dy])
}

/// A small pair and one whose loss takes two stages.
fn pairs(t: &mut Tape) -> [[Tensor; 2]; 2] {
    [shape(), Shape::new(1, 128, 128, 3)].map(|s| [t.input("x", s), t.input("y", s)])
}

fn bce(t: &mut Tape, _: &mut Store) -> Result<()> {
    for [x, _] in pairs(t) {
        let loss = t.bce_with_logits(x, 1.0);
        t.backward(&[loss], &[x])?;
    }
    Ok(())
}

fn mse(t: &mut Tape, _: &mut Store) -> Result<()> {
    for [x, y] in pairs(t) {
        let losses = [t.mse(x, 0.9), t.mse_between(x, y)?];
        t.backward(&losses, &[x, y])?;
    }
    Ok(())
}

fn l1(t: &mut Tape, _: &mut Store) -> Result<()> {
    for [x, y] in pairs(t) {
        let loss = t.l1(x, y)?;
        t.backward(&[loss], &[x, y])?;
    }
    Ok(())
}

/// Losses of one operand: of what is judged, and of squared norms.
fn one_sided(t: &mut Tape, _: &mut Store) -> Result<()> {
    for [x, _] in pairs(t) {
        let losses = [t.hinge(x, 1.0), t.norm_penalty(x, 1.0)];
        t.backward(&losses, &[x])?;
    }
    Ok(())
}

fn variation(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = input(t);
    let y = t.total_variation(x);
    t.backward(&[y], &[x]).map(drop)
}

fn mix(t: &mut Tape) -> Result<()> {
    let (a, b) = (input(t), input(t));
    let y = t.mix(a, b)?;
    differentiate(t, y, &[a, b])?;
    let dy = input(t);
    let da = t.push_one(MixBackward { stream: 1, second: false }, &[dy], shape());
    differentiate(t, da, &[dy])
}

fn resample(t: &mut Tape) -> Result<()> {
    let forms = [Enlarge::No, Enlarge::Nearest, Enlarge::Bilinear]
        .into_iter()
        .flat_map(|e| [(e, Padding::Reflect), (e, Padding::Replicate)]);
    for (enlarge, padding) in forms {
        let x = input(t);
        let y = t.resample2d(x, enlarge, padding, 1)?;
        let dy = t.input("dy", t.shape(y));
        let dx =
            t.push_one(Resample2dBackward(Resample2d { enlarge, padding, pad: 1 }), &[dy], shape());
        differentiate(t, y, &[x])?;
        differentiate(t, dx, &[dy])?;
    }
    Ok(())
}

/// The gradient of a gradient.
fn batch_norm_second(t: &mut Tape, s: &mut Store) -> Result<()> {
    let mut vector = |name| s.param("sample", name, Layout::Vector(channels()));
    let (gamma, beta) = (vector("gamma"), vector("beta"));
    let (gamma, beta, x) = (t.param(s, &gamma), t.param(s, &beta), input(t));
    let y = t.batch_norm(x, gamma, beta, None, NormMode::Instance, BatchNorm::default())?;
    let y = t.mul(y, y)?;
    let loss = t.sum(y);
    let dx = t.backward(&[loss], &[x])?[0].expect("it depends on x");
    differentiate(t, dx, &[x, gamma])
}

/// Shapes that reductions over pixels treat differently: few and many pixels, one to eight columns
/// of vec4s.
fn reduced() -> impl Iterator<Item = Shape> {
    let channels = [3.into(), 8.into(), channels(), 32.into()];
    channels.into_iter().flat_map(|c| [4, 128].map(|side| Shape::new(2, side, side, c)))
}

fn batch_norm(t: &mut Tape, s: &mut Store) -> Result<()> {
    for shape in reduced() {
        let mut vector = |name| s.param("sample", name, Layout::Vector(shape.c));
        let (gamma, beta) = (vector("gamma"), vector("beta"));
        let (mean, var) =
            (s.running("sample", "mean", shape.c), s.running("sample", "var", shape.c));
        let (gamma, beta) = (t.param(s, &gamma), t.param(s, &beta));
        let running = Some(Running { mean: t.param(s, &mean), var: t.param(s, &var) });
        for (mode, running) in [
            (NormMode::Batch, running),
            (NormMode::Batch, None),
            (NormMode::Instance, None),
            (NormMode::Running, running),
        ] {
            let x = t.input("x", shape);
            let y = t.batch_norm(x, gamma, beta, running, mode, BatchNorm::default())?;
            differentiate(t, y, &[x, gamma, beta])?;
        }
    }
    Ok(())
}

fn backward(transposed: bool, of: Of) -> Convolution {
    Convolution::new(Pass { transposed, of }, K4S2)
}

/// A convolution from 8 x 8 to 4 x 4 (transposed: back): input, weight and the gradient of the
/// output, none of them stored.
fn small(t: &mut Tape, _: &mut Store, transposed: bool) -> (Tensor, Tensor, Tensor) {
    let (wide, narrow) = (8, 4);
    let (from, to) = if transposed { (narrow, wide) } else { (wide, narrow) };
    let x = t.input("x", Shape::new(1, from, from, channels()));
    let w = t.input("w", weight(6).shape());
    (x, w, t.input("dy", Shape::new(1, to, to, 6)))
}

fn convolutions(t: &mut Tape, s: &mut Store, transposed: bool) -> Result<()> {
    // Tiles are chosen by the numbers of pixels and channels. Recording costs nothing, so some are
    // large.
    for (side, ci, co) in [
        (8, 3.into(), 1),
        (8, channels(), 12),
        (8, 20.into(), 20),
        (256, channels(), 20),
        (8, 512.into(), 512),
    ] {
        let layout = if transposed {
            Layout::ConvTranspose { ci, co, kernel: 4 }
        } else {
            Layout::Conv { ci, co, kernel: 4 }
        };
        let (w, bias) =
            (s.param("sample", "w", layout), s.param("sample", "bias", Layout::Vector(co.into())));
        let (w, bias, x) =
            (t.param(s, &w), t.param(s, &bias), t.input("x", Shape::new(1, side, side, ci)));
        // Twice, with one weight: the second gradient is added to the first.
        for (bias, conv) in [(None, K4S2), (Some(bias), Conv::new(4, 1, 1))] {
            let y = if transposed {
                t.conv_transpose2d(x, w, bias, conv)?
            } else {
                t.conv2d(x, w, bias, conv)?
            };
            let wrt: Vec<Tensor> = [x, w].into_iter().chain(bias).collect();
            differentiate(t, y, &wrt)?;
        }
        // ResNet's.
        let layout = if transposed {
            Layout::ConvTranspose { ci, co, kernel: 3 }
        } else {
            Layout::Conv { ci, co, kernel: 3 }
        };
        let w = s.param("sample", "w3", layout);
        let w = t.param(s, &w);
        let y = if transposed {
            t.conv_transpose2d(x, w, None, Conv::new(3, 1, 1))?
        } else {
            t.conv2d(x, w, None, Conv::new(3, 1, 1))?
        };
        differentiate(t, y, &[x, w])?;
        // As plans read a map through its padding.
        for border in
            [Padding::Reflect, Padding::Replicate].map(Some).into_iter().filter(|_| !transposed)
        {
            for kernel in [3, 4] {
                let conv = Conv::new(kernel, 1, 1);
                let shape = Shape {
                    c: co.into(),
                    h: side + 3 - kernel,
                    w: side + 3 - kernel,
                    ..t.shape(x)
                };
                let weight = Shape::new(conv.taps(), 1, t.shape(x).c.physical(), co);
                let (w, dy) = (t.input("w", weight), t.input("dy", shape));
                let pass = |of| Convolution {
                    fused: Fused { border, ..Fused::default() },
                    ..Convolution::new(Pass { transposed: false, of }, conv)
                };
                t.push_one(pass(Of::Output), &[x, w], shape);
                t.push_one(pass(Of::Weight), &[x, dy], weight);
            }
        }
    }
    Ok(())
}

/// Every dispatch of the samples of [`OPS`], lowered with each of the tunings, under the label of
/// its node: what a test needs to see each kernel in each variant with its parameters.
///
/// # Errors
/// What recording a sample returns.
pub fn sample_kernels(tunings: &[Tuning]) -> Result<Vec<(String, Dispatch)>> {
    let mut all = Vec::new();
    for info in OPS {
        let (mut tape, mut store) = (Tape::new(), Store::new());
        tape.scope(info.name);
        (info.sample)(&mut tape, &mut store)?;
        for (number, node) in (0..).zip(tape.nodes()) {
            let dense = |tensors: &[Tensor]| -> Vec<Operand> {
                tensors.iter().map(|&t| Operand::dense(tape.shape(t), t.index() as u32)).collect()
            };
            let (inputs, outputs) = (dense(&node.inputs), dense(&node.outputs));
            let mut lower = |tuning: &Tuning, inputs: &[Operand]| {
                let dispatches =
                    node.op.lower(&Lowering { tuning, inputs, outputs: &outputs, number });
                all.extend(dispatches.into_iter().map(|d| (node.label.clone(), d)));
            };
            for tuning in tunings {
                lower(tuning, &inputs);
                if node.op.view() != View::None {
                    // Also with operands elsewhere in the buffer of the result.
                    let moved: Vec<Operand> = inputs
                        .iter()
                        .map(|i| Operand { offset: 1 << 20, root: outputs[0].root, ..*i })
                        .collect();
                    lower(tuning, &moved);
                }
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn samples_record_the_operation_and_the_gradient_they_name_and_nothing_unlisted() {
        let names: HashSet<&str> = OPS.iter().map(|o| o.name).collect();
        assert_eq!(names.len(), OPS.len());
        for info in OPS {
            let (mut tape, mut store) = (Tape::new(), Store::new());
            (info.sample)(&mut tape, &mut store).unwrap_or_else(|e| panic!("{}: {e}", info.name));
            let recorded: Vec<&str> = tape.nodes().iter().map(|n| n.op.name()).collect();
            assert!(recorded.contains(&info.name), "{}: {recorded:?}", info.name);
            assert!(recorded.iter().all(|r| names.contains(r)), "{}: {recorded:?}", info.name);
            if let Gradient::Op(gradient) = info.gradient {
                let wanted = if gradient == info.name { 2 } else { 1 };
                assert!(
                    recorded.iter().filter(|r| **r == gradient).count() >= wanted,
                    "{}: no {gradient} in {recorded:?}",
                    info.name
                );
            }
        }
    }

    #[test]
    fn every_parameter_block_fits_its_page() {
        let tunings = Tuning::samples();
        for (label, dispatch) in sample_kernels(&tunings).unwrap() {
            assert!(dispatch.param_bytes().len() <= 256 && dispatch.binds.len() <= 8, "{label}");
            assert!(
                dispatch.groups.iter().all(|&g| (1..=65_535).contains(&g)),
                "{label}: {:?}",
                dispatch.groups
            );
        }
    }
}
