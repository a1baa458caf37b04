//! An example of each operation of [`super::OPS`] at small shapes, with its derivative.

mod maps;

use super::{
    Act, ActBackward, BatchNorm, BatchNormApply, BatchNormBackward, BatchNormStats, BatchNormSums,
    BatchNormWhole, BatchNormWholeBackward, Broadcast, Convolution, Enlarge, Fused, MixBackward,
    NormMode, Of, Padding, Pass, PoolPages, Resample2d, Resample2dBackward, Resample2dBackwardRelu,
    Running, SampleBroadcast, Slice,
};
use crate::error::Result;
use crate::shape::{Channels, Conv, Shape};
use crate::store::{Layout, Param, Store};
use crate::tape::{Tape, Tensor};

pub(super) use maps::{avg_pool, instance_edges, instance_mean, max_pool, one_hot};

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

pub(super) fn act(t: &mut Tape, act: Act) -> Result<()> {
    let x = input(t);
    let y = t.act(x, act);
    differentiate(t, y, &[x])
}

pub(super) fn act_bwd(t: &mut Tape, _: &mut Store) -> Result<()> {
    let (x, dy) = (input(t), input(t));
    let dx = t.push_one(ActBackward(Act::LeakyRelu(0.2)), &[x, dy], shape());
    differentiate(t, dx, &[dy])
}

/// A small pair and one whose loss takes two stages.
fn pairs(t: &mut Tape) -> [[Tensor; 2]; 2] {
    [shape(), Shape::new(1, 128, 128, 3)].map(|s| [t.input("x", s), t.input("y", s)])
}

pub(super) fn bce(t: &mut Tape, _: &mut Store) -> Result<()> {
    for [x, _] in pairs(t) {
        let loss = t.bce_with_logits(x, 1.0);
        t.backward(&[loss], &[x])?;
    }
    Ok(())
}

pub(super) fn mse(t: &mut Tape, _: &mut Store) -> Result<()> {
    for [x, y] in pairs(t) {
        let losses = [t.mse(x, 0.9), t.mse_between(x, y)?];
        t.backward(&losses, &[x, y])?;
    }
    Ok(())
}

pub(super) fn l1(t: &mut Tape, _: &mut Store) -> Result<()> {
    for [x, y] in pairs(t) {
        let loss = t.l1(x, y)?;
        t.backward(&[loss], &[x, y])?;
    }
    Ok(())
}

/// Losses of one operand: of what is judged, and of squared norms.
pub(super) fn one_sided(t: &mut Tape, _: &mut Store) -> Result<()> {
    for [x, _] in pairs(t) {
        let losses = [t.hinge(x, 1.0), t.norm_penalty(x, 1.0)];
        t.backward(&losses, &[x])?;
    }
    Ok(())
}

pub(super) fn variation(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = input(t);
    let y = t.total_variation(x);
    t.backward(&[y], &[x]).map(drop)
}

pub(super) fn mix(t: &mut Tape) -> Result<()> {
    let (a, b) = (input(t), input(t));
    let y = t.mix(a, b)?;
    differentiate(t, y, &[a, b])?;
    let dy = input(t);
    let da = t.push_one(MixBackward { stream: 1, second: false }, &[dy], shape());
    differentiate(t, da, &[dy])
}

pub(super) fn resample(t: &mut Tape) -> Result<()> {
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
pub(super) fn batch_norm_second(t: &mut Tape, s: &mut Store) -> Result<()> {
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

pub(super) fn batch_norm(t: &mut Tape, s: &mut Store) -> Result<()> {
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
            // Sums of more than two groups take another way.
            let n = if mode == NormMode::Instance { 3 } else { shape.n };
            let x = t.input("x", Shape { n, ..shape });
            let y = t.batch_norm(x, gamma, beta, running, mode, BatchNorm::default())?;
            differentiate(t, y, &[x, gamma, beta])?;
        }
    }
    Ok(())
}

pub(super) fn batch_norm_whole(t: &mut Tape, s: &mut Store) -> Result<()> {
    for shape in reduced().filter(|shape| shape.h < 8) {
        let vector = Shape::vector(shape.c);
        let mut own = |name| s.param("sample", name, Layout::Vector(shape.c));
        let (gamma, beta) = (own("gamma"), own("beta"));
        let gradients = [&gamma, &beta].map(|p| p.gradient.expect("it is trained"));
        let running = ["mean", "var"].map(|name| s.running("sample", name, shape.c).value);
        let [dgamma, dbeta] = gradients.map(|id| t.stored(s, id, "gradient"));
        let [mean, var] = running.map(|id| t.stored(s, id, "running"));
        let (gamma, beta, x) = (t.param(s, &gamma), t.param(s, &beta), t.input("x", shape));
        let apply = BatchNormApply { mode: NormMode::Batch };
        let config = BatchNorm::default();
        let rows = Shape { n: 2, ..vector };
        let whole = |running| BatchNormWhole { stats: BatchNormStats { config, running }, apply };
        t.push(whole(false), &[x, gamma, beta], &[rows, shape]);
        let inputs = [x, gamma, beta];
        let stats = t.push_into(whole(true), &inputs, &[mean, var], &[rows, shape])[2];
        let dy = t.input("dy", shape);
        let bwd = BatchNormBackward { mode: NormMode::Batch };
        let whole = |parameters| BatchNormWholeBackward { sums: BatchNormSums { parameters }, bwd };
        t.push(whole(None), &[x, stats, dy, gamma], &[shape]);
        let inputs = [x, stats, dy, gamma];
        t.push_into(whole(Some([false, true])), &inputs, &[dgamma, dbeta], &[shape]);
    }
    Ok(())
}

