//! one_hot: planes of classes.

use crate::support::{self, Case, Lay, fill, shapes, wide};
use pixtape::Shape;

fn reference(ids: &[f32], classes: u32) -> Vec<f64> {
    let plane = |id: f32, k: u32| f64::from(u8::from(f64::from(id) == f64::from(k)));
    ids.iter().flat_map(|&id| (0..classes).map(move |k| plane(id, k))).collect()
}

fn check(shape: Shape, ids: &[f32], classes: u32, lay: Lay) -> Vec<f64> {
    let Some(gpu) = support::gpu() else { return Vec::new() };
    let mut case = Case::new();
    let x = case.operand("ids", shape, ids, lay);
    let y = case.tape.one_hot(x, classes).unwrap();
    let keep = case.result(y, lay);
    let done = case.run(gpu, &[keep]);
    let want = reference(ids, classes);
    assert_eq!(wide(&done.read(y)), want, "one_hot {shape} of {classes} {lay:?}");
    want
}

#[test]
fn every_pixel_has_a_one_where_its_index_says() {
    for shape in shapes().into_iter().map(|s| s.with_channels(1)) {
        for (classes, lay) in
            [1, 2, 4, 7, 35].into_iter().flat_map(|k| [(k, Lay::Dense), (k, Lay::Strided)])
        {
            let ids: Vec<f32> = fill::bits(shape.pixels() as usize, classes)
                .iter()
                .map(|b| (b % classes) as f32)
                .collect();
            let want = check(shape, &ids, classes, lay);
            let ones = want.iter().filter(|v| **v == 1.0).count();
            assert!(support::gpu().is_none() || ones == ids.len());
        }
    }
}

/// Also where the index names a lane behind the last class.
#[test]
fn an_index_that_is_no_class_makes_zeros() {
    let ids = [-1.0, 0.0, 5.0, 6.0, 7.0, 8.0, 0.5, 4.999, 16_777_216.0, -0.0, 255.0, 1e30];
    for lay in [Lay::Dense, Lay::Strided] {
        let want = check(Shape::new(1, 3, 4, 1), &ids, 6, lay);
        assert!(support::gpu().is_none() || want.iter().sum::<f64>() == 3.0);
    }
}

#[test]
fn what_is_no_map_of_indices_is_refused_and_there_is_no_gradient() {
    let mut case = Case::new();
    let (map, x) = (
        case.tape.input("map", Shape::new(1, 4, 4, 1)),
        case.tape.input("x", Shape::new(1, 4, 4, 3)),
    );
    assert!(case.tape.one_hot(x, 3).unwrap_err().to_string().contains("[1, 4, 4, 3]"));
    assert!(case.tape.one_hot(map, 0).is_err());
    let y = case.tape.one_hot(map, 3).unwrap();
    let loss = case.tape.sum(y);
    let error = case.tape.backward(&[loss], &[map]).unwrap_err().to_string();
    assert!(error.contains("derivative"), "{error}");
}
