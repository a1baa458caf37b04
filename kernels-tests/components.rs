//! components: hysteresis and specks, against flooding.

use crate::support::{self, Case, Lay, edges, fill, wide};
use pixtape::Shape;

fn check(size: [usize; 3], x: &[f32], level: f32, pixels: u32, lay: Lay) -> Vec<f64> {
    let Some(gpu) = support::gpu() else { return Vec::new() };
    let shape = Shape::new(size[0] as u32, size[1] as u32, size[2] as u32, 1);
    let mut case = Case::new();
    let tx = case.operand("x", shape, x, lay);
    let y = case.tape.components(tx, level, pixels).unwrap();
    let keep = case.result(y, lay);
    let done = case.run(gpu, &[keep]);
    let want = edges::components(&wide(x), size, f64::from(level), pixels as usize);
    assert_eq!(wide(&done.read(y)), want, "{size:?} level {level} pixels {pixels} {lay:?}");
    want
}

/// Classes 0, 1, 2 with a share of empty pixels and one of strong ones, in percent.
fn classes(len: usize, stream: u32, empty: u32, strong: u32) -> Vec<f32> {
    let class = |b: u32| {
        if b % 100 < empty { 0.0 } else { 1.0 + f32::from(u8::from(b / 100 % 100 < strong)) }
    };
    fill::bits(len, stream).into_iter().map(class).collect()
}

#[test]
fn it_matches_flooding() {
    let (mut kept, mut dropped) = (0, 0);
    for size in
        [[1, 1, 1], [1, 1, 40], [2, 40, 1], [1, 5, 7], [3, 8, 11], [2, 33, 65], [1, 128, 100]]
    {
        for (stream, empty) in [(1, 30), (2, 60), (3, 75)] {
            for (level, pixels) in [(2.0, 1), (1.0, 5), (2.0, 4), (0.0, 0)] {
                for lay in [Lay::Dense, Lay::Strided] {
                    let x = classes(size.iter().product(), stream, empty, 10);
                    let want = check(size, &x, level, pixels, lay);
                    kept += want.iter().filter(|v| **v > 0.0).count();
                    dropped += x.iter().zip(&want).filter(|(x, y)| **x > 0.0 && **y == 0.0).count();
                }
            }
        }
    }
    assert!(support::gpu().is_none() || kept > 10_000 && dropped > 10_000, "{kept} {dropped}");
}

#[test]
fn long_snakes_are_one_component() {
    // One line that fills the picture, in both directions: the longest path of a label.
    let (h, w) = (61usize, 67usize);
    for turned in [false, true] {
        let on =
            |x: usize, y: usize| y.is_multiple_of(2) || (x == if y % 4 == 1 { w - 1 } else { 0 });
        let mut x: Vec<f32> = (0..h * w).map(|i| f32::from(u8::from(on(i % w, i / w)))).collect();
        if turned {
            x.reverse();
        }
        let whole = x.iter().filter(|v| **v > 0.0).count() as u32;
        // The strong pixel at one end, nothing at all, and as many pixels as there are or one more.
        let end = if turned { 0 } else { h * w - 1 };
        x[end] = 2.0;
        let want = check([1, h, w], &x, 2.0, whole, Lay::Dense);
        assert!(support::gpu().is_none() || want.iter().sum::<f64>() == f64::from(whole));
        check([1, h, w], &x, 2.0, whole + 1, Lay::Dense);
        check([1, h, w], &x, 3.0, 1, Lay::Dense);
    }
}

#[test]
fn maps_of_several_channels_are_refused() {
    let mut case = Case::new();
    let x = case.tape.input("x", Shape::new(1, 4, 4, 3));
    assert!(case.tape.components(x, 1.0, 1).is_err() && case.tape.thin(x, 1).is_err());
}
