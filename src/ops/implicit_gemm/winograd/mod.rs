//! Winograd's method: transforms to points, one matrix product per point, and back
//! (`shaders/lib/winograd.wgsl`).
//!
//! A k4 s1 layer is computed as it is, F(2x2, 4x4) or F(3x3, 4x4), and so is a k3 s1 layer, F(3x3,
//! 3x3) or F(4x4, 3x3). A k4 s2 layer falls into 2x2 phases with 2x2 taps each: where it gathers,
//! the phases are more channels to sum over; where it spreads, each phase of the result is a
//! product of its own.

mod data;
mod parts;
pub(super) mod sizes;
mod weights;

use super::task::Task;
use super::variant::Variant;
use crate::ops::{Adam, Dispatch, Operand};
use parts::Round;
use sizes::Sizes;

/// The dispatches of a pass, round by round.
pub(super) fn dispatches(task: &Task<'_>, variant: Variant) -> Vec<Dispatch> {
    let problem = &task.problem;
    let rounds = Sizes::new(problem, variant.method).rounds(problem, variant.split);
    let bytes = rounds[0].scratch(problem);
    let round = |sizes| {
        let round = Round { task, sizes, bytes, alone: rounds.len() == 1 };
        if problem.pass.is_weight() {
            weights::dispatches(&round, variant)
        } else {
            data::dispatches(&round, variant)
        }
    };
    let mut dispatches: Vec<Dispatch> = rounds.iter().flat_map(round).collect();
    if let Some(group) = task.fused.adam.filter(|_| rounds.len() > 1) {
        let (dw, gradient) =
            (Operand::dense(task.output().shape, 0), weights::gradient(task, false));
        dispatches.push(Adam { group }.dispatch(&dw, gradient, task.node.outputs));
    }
    dispatches
}
