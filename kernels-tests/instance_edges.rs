//! instance_edges: the boundaries of a map of numbers.

use crate::support::{self, Case, Lay, fill, shapes, wide};
use pixtape::Shape;

fn reference(ids: &[f32], s: Shape) -> Vec<f64> {
    let [h, w] = [s.h, s.w].map(|v| v as usize);
    let differs = |at: usize| {
        let (row, column) = (at / w % h, at % w);
        let mut near = Vec::new();
        near.extend((column > 0).then(|| at - 1));
        near.extend((column + 1 < w).then_some(at + 1));
        near.extend((row > 0).then(|| at - w));
        near.extend((row + 1 < h).then_some(at + w));
        near.into_iter().any(|n| ids[n] != ids[at])
    };
    (0..ids.len()).map(|at| f64::from(u8::from(differs(at)))).collect()
}

fn check(shape: Shape, ids: &[f32], lay: Lay) -> Vec<f64> {
    let Some(gpu) = support::gpu() else { return Vec::new() };
    let mut case = Case::new();
    let x = case.operand("ids", shape, ids, lay);
    let y = case.tape.instance_edges(x).unwrap();
    let keep = case.result(y, lay);
    let done = case.run(gpu, &[keep]);
    let want = reference(ids, shape);
    assert_eq!(wide(&done.read(y)), want, "instance_edges {shape} {lay:?}");
    want
}

#[test]
fn pixels_beside_another_number_are_marked() {
    let (mut edges, mut inner) = (0, 0);
    let larger = Shape::new(2, 40, 70, 1);
    for shape in shapes().into_iter().map(|s| s.with_channels(1)).chain([larger]) {
        for lay in [Lay::Dense, Lay::Strided] {
            // Blocks of 4x4 pixels that differ by 1 at 26001 and, in places, not at all.
            let (h, w) = (shape.h, shape.w);
            let block = |at: u32| (at / w / h * 64 + at / w % h / 4 * 8) + at % w / 4;
            let numbers = fill::bits(4096, 7);
            let ids: Vec<f32> = (0..shape.pixels())
                .map(|at| 26_001.0 + (numbers[block(at) as usize] % 3) as f32)
                .collect();
            let want = check(shape, &ids, lay);
            edges += want.iter().filter(|v| **v == 1.0).count();
            inner += want.iter().filter(|v| **v == 0.0).count();
        }
    }
    assert!(support::gpu().is_none() || edges > 1000 && inner > 1000, "{edges} {inner}");
}

#[test]
fn both_sides_are_marked_and_neither_the_border_nor_the_next_picture_counts() {
    #[rustfmt::skip]
    let ids = [
        1.0, 1.0, 1.0, 1.0,
        1.0, 2.0, 2.0, 1.0,
        1.0, 1.0, 1.0, 1.0,

        9.0, 9.0, 9.0, 9.0,
        9.0, 9.0, 9.0, 9.0,
        9.0, 9.0, 9.0, 16_777_215.0,
    ];
    #[rustfmt::skip]
    let marked = [
        0.0, 1.0, 1.0, 0.0,
        1.0, 1.0, 1.0, 1.0,
        0.0, 1.0, 1.0, 0.0,

        0.0, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.0, 1.0,
        0.0, 0.0, 1.0, 1.0,
    ];
    let want = check(Shape::new(2, 3, 4, 1), &ids, Lay::Strided);
    assert!(support::gpu().is_none() || want == marked);
}

#[test]
fn maps_of_several_channels_are_refused_and_there_is_no_gradient() {
    let mut case = Case::new();
    let (map, x) = (
        case.tape.input("map", Shape::new(1, 4, 4, 1)),
        case.tape.input("x", Shape::new(1, 4, 4, 3)),
    );
    assert!(case.tape.instance_edges(x).unwrap_err().to_string().contains("[1, 4, 4, 3]"));
    let y = case.tape.instance_edges(map).unwrap();
    let loss = case.tape.sum(y);
    let error = case.tape.backward(&[loss], &[map]).unwrap_err().to_string();
    assert!(error.contains("derivative"), "{error}");
}
