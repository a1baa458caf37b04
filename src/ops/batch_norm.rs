//! Normalisation over pixels: `y = (x - mean) / sqrt(var + eps) * gamma + beta`, channel by
//! channel.
//!
//! Statistics are taken over a group of pixels: the batch is one group, or each of several batches
//! that lie one after another, or every image is one (instance normalisation). They lie in a tensor
//! `[2 groups, 1, 1, c]`: row `2g` the mean, row `2g + 1` `1 / sqrt(var + eps)` with the biased
//! variance.
//!
//! Derivative, `xhat = (x - mean) rstd`, `N` pixels per group:
//!
//! ```text
//! dgamma = sum of dy xhat          dbeta = sum of dy
//! dx     = gamma rstd (dy - mean of dy - xhat * mean of dy xhat)
//! dx     = gamma rstd dy           where statistics are given
//! ```

mod block;
mod derivative;
mod statistics;
mod whole;

pub(super) use block::bytes;
pub use block::{BatchNorm, NormMode};
pub use derivative::{BatchNormBackward, BatchNormParameter, BatchNormSums};
pub use statistics::{BatchNormRunning, BatchNormStats};
pub(crate) use whole::is_whole;
pub use whole::{BatchNormWhole, BatchNormWholeBackward};

use super::{Bind, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::Shape;
use crate::tape::{Backward, Tape, Tensor};
use block::{Block, two_rows};

/// Up to here the groups of a column are taken one after another to write the gradients of `gamma`
/// and `beta`; more would leave a GPU idle.
const FEW: u32 = 2;

/// Running statistics, stored tensors `[1, 1, 1, c]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Running {
    /// Running mean, one per channel.
    pub mean: Tensor,
    /// Running variance, unbiased, one per channel.
    pub var: Tensor,
}

/// `y = (x - mean) rstd gamma + beta`: inputs `x`, statistics, `gamma`, `beta` (`[1, 1, 1, c]`);
/// output as `x`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormApply {
    /// Where the statistics came from: it decides the derivative.
    pub mode: NormMode,
}

impl Op for BatchNormApply {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, stats, gamma, beta, y) =
            (node.inputs[0], node.inputs[1], node.inputs[2], node.inputs[3], node.outputs[0]);
        let d = Dispatch::new("batch_norm", "bn_apply")
            .bind("x", Bind::In(0))
            .bind("stats", Bind::In(1))
            .bind("beta", Bind::In(3))
            .bind("gamma", Bind::In(2))
            .bind("y", Bind::Out(0));
        vec![Block { stats, gamma, beta, y, ..Block::new(&x, stats.shape.n / 2) }.by_pixels(d)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        // The statistics get no gradient: dx covers what x does through them.
        let (x, stats, gamma, dy) = (b.inputs[0], b.inputs[1], b.inputs[2], b.dy());
        let shape = b.tape.shape(x);
        let groups = b.tape.shape(stats).n / 2;
        let fresh = [two_rows(shape, groups)];
        let targets =
            [2, 3].map(|input| if b.needs(input) { b.parameter_gradient(input) } else { None });
        let sums = if let [Some((dgamma, add_gamma)), Some((dbeta, add_beta))] = targets
            && groups <= FEW
            && add_gamma == add_beta
        {
            // The usual case: the kernel that ends the sums writes both. (A gradient of second
            // order reaches gamma alone.)
            b.tape.push_into(
                BatchNormSums { parameters: Some([add_gamma, add_beta]) },
                &[x, stats, dy],
                &[dgamma, dbeta],
                &fresh,
            )[2]
        } else {
            let sums = b.tape.push(BatchNormSums { parameters: None }, &[x, stats, dy], &fresh)[0];
            for ((input, row), target) in [(2, 1), (3, 0)].into_iter().zip(targets) {
                if let Some((target, accumulate)) = target {
                    b.tape.push_into(
                        BatchNormParameter { row, accumulate },
                        &[sums],
                        &[target],
                        &[],
                    );
                } else if b.needs(input) {
                    let made = b.tape.push_one(
                        BatchNormParameter { row, accumulate: false },
                        &[sums],
                        Shape::vector(shape.c),
                    );
                    b.give(input, made);
                }
            }
            sums
        };
        if b.needs(0) {
            let dx = b.tape.push_one(
                BatchNormBackward { mode: self.mode },
                &[x, stats, dy, gamma, sums],
                shape,
            );
            b.give(0, dx);
        }
        Ok(())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 3 * inputs[0].elements(), bytes: bytes(inputs) + bytes(outputs) }
    }
}

impl Tape {
    /// Normalises `x` `[n, h, w, c]` by the statistics that `mode` names, then scales by `gamma`
    /// and shifts by `beta`, both `[1, 1, 1, c]` with the channels of `x`: same shape as `x`.
    ///
    /// [`NormMode::Batch`] also updates `running`, if given; [`NormMode::Instance`] leaves it
    /// alone; [`NormMode::Running`] needs it.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if channels do not match, if running statistics are missing or were
    /// to be updated from one value per channel, or if the images cannot be shared out to
    /// [`BatchNorm::batches`].
    pub fn batch_norm(
        &mut self,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        running: Option<Running>,
        mode: NormMode,
        config: BatchNorm,
    ) -> Result<Tensor> {
        const OP: &str = "batch_norm";
        let shape = self.shape(x);
        let vector = Shape::vector(shape.c);
        let named = [
            ("gamma", Some(gamma)),
            ("beta", Some(beta)),
            ("running mean", running.map(|r| r.mean)),
            ("running variance", running.map(|r| r.var)),
        ];
        for (name, tensor) in named {
            if let Some(found) = tensor.map(|t| self.shape(t)).filter(|&s| s != vector) {
                return Err(self.shape_error(
                    OP,
                    format!(
                        "x is {shape}, {name} is {found}; it must be {vector}, with the channels \
                         of x laid out the same way"
                    ),
                ));
            }
        }
        let batches = if mode == NormMode::Batch { config.batches } else { 1 };
        if batches == 0 || !shape.n.is_multiple_of(batches) {
            let why = format!("the images of {shape} cannot be shared out to {batches} batches");
            return Err(self.shape_error(OP, why));
        }
        let stats = match (mode, running) {
            (NormMode::Running, None) => {
                let why = "running statistics are asked for and none are given; give them, or use \
                           the statistics of the batch or of each image";
                return Err(self.shape_error(OP, why.into()));
            }
            (NormMode::Running, Some(Running { mean, var })) => self.push_one(
                BatchNormRunning { eps: config.eps },
                &[mean, var],
                two_rows(shape, 1),
            ),
            (NormMode::Batch, Some(Running { mean, var })) => {
                if shape.pixels() == batches {
                    let why = "one value per channel has no variance to keep; use a larger \
                               `crop_size` or `batch_size`, or no norm in this layer";
                    return Err(self.shape_error(OP, format!("x is {shape}: {why}")));
                }
                self.push_into(
                    BatchNormStats { config, running: true },
                    &[x],
                    &[mean, var],
                    &[two_rows(shape, batches)],
                )[2]
            }
            (NormMode::Batch | NormMode::Instance, _) => {
                let groups = if mode == NormMode::Batch { batches } else { shape.n };
                self.push_one(
                    BatchNormStats { config, running: false },
                    &[x],
                    two_rows(shape, groups),
                )
            }
        };
        Ok(self.push_one(BatchNormApply { mode }, &[x, stats, gamma, beta], shape))
    }
}
