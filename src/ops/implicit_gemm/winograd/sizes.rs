//! Sizes of the Winograd methods: tiles, points, scratch memory, matrix products.

use crate::ops::implicit_gemm::problem::{Problem, Product};
use crate::ops::implicit_gemm::variant::Method;

/// The most bytes of points that a round computes of a map. It bounds a plan's scratch memory;
/// layers at batch 1 need one round.
const ROUND: u64 = 32 << 20;

/// Sizes of a pass by a Winograd method, or of one round of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// The shader file.
    pub file: &'static str,
    /// Side of the points of a tile.
    pub n: u32,
    /// Side of the layer's kernel.
    pub kernel: u32,
    /// Phases in each direction.
    pub phases: u32,
    /// Tiles of the grid of results: the first of this round, how many, and how many lie in a
    /// column and in a row of an image.
    pub first: u32,
    pub tiles: u32,
    pub high: u32,
    pub wide: u32,
}

impl Sizes {
    pub fn new(problem: &Problem, method: Method) -> Sizes {
        let s = problem.conv.stride;
        let (file, tile, n) = match (method, s) {
            (Method::Winograd3, _) => ("conv2d_winograd_22", 2, 3),
            (_, 2) => ("conv2d_winograd_42", 4, 5),
            (Method::Winograd6, _) if problem.conv.kernel == 3 => ("conv2d_winograd_43", 4, 6),
            (Method::Winograd6, _) => ("conv2d_winograd_34", 3, 6),
            _ if problem.conv.kernel == 3 => ("conv2d_winograd_33", 3, 5),
            _ => ("conv2d_winograd_24", 2, 5),
        };
        let [images, h, w] = problem.grid();
        let (high, wide) = (h.div_ceil(tile), w.div_ceil(tile));
        Sizes {
            file,
            n,
            kernel: problem.conv.kernel,
            phases: s,
            first: 0,
            tiles: images * high * wide,
            high,
            wide,
        }
    }

    /// Points of a tile.
    pub fn points(&self) -> u32 {
        self.n * self.n
    }

    /// Phases in both directions.
    pub fn squared(&self) -> u32 {
        self.phases * self.phases
    }

    /// Tiles of transformed maps: a whole number of steps of 4, the last ones zero.
    pub fn padded(&self) -> u32 {
        self.tiles.next_multiple_of(4)
    }

    /// Bytes of the three scratch tensors: points of the map that the kernel walks over, of the
    /// other operand, of the result.
    pub fn scratch(&self, problem: &Problem) -> [u64; 3] {
        let (w, y) = (problem.inputs[1], problem.output);
        let (walked, other, result) = if problem.pass.is_weight() {
            let [anchor, walked] = problem.anchor_and_walked();
            let result = self.squared() * y.w * y.c.vec4s();
            (walked.c, self.padded() * anchor.c.vec4s(), result)
        } else {
            let apart = if problem.pass.gathers() { 1 } else { self.squared() };
            let result = apart * self.tiles * y.c.vec4s();
            (problem.inputs[0].c, self.squared() * w.w * w.c.vec4s(), result)
        };
        [self.squared() * self.padded() * walked.vec4s(), other, result]
            .map(|vec4s| 16 * u64::from(self.points()) * u64::from(vec4s))
    }

    /// The same in rounds of tiles, so that points take no more than [`ROUND`] bytes per tensor,
    /// and at least `least` rounds. The last one may be shorter.
    pub fn rounds(self, problem: &Problem, least: u32) -> Vec<Sizes> {
        let [data, other, result] = self.scratch(problem);
        // What does not grow with the tiles cannot be cut.
        let most = if problem.pass.is_weight() { data.max(other) } else { data.max(result) };
        let count =
            most.div_ceil(ROUND).max(u64::from(least)).min(u64::from(self.tiles.div_ceil(4)))
                as u32;
        let each = self.tiles.div_ceil(count).next_multiple_of(4);
        (0..self.tiles)
            .step_by(each as usize)
            .map(|first| Sizes { first, tiles: each.min(self.tiles - first), ..self })
            .collect()
    }

