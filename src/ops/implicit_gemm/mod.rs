//! Convolutions as matrix products: one family of kernels for conv2d, conv_transpose2d and all
//! their gradients.
//!
//! Data side: rows are output pixels, columns output channels, summed over taps and input channels;
//! the adjoint of a strided layer runs by phases (see `shaders/lib/conv_operands.wgsl`). Weight
//! side: rows are taps and channels of one map, columns channels of the other, summed over pixels
//! (`shaders/lib/wgrad_operands.wgsl`). [`Tuning`] chooses among the variants.

mod candidates;
mod direct;
mod estimate;
mod problem;
mod rule;
mod task;
mod tile;
mod tuning;
mod variant;
mod winograd;

pub use problem::{Of, Pass, Problem};
pub use task::Fused;
pub use tuning::Tuning;
pub use variant::{Method, PartialVariant, Tile, Variant};

use super::{Dispatch, Lowering};
use crate::shape::{Channels, Conv, Shape};
use task::Task;

/// The dispatches of a pass. Inputs: the two operands, then the bias if `bias`, then the operand of
/// the fused mask if there is one. Outputs: see [`super::Convolution`].
pub(super) fn lower(
    node: &Lowering<'_>,
    problem: Problem,
    bias: bool,
    accumulate: bool,
    fused: Fused,
) -> Vec<Dispatch> {
    let mask = fused.mask.is_some().then(|| 2 + usize::from(bias));
    let task = Task { problem, node, fused, bias: bias.then_some(2), mask, accumulate };
    let variant = node.tuning.choose(&problem);
    let mut dispatches = match (variant.method, problem.pass.is_weight()) {
        (Method::Direct, false) => direct::data(&task, variant),
        (Method::Direct, true) => direct::weights(&task, variant),
        _ => winograd::dispatches(&task, variant),
    };
    dispatches[0].variant = Some(variant);
    dispatches
}

/// The operand that a data pass reads must have the channels that the weight was laid out for.
pub(super) fn check_weight(
    x: &Shape,
    w: &Shape,
    rows: Option<Channels>,
    conv: Conv,
    bias: Option<&Shape>,
) -> Result<(), String> {
    if w.n != conv.taps() {
        return Err(format!(
            "w has {} taps, the kernel {}x{} has {} (w {w})",
            w.n,
            conv.kernel,
            conv.kernel,
            conv.taps()
        ));
    }
    if w.w != x.c.physical() {
        return Err(format!(
            "x has {} channels in {} places but w expects {} (x {x} NHWC, w {w} [tap, 1, ci, \
             co]); a weight is laid out by the channels of its input",
            x.c.logical(),
            x.c.physical(),
            w.w
        ));
    }
    if let Some(rows) = rows.filter(|rows| *rows != x.c) {
        return Err(format!(
            "x has channels {} and w was laid out for {rows} (x {x} NHWC); make the weight with \
             the Channels of its input",
            x.c
        ));
    }
    match bias {
        Some(bias) if bias.c != w.c => {
            Err(format!("the bias {bias} does not match the output channels of w {w}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::store::Layout;
    use crate::{Conv, Shape, Store, Tape};

    #[test]
    fn a_weight_laid_out_for_other_parts_is_refused() {
        // 6 channels and 3|3 both take 8 places, but not the same ones.
        let mut store = Store::new();
        let param = store.param("net", "w", Layout::Conv { ci: 6.into(), co: 4, kernel: 1 });
        let mut tape = Tape::new();
        let (a, b) =
            (tape.input("a", Shape::new(1, 2, 2, 3)), tape.input("b", Shape::new(1, 2, 2, 3)));
        let pair = tape.concat(&[a, b]).unwrap();
        let w = tape.param(&store, &param);
        let error = tape.conv2d(pair, w, None, Conv::new(1, 1, 0)).unwrap_err().to_string();
        assert!(error.contains("3|3") && error.contains("laid out for 6"), "{error}");
        let whole = tape.input("x", Shape::new(1, 2, 2, 6));
        assert!(tape.conv2d(whole, w, None, Conv::new(1, 1, 0)).is_ok());
    }
}
