//! Adam, a page at a time: weights and moments are updated in place.
//!
//! ```text
//! m += (g - m) (1 - beta1)
//! v  = v beta2 + (1 - beta2) g g
//! w -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
//! ```

use super::{Bind, Cost, Dispatch, Lowering, Op, Operand};
use crate::error::Result;
use crate::shape::Shape;
use crate::store::{Page, Store};
use crate::tape::{Backward, Tape};

/// Optimizer groups that the step uniform has room for.
const GROUPS: u32 = 4;

/// One step of Adam with PyTorch's arithmetic, rates taken from the step uniform (bias correction
/// included).
///
/// Input: gradient `[1, 1, vec4s, 4]`. Outputs, all updated: weight, first moment, second moment,
/// of the same shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Adam {
    /// Which rates of the step uniform apply: 0 to 3.
    pub group: u32,
}

impl Op for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        vec![self.dispatch(&node.inputs[0], Bind::In(0), node.outputs)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "adam",
            "an optimizer step has no derivative; record backward before adam, or on \
                          a tape of its own",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let written: u64 = outputs.iter().map(Shape::bytes).sum();
        Cost { flop: Adam::flop(inputs[0].elements()), bytes: inputs[0].bytes() + 2 * written }
    }

    fn in_place(&self) -> bool {
        true
    }
}

impl Adam {
    /// The step by a gradient `g`, which lies in `from`, of the weight and moments that are the
    /// first three outputs.
    pub(super) fn dispatch(&self, g: &Operand, from: Bind, outputs: &[Operand]) -> Dispatch {
        let [w, m, v] = [0, 1, 2].map(|at| &outputs[at]);
        let d = Dispatch::new("adam", "adam")
            .bind("g", from)
            .bind("weight", Bind::Out(0))
            .bind("moment1", Bind::Out(1))
            .bind("moment2", Bind::Out(2))
            .u("vec4s", g.shape.vec4s() as u32)
            .u("rates_at", self.rates_at())
            .u("g_off", g.offset)
            .u("w_off", w.offset)
            .u("m_off", m.offset)
            .u("v_off", v.offset);
        d.over(g.shape.vec4s())
    }

    /// Where the rates of its group begin in the step uniform.
    pub(super) fn rates_at(&self) -> u32 {
        2 * self.group
    }

    /// Operations of a step of so many weights.
    pub(super) fn flop(elements: u64) -> u64 {
        // 3 for m, 4 for v, 3 for the denominator (one a root), 3 for w (one a division).
        13 * elements
    }
}

impl Tape {
    /// One step of Adam on a page of weights, with the rates of optimizer group `group` (0 to 3).
    ///
    /// # Panics
    /// If there is no such group.
    pub fn adam(&mut self, store: &Store, page: &Page, group: u32) {
        assert!(group < GROUPS, "optimizer group {group}: there are {GROUPS}");
        let gradient = self.stored(store, page.gradient, "page.gradient");
        let weight = self.stored(store, page.weight, "page.weight");
        let moment1 = self.stored(store, page.moment1, "page.moment1");
        let moment2 = self.stored(store, page.moment2, "page.moment2");
        self.push_into(Adam { group }, &[gradient], &[weight, moment1, moment2], &[]);
    }
}