    /// Sizes of the matrix products of a round.
    pub fn product(&self, problem: &Problem) -> Product {
        let [a, b] = problem.inputs.map(|s| s.c.vec4s());
        let squared = self.squared();
        let weights = |rows, cols| Product {
            rows,
            cols,
            blocks: self.padded() / 4,
            taps: 1,
            phases: self.points(),
        };
        // Phases of the operand are summed over, phases of the result are products of their own.
        let data = |summed, apart| Product {
            rows: self.tiles,
            cols: problem.output.c.vec4s(),
            blocks: a,
            taps: summed,
            phases: self.points() * apart,
        };
        let pass = problem.pass;
        match (pass.is_weight(), pass.transposed) {
            // Rows are input channels: of x of conv2d with their phases, of x of conv_transpose2d.
            (true, false) => weights(4 * squared * a, b),
            (true, true) => weights(4 * a, squared * b),
            _ if pass.gathers() => data(squared, 1),
            _ => data(1, squared),
        }
    }
}

/// Whether the scratch tensors can be bound.
pub(in crate::ops::implicit_gemm) fn fits(problem: &Problem, method: Method) -> bool {
    let rounds = Sizes::new(problem, method).rounds(problem, 1);
    rounds[0].scratch(problem).iter().all(|bytes| *bytes <= crate::gpu::MAX_BINDING)
}

/// Bytes of points in all, each of which is written once and read once.
pub(in crate::ops::implicit_gemm) fn points(problem: &Problem, method: Method) -> u64 {
    Sizes::new(problem, method).scratch(problem).iter().sum()
}

/// Sizes of the matrix products, one per point (and phase of the result), over all rounds.
pub(in crate::ops::implicit_gemm) fn product(problem: &Problem, method: Method) -> Product {
    Sizes::new(problem, method).product(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Pass;
    use crate::shape::{Conv, Shape};

    #[test]
    fn the_layer_that_takes_a_third_of_a_step_has_a_fraction_of_its_products() {
        let (x, y) = (Shape::new(1, 32, 32, 256), Shape::new(1, 31, 31, 512));
        let problem = Problem::of_layer(Pass::ALL[0], x, y, Conv::new(4, 1, 1));
        let filter = Sizes::new(&problem, Method::Winograd5);
        assert_eq!((filter.tiles, filter.points()), (256, 25));
        let products = f64::from(filter.points() * filter.tiles);
        assert!((f64::from(16 * y.pixels()) / products) > 2.3);
    }

    #[test]
    fn rounds_hold_every_tile_once_and_bound_the_points() {
        let (x, y) = (Shape::new(16, 62, 62, 128), Shape::new(16, 61, 61, 256));
        for pass in Pass::of_layer(false) {
            let problem = Problem::of_layer(pass, x, y, Conv::new(4, 1, 1));
            let whole = Sizes::new(&problem, Method::Winograd5);
            for least in [1, 7, 100_000] {
                let rounds = whole.rounds(&problem, least);
                assert_eq!(
                    rounds.iter().map(|r| r.tiles).sum::<u32>(),
                    whole.tiles,
                    "{pass:?} {least}"
                );
                assert!(rounds.windows(2).all(|r| r[0].first + r[0].tiles == r[1].first
                    && r[0].tiles >= r[1].tiles
                    && r[0].tiles % 4 == 0));
                assert!(
                    rounds.len() > 3 && rounds[0].scratch(&problem).iter().all(|b| *b <= 2 * ROUND),
                    "{pass:?} {least}: {}",
                    rounds.len()
                );
            }
            assert!(
                fits(&problem, Method::Winograd5)
                    && points(&problem, Method::Winograd5) > crate::gpu::MAX_BINDING
            );
        }
    }
}