/// A gradient of a convolution from 8 x 8 to 4 x 4 (transposed: back), with its own derivative.
/// Nothing is stored.
pub(super) fn gradient(t: &mut Tape, transposed: bool, of: Of) -> Result<()> {
    let (from, to) = if transposed { (4, 8) } else { (8, 4) };
    let (x, w) = (Shape::new(1, from, from, channels()), weight(6).shape());
    let y = Shape::new(1, to, to, 6);
    let shape = |of| match of {
        Of::Output => y,
        Of::Input => x,
        Of::Weight => w,
    };
    let pass = Pass { transposed, of };
    let operands = pass.operands().map(|of| t.input("operand", shape(of)));
    let made = t.push_one(Convolution::new(pass, K4S2), &operands, shape(of));
    differentiate(t, made, &operands)
}

/// The gradient of a layer's weight, straight into Adam.
fn into_adam(
    t: &mut Tape,
    s: &Store,
    transposed: bool,
    x: Tensor,
    y: Tensor,
    w: &Param,
    conv: Conv,
) {
    let [m, v] = w.moments.expect("it is trained");
    let outputs = [w.value, m, v].map(|id| t.stored(s, id, "updated"));
    let dy = t.input("dy", t.shape(y));
    let pass = Pass { transposed, of: Of::Weight };
    let fused = Fused { adam: Some(1), ..Fused::default() };
    let operands = pass.operands().map(|of| if of == Of::Input { x } else { dy });
    t.push_into(Convolution { fused, ..Convolution::new(pass, conv) }, &operands, &outputs, &[]);
}

