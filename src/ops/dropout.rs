//! Dropout: `y = keep ? x / (1 - p) : 0`, from counter-based random numbers so that the backward
//! pass draws the same mask.

use super::{Bind, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::tape::{Backward, Tape, Tensor};

/// `y = keep ? x / (1 - p) : 0`, `dx = keep ? dy / (1 - p) : 0`. What is kept depends on the seed,
/// the step, the stream and the element's index `pixel * c + channel` only.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Dropout {
    /// Share of elements dropped, `0 <= p < 1`.
    pub p: f32,
    /// The stream to draw from; `None`: the node's own number. A gradient names the stream of the
    /// node it belongs to.
    pub stream: Option<u32>,
}

/// Elements are kept whose draw is at least this.
fn threshold(p: f32) -> u32 {
    (f64::from(p) * 4_294_967_296.0) as u32
}

impl Dropout {
    /// Whether an element is kept: what the kernel decides, on the host.
    pub fn keep(index: u32, stream: u32, step: u32, seed: u32, p: f32) -> bool {
        crate::rng::random(index, stream, step, seed)[0] >= threshold(p)
    }
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let d = Dispatch::new("dropout", "dropout")
            .bind("x", Bind::In(0))
            .bind("y", Bind::Out(0))
            .u("vec4s", x.shape.vec4s() as u32)
            .u("width", x.shape.c.vec4s())
            .view("x", x)
            .view("y", y)
            .u("threshold", threshold(self.p))
            .f("scale", 1.0 / (1.0 - self.p))
            .u("stream", self.stream.unwrap_or(node.number))
            .u("channels", x.shape.c.logical())
            .parts(&x.shape);
        vec![d.over(x.shape.vec4s())]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        // The same mask on dy, whatever number the gradient's node gets.
        let stream = self.stream.unwrap_or(b.number);
        let (dy, shape) = (b.dy(), b.tape.shape(b.inputs[0]));
        let dx = b.tape.push_one(Dropout { stream: Some(stream), ..*self }, &[dy], shape);
        b.give(0, dx);
        Ok(())
    }
}

impl Tape {
    /// Drops a share `p` of the elements of `x` and scales the others by `1 / (1 - p)`: same shape
    /// as `x`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] unless `0 <= p < 1`.
    pub fn dropout(&mut self, x: Tensor, p: f32) -> Result<Tensor> {
        if !(0.0..1.0).contains(&p) {
            return Err(self.shape_error(
                "dropout",
                format!("the share dropped must be at least 0 and below 1, not {p}"),
            ));
        }
        let shape = self.shape(x);
        let stream = self.stream();
        Ok(self.push_one(Dropout { p, stream }, &[x], shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::abs_diff_eq;

    #[test]
    fn the_share_kept_is_one_minus_p() {
        const N: u32 = 1 << 16;
        for p in [0.0, 0.1, 0.5, 0.9] {
            let kept = (0..N).filter(|&i| Dropout::keep(i, 3, 1, 7, p)).count() as f32 / N as f32;
            // Five standard deviations.
            assert!(
                abs_diff_eq!(kept, 1.0 - p, epsilon = 5.0 * (p * (1.0 - p) / N as f32).sqrt()),
                "{p}: {kept}"
            );
        }
    }

    #[test]
    fn a_share_of_one_or_none_of_the_numbers_is_refused() {
        let mut tape = Tape::new();
        let x = tape.input("x", crate::Shape::vector(4));
        assert!([1.0, -0.1, f32::NAN].into_iter().all(|p| tape.dropout(x, p).is_err()));
        assert!(tape.dropout(x, 0.0).is_ok());
    }
}
