//! The derivative of a normalisation: sums by channel, and what follows from them.

use super::block::{Block, NormMode, bytes, two_rows};
use crate::error::Result;
use crate::ops::{BatchNormSecond, Bind, ChannelSum, Cost, Dispatch, Lowering, Op};
use crate::shape::Shape;
use crate::tape::Backward;

/// Sums of `dy` (row `2g`) and of `dy xhat` (row `2g + 1`) over the pixels of each group.
///
/// Inputs: `x`, statistics, `dy`. Outputs: with `parameters` the gradients of `gamma` and `beta`
/// `[1, 1, 1, c]`, the sums of all groups; then the sums `[2 groups, 1, 1, c]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormSums {
    /// Whether the first two outputs are the gradients of `gamma` and `beta`, and if so, which are
    /// added to what is there.
    pub parameters: Option<[bool; 2]>,
}

impl Op for BatchNormSums {
    fn name(&self) -> &'static str {
        "batch_norm_sums"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, stats, dy) = (node.inputs[0], node.inputs[1], node.inputs[2]);
        let at = if self.parameters.is_some() { 2 } else { 0 };
        let sums = node.outputs[at];
        let mut block = Block { stats, dy, sums, ..Block::new(&x, stats.shape.n / 2) };
        if let Some([add_gamma, add_beta]) = self.parameters {
            (block.gamma, block.beta, block.update) =
                (node.outputs[0], node.outputs[1], u32::from(add_gamma) + 2 * u32::from(add_beta));
        }
        let cut = block.cut(node.tuning.family());
        let products = |entry, to| {
            let d = Dispatch::new("batch_norm", entry)
                .bind("x", Bind::In(0))
                .bind("stats", Bind::In(1))
                .bind("dy", Bind::In(2));
            d.bind("products_out", to)
        };
        if cut.whole() {
            // The sums lie as the partial results of one chunk do.
            block.partials = sums;
            let d = match self.parameters {
                None => products("bn_products", Bind::Out(at)),
                Some(_) => products("bn_whole_sums_parameters", Bind::Out(at))
                    .bind("dgamma_whole", Bind::Out(0))
                    .bind("dbeta_whole", Bind::Out(1)),
            };
            return vec![match self.parameters {
                None => block.reduce(d, &cut),
                Some(_) => block.reduce_in_order(d, &cut),
            }];
        }
        let joined = |entry| {
            Dispatch::new("batch_norm", entry)
                .bind("partials", cut.partials(2, false))
                .bind("sums_out", Bind::Out(at))
        };
        let last = match self.parameters {
            None => joined("bn_sums"),
            Some(_) => joined("bn_sums_parameters")
                .bind("dgamma", Bind::Out(0))
                .bind("dbeta", Bind::Out(1)),
        };
        let second = cut.second();
        vec![
            block.reduce(products("bn_products", cut.partials(2, true)), &cut),
            match self.parameters {
                None => block.reduce(last, &second),
                Some(_) => block.reduce_in_order(last, &second),
            },
        ]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "batch_norm_sums",
            "sums and gradients of gamma and beta have no derivative of \
                                     their own: keep gamma and beta out of the first wrt",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let written = bytes(outputs);
        let read: u64 = self
            .parameters
            .iter()
            .flatten()
            .zip(outputs)
            .filter(|(add, _)| **add)
            .map(|(_, o)| o.bytes())
            .sum();
        Cost { flop: 4 * inputs[0].elements(), bytes: bytes(inputs) + written + read }
    }

    fn in_place(&self) -> bool {
        self.parameters.is_some_and(|p| p.contains(&true))
    }
}

/// The gradient of `gamma` or `beta`, `[1, 1, 1, c]`, from the sums of `BatchNormSums` (input),
/// groups added up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormParameter {
    /// 1 for `gamma`, 0 for `beta`.
    pub row: u32,
    /// Whether to add to what the output holds.
    pub accumulate: bool,
}

