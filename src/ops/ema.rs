//! Exponential moving average of parameters, a page at a time:
//! `e += max(1 - decay, 9 / (10 + step)) (w - e)`.
//!
//! The second term is the usual warm-up, `decay = min(decay, (1 + step) / (10 + step))`: without it
//! the average of a short training is mostly its random beginning.

use super::{Bind, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::shape::Shape;
use crate::store::{Store, StoreId};
use crate::tape::{Backward, Tape};

/// One step of the average. Input: values `[1, 1, vec4s, 4]`. Output, updated: their average, of
/// the same shape.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ema {
    /// How much of the average is kept per step, after the warm-up.
    pub decay: f64,
}

impl Ema {
    /// The share of the new value in a step's average: what the kernel computes, on the host.
    pub fn share(&self, step: u32) -> f64 {
        (1.0 - self.decay).max(9.0 / (10.0 + f64::from(step)))
    }
}

impl Op for Ema {
    fn name(&self) -> &'static str {
        "ema"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (w, e) = (&node.inputs[0], &node.outputs[0]);
        let d = Dispatch::new("ema", "ema").bind("w", Bind::In(0)).bind("e", Bind::Out(0));
        let d = d
            .u("vec4s", w.shape.vec4s() as u32)
            .u("w_off", w.offset)
            .u("e_off", e.offset)
            .f("share", (1.0 - self.decay) as f32);
        vec![d.over(w.shape.vec4s())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "ema",
            "an average of parameters is not trained through; record backward before it",
        )
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flop: 3 * inputs[0].elements(), bytes: inputs[0].bytes() + 2 * outputs[0].bytes() }
    }

    fn in_place(&self) -> bool {
        true
    }
}

impl Tape {
    /// Moves the average of a whole page towards its values ([`Ema`]).
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the pages differ in size.
    pub fn ema(
        &mut self,
        store: &Store,
        values: StoreId,
        average: StoreId,
        decay: f64,
    ) -> Result<()> {
        let (from, to) = (store.shape(values), store.shape(average));
        if from != to {
            return Err(self.shape_error("ema", format!("a page {from} and its average {to}")));
        }
        let from = self.stored(store, values, "page");
        let to = self.stored(store, average, "page.ema");
        self.push_into(Ema { decay }, &[from], &[to], &[]);
        Ok(())
    }
}
