//! Adam, a page at a time: weights and moments are updated in place.
//!
//! ```text
//! m += (g - m) (1 - beta1)
//! v  = v beta2 + (1 - beta2) g g
//! w -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
//! ```

use super::{Bind, Cost, Dispatch, Lowering, Op};
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
        let g = &node.inputs[0];
        let [w, m, v] = [0, 1, 2].map(|at| &node.outputs[at]);
        let d = Dispatch::new("adam", "adam")
            .bind("g", Bind::In(0))
            .bind("w", Bind::Out(0))
            .bind("m", Bind::Out(1))
            .bind("v", Bind::Out(2))
            .u("vec4s", g.shape.vec4s() as u32)
            .u("rates_at", 2 * self.group)
            .u("g_off", g.offset)
            .u("w_off", w.offset)
            .u("m_off", m.offset)
            .u("v_off", v.offset);
        vec![d.over(g.shape.vec4s())]
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
        // 3 for m, 4 for v, 3 for the denominator (one a root), 3 for w (one a division).
        Cost { flop: 13 * inputs[0].elements(), bytes: inputs[0].bytes() + 2 * written }
    }

    fn in_place(&self) -> bool {
        true
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