impl Op for BatchNormParameter {
    fn name(&self) -> &'static str {
        "batch_norm_parameter"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (sums, y) = (node.inputs[0], node.outputs[0]);
        let d = Dispatch::new("batch_norm", "bn_parameter")
            .bind("sums_in", Bind::In(0))
            .bind("gradient", Bind::Out(0));
        let block = Block {
            y,
            sums,
            row: self.row,
            update: u32::from(self.accumulate),
            ..Block::new(&sums, sums.shape.n / 2)
        };
        vec![block.by_column(d)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "batch_norm_parameter",
            "sums and gradients of gamma and beta have no derivative of their own: keep gamma and \
             beta out of the first wrt",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let y = outputs[0].bytes() * (1 + u64::from(self.accumulate));
        Cost { flop: inputs[0].elements() / 2, bytes: inputs[0].bytes() / 2 + y }
    }

    fn in_place(&self) -> bool {
        self.accumulate
    }
}

/// `dx` of [`super::BatchNormApply`]. Inputs: `x`, statistics, `dy`, `gamma`, the sums of
/// `BatchNormSums`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchNormBackward {
    /// Where the statistics came from: given ones do not depend on `x`.
    pub mode: NormMode,
}

impl Op for BatchNormBackward {
    fn name(&self) -> &'static str {
        "batch_norm_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, stats, dy, gamma, sums, y) = (
            node.inputs[0],
            node.inputs[1],
            node.inputs[2],
            node.inputs[3],
            node.inputs[4],
            node.outputs[0],
        );
        let d = Dispatch::new("batch_norm", "bn_bwd")
            .bind("x", Bind::In(0))
            .bind("stats", Bind::In(1))
            .bind("dy", Bind::In(2))
            .bind("gamma", Bind::In(3))
            .bind("sums", Bind::In(4))
            .bind("dx", Bind::Out(0));
        let mut block = Block { stats, dy, gamma, sums, y, ..Block::new(&x, stats.shape.n / 2) };
        self.set(&mut block);
        vec![block.by_pixels(d)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        second(b, self.mode)
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 5 * inputs[0].elements(), bytes: bytes(inputs) + bytes(outputs) }
    }
}

impl BatchNormBackward {
    /// What the mode says to the kernel.
    pub(super) fn set(&self, block: &mut Block) {
        if self.mode == NormMode::Running {
            // No mean terms.
            block.inv_count = 0.0;
        }
    }
}

/// Records the gradients of a [`BatchNormBackward`]; see `batch_norm_second.rs`.
fn second(b: &mut Backward<'_>, mode: NormMode) -> Result<()> {
    let (x, stats, g, gamma, sums) =
        (b.inputs[0], b.inputs[1], b.inputs[2], b.inputs[3], b.inputs[4]);
    let (dx, u) = (b.outputs[0], b.dy());
    let shape = b.tape.shape(x);
    let rows = [two_rows(shape, b.tape.shape(stats).n / 2)];
    if b.needs(0) || b.needs(2) {
        let sums_u = b.tape.push(BatchNormSums { parameters: None }, &[x, stats, u], &rows)[0];
        let v = b.tape.push_one(BatchNormBackward { mode }, &[x, stats, u, gamma, sums_u], shape);
        if b.needs(2) {
            b.give(2, v);
        }
        if b.needs(0) && mode != NormMode::Running {
            let product = b.tape.mul(u, dx)?;
            let sums_product =
                b.tape.push(BatchNormSums { parameters: None }, &[x, stats, product], &rows)[0];
            let by_x = b.tape.push_one(
                BatchNormSecond,
                &[x, stats, dx, v, sums, sums_u, sums_product],
                shape,
            );
            b.give(0, by_x);
        }
    }
    if b.needs(3) {
        // Not dx / gamma: gamma may be 0.
        let one = b.tape.fill(Shape::vector(shape.c), 1.0);
        let plain = b.tape.push_one(BatchNormBackward { mode }, &[x, stats, g, one, sums], shape);
        let product = b.tape.mul(u, plain)?;
        b.emit_parameter(3, &[product], |accumulate| ChannelSum { accumulate });
    }
    Ok(())
}
