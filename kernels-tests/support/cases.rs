//! Shapes that every element-wise and reducing operation has to get right.

use super::run::Lay;
use pixtape::{Channels, Shape};

/// Channels by parts.
pub fn parts(counts: &[u32]) -> Channels {
    Channels::concat(&counts.iter().map(|c| (*c).into()).collect::<Vec<_>>())
        .expect("at most 4 parts")
}

/// Single elements, odd sides, batches, channels with padding behind them and between.
pub fn shapes() -> Vec<Shape> {
    let shape = |n, h, w, c: &[u32]| Shape::new(n, h, w, parts(c));
    vec![
        shape(1, 1, 1, &[1]),
        shape(1, 1, 1, &[8]),
        shape(1, 5, 7, &[3]),
        shape(2, 3, 1, &[5]),
        shape(2, 4, 9, &[3, 3]),
        shape(1, 17, 19, &[6]),
        shape(1, 33, 6, &[16]),
        // Two parts that begin with whole vec4s, and more invocations than one workgroup.
        shape(3, 5, 11, &[9, 5]),
    ]
}

/// Calls `f` for each shape, dense and strided, with a text that names the case.
pub fn each(op: &str, mut f: impl FnMut(Shape, Lay, &str)) {
    for shape in shapes() {
        for lay in [Lay::Dense, Lay::Strided] {
            f(shape, lay, &format!("{op} {shape} {lay:?}"));
        }
    }
}