pub(super) fn convolutions(t: &mut Tape, s: &mut Store, transposed: bool) -> Result<()> {
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
        let (weight, bias) =
            (s.param("sample", "w", layout), s.param("sample", "bias", Layout::Vector(co.into())));
        let (w, bias, x) =
            (t.param(s, &weight), t.param(s, &bias), t.input("x", Shape::new(1, side, side, ci)));
        // Twice, with one weight: the second gradient is added to the first.
        for (bias, conv) in [(None, K4S2), (Some(bias), Conv::new(4, 1, 1))] {
            let y = if transposed {
                t.conv_transpose2d(x, w, bias, conv)?
            } else {
                t.conv2d(x, w, bias, conv)?
            };
            let wrt: Vec<Tensor> = [x, w].into_iter().chain(bias).collect();
            differentiate(t, y, &wrt)?;
            into_adam(t, s, transposed, x, y, &weight, conv);
        }
        // ResNet's.
        let layout = if transposed {
            Layout::ConvTranspose { ci, co, kernel: 3 }
        } else {
            Layout::Conv { ci, co, kernel: 3 }
        };
        let weight = s.param("sample", "w3", layout);
        let w = t.param(s, &weight);
        let y = if transposed {
            t.conv_transpose2d(x, w, None, Conv::new(3, 1, 1))?
        } else {
            t.conv2d(x, w, None, Conv::new(3, 1, 1))?
        };
        differentiate(t, y, &[x, w])?;
        into_adam(t, s, transposed, x, y, &weight, Conv::new(3, 1, 1));
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

pub(super) fn leaky_relu(t: &mut Tape, _: &mut Store) -> Result<()> {
    act(t, Act::LeakyRelu(0.2))
}

pub(super) fn sigmoid(t: &mut Tape, _: &mut Store) -> Result<()> {
    act(t, Act::Sigmoid)
}

pub(super) fn add(t: &mut Tape, _: &mut Store) -> Result<()> {
    let (a, b) = (input(t), input(t));
    let y = t.add(a, b)?;
    differentiate(t, y, &[a, b])
}

pub(super) fn mul(t: &mut Tape, _: &mut Store) -> Result<()> {
    let (a, b) = (input(t), input(t));
    let y = t.mul(a, b)?;
    differentiate(t, y, &[a, b])
}

pub(super) fn scale(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = input(t);
    let y = t.scale(x, 0.5);
    differentiate(t, y, &[x])
}

pub(super) fn scale_by(t: &mut Tape, _: &mut Store) -> Result<()> {
    let (x, s) = (input(t), t.input("s", Shape::scalar()));
    let y = t.scale_by(x, s)?;
    differentiate(t, y, &[x])
}

pub(super) fn fill(t: &mut Tape, _: &mut Store) -> Result<()> {
    t.fill(shape(), 1.0);
    Ok(())
}

pub(super) fn copy(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = input(t);
    let y = t.copy(x);
    differentiate(t, y, &[x])
}

pub(super) fn concat(t: &mut Tape, _: &mut Store) -> Result<()> {
    let (a, b) = (input(t), t.input("b", shape().with_channels(6)));
    let y = t.concat(&[a, b])?;
    differentiate(t, y, &[a, b])
}

pub(super) fn join_batches(t: &mut Tape, _: &mut Store) -> Result<()> {
    let (a, b) = (input(t), input(t));
    let y = t.join_batches(&[a, b])?;
    differentiate(t, y, &[a, b])
}

pub(super) fn split_batch(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = input(t);
    let n = t.shape(x).n;
    let y = t.split_batch(x, &[1, n - 1])?;
    differentiate(t, y[1], &[x])
}

pub(super) fn slice(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = input(t);
    let y = Slice::record(t, x, 1, 5.into())?;
    differentiate(t, y, &[x])
}

pub(super) fn dropout(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = input(t);
    let y = t.dropout(x, 0.5)?;
    differentiate(t, y, &[x])
}

pub(super) fn init_normal(t: &mut Tape, s: &mut Store) -> Result<()> {
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
}

pub(super) fn picture_to_tensor(t: &mut Tape, _: &mut Store) -> Result<()> {
    let raw = t.picture_input("picture", 2, 3, 5, 3);
    t.picture_to_tensor(raw, Shape::new(2, 3, 5, 3)).map(drop)
}

pub(super) fn tensor_to_picture(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = t.input("x", Shape::new(2, 3, 5, 3));
    t.tensor_to_picture(x);
    Ok(())
}

pub(super) fn sum(t: &mut Tape, _: &mut Store) -> Result<()> {
    for x in [Shape::vector(3), shape(), Shape::new(1, 128, 128, 3)] {
        let x = t.input("x", x);
        let y = t.mean(x);
        t.backward(&[y], &[x])?;
    }
    Ok(())
}

pub(super) fn broadcast(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = t.input("x", Shape::scalar());
    let y = t.push_one(Broadcast { scale: 0.5 }, &[x], shape());
    differentiate(t, y, &[x])
}

pub(super) fn channel_sum(t: &mut Tape, _: &mut Store) -> Result<()> {
    for x in reduced() {
        let x = t.input("x", x);
        t.channel_sum(x);
    }
    Ok(())
}

pub(super) fn sample_sum(t: &mut Tape, _: &mut Store) -> Result<()> {
    for x in reduced() {
        let x = t.input("x", x);
        let y = t.sample_sum(x);
        differentiate(t, y, &[x])?;
    }
    Ok(())
}

pub(super) fn sample_broadcast(t: &mut Tape, _: &mut Store) -> Result<()> {
    let x = t.input("x", Shape::new(2, 1, 1, 1));
    let y = t.push_one(SampleBroadcast, &[x], shape());
    differentiate(t, y, &[x])
}

pub(super) fn resample2d_bwd_relu(t: &mut Tape, _: &mut Store) -> Result<()> {
    for padding in [Padding::Reflect, Padding::Replicate] {
        let pad = Resample2d { enlarge: Enlarge::No, padding, pad: 1 };
        let x = input(t);
        let dy = t.input("dy", Shape { h: t.shape(x).h + 2, w: t.shape(x).w + 2, ..t.shape(x) });
        let shape = t.shape(x);
        t.push_one(Resample2dBackwardRelu(pad), &[dy, x], shape);
    }
    Ok(())
}

pub(super) fn adam(t: &mut Tape, s: &mut Store) -> Result<()> {
    s.param("sample", "w", weight(6));
    for page in s.pages("sample") {
        t.adam(s, &page, 1);
    }
    Ok(())
}

pub(super) fn pool(t: &mut Tape, s: &mut Store) -> Result<()> {
    let x = t.input("x", Shape::new(2, 3, 5, 6));
    let pool = PoolPages::new(s, "pool", 3, [3, 5], 6);
    let decisions = t.pool_decisions("decisions", 2);
    t.pool(s, &pool, x, decisions).map(drop)
}

pub(super) fn ema(t: &mut Tape, s: &mut Store) -> Result<()> {
    let (w, e) =
        (s.param("sample", "w", weight(6)).value, s.param("average", "w", weight(6)).value);
    t.ema(s, w, e, 0.999)
}
