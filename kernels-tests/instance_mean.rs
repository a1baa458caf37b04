//! instance_mean: means over the pixels of an image with the same number.

use crate::support::{
    self, Case, assert_close, assert_exact, directional, dot, each, fill, rounding, wide,
};
use pixtape::Shape;
use std::collections::BTreeMap;

/// The pixels of every instance.
fn instances(ids: &[f32], s: Shape) -> Vec<Vec<usize>> {
    let mut found: BTreeMap<(usize, i64), Vec<usize>> = BTreeMap::new();
    for (at, id) in ids.iter().enumerate() {
        found.entry((at / (s.h * s.w) as usize, *id as i64)).or_default().push(at);
    }
    found.into_values().collect()
}

fn reference(x: &[f64], ids: &[f32], s: Shape) -> Vec<f64> {
    let c = s.c.logical() as usize;
    let mut y = vec![0.0; x.len()];
    for pixels in instances(ids, s) {
        for k in 0..c {
            let sum: f64 = pixels.iter().map(|p| x[p * c + k]).sum();
            pixels.iter().for_each(|p| y[p * c + k] = sum / pixels.len() as f64);
        }
    }
    y
}

/// Numbers of a map in blocks of `side` pixels, some of which share one; the same in every image.
fn blocks(s: Shape, side: u32, kinds: u32, number: impl Fn(u32) -> f32) -> Vec<f32> {
    let numbers = fill::bits(1 << 16, 7);
    let across = s.w.div_ceil(side);
    let block = |at: u32| (at / s.w % s.h / side) * across + at % s.w / side;
    (0..s.pixels()).map(|at| number(numbers[block(at) as usize] % kinds)).collect()
}

/// Values whose means are whole: of every instance and channel a whole number, and deviations from
/// it in pairs.
fn balanced(ids: &[f32], s: Shape, stream: u32) -> Vec<f32> {
    let c = s.c.logical() as usize;
    let mut noise = fill::integers(3 * s.elements() as usize, stream, 50).into_iter();
    let mut next = || noise.next().expect("enough of them");
    let mut x = vec![0.0; s.elements() as usize];
    for pixels in instances(ids, s) {
        for k in 0..c {
            let mean = 60.0 + next();
            for pair in pixels.chunks(2) {
                let off = if pair.len() == 2 { next() } else { 0.0 };
                pair.iter().zip([off, -off]).for_each(|(p, off)| x[p * c + k] = mean + off);
            }
        }
    }
    x
}

#[test]
fn means_gradients_and_their_gradients_match_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    each("instance_mean", |shape, lay, what| {
        let len = shape.elements() as usize;
        let [x, dy, u] = [1, 2, 3].map(|stream| fill::reals(len, stream, -1.0, 1.0));
        let map = shape.with_channels(1);
        let ids =
            blocks(map, 2, 5, |kind| [0.0, 3.0, 26_001.0, 26_002.0, 16_777_215.0][kind as usize]);
        let mut case = Case::new();
        let [tx, tdy, tu] = [("x", &x), ("dy", &dy), ("u", &u)]
            .map(|(name, values)| case.operand(name, shape, values, lay));
        let tids = case.operand("ids", map, &ids, lay);
        let y = case.tape.instance_mean(tx, tids).unwrap();
        let dx = case.backward(y, tdy, &[tx])[0].unwrap();
        let second = case.backward(dx, tu, &[tdy])[0].unwrap();
        let keep = [case.result(y, lay), case.result(dx, lay), second];
        let done = case.run(gpu, &keep);
        for (name, got, from) in [("y", y, x), ("dx", dx, dy), ("by dy of <u, dx>", second, u)] {
            let want = reference(&wide(&from), &ids, shape);
            assert_close!(done.read(got), want, rounding("instance_mean", 1), "{what} {name}");
        }
    });
}

#[test]
fn whole_means_are_exact_and_the_operation_is_its_own_adjoint() {
    let Some(gpu) = support::gpu() else { return };
    each("instance_mean", |shape, lay, what| {
        let map = shape.with_channels(1);
        for kinds in [1, 4] {
            let ids = blocks(map, 3, kinds, |kind| 26_001.0 + kind as f32);
            let [x, dy] = [1, 2].map(|stream| balanced(&ids, shape, stream));
            let mut case = Case::new();
            let (tx, tdy) =
                (case.operand("x", shape, &x, lay), case.operand("dy", shape, &dy, lay));
            let tids = case.operand("ids", map, &ids, lay);
            let y = case.tape.instance_mean(tx, tids).unwrap();
            let dx = case.backward(y, tdy, &[tx])[0].unwrap();
            let keep = [case.result(y, lay), case.result(dx, lay)];
            let done = case.run(gpu, &keep);
            let [x, dy] = [wide(&x), wide(&dy)];
            assert_exact!(done.read(y), reference(&x, &ids, shape), "{what} {kinds} y");
            assert_exact!(done.read(dx), reference(&dy, &ids, shape), "{what} {kinds} dx");
            assert_eq!(
                dot(&wide(&done.read(y)), &dy),
                dot(&x, &wide(&done.read(dx))),
                "{what} {kinds}: <y, dy> and <x, dx>"
            );
        }
    });
}

/// Two images with the same numbers: hundreds of them, one, and as many as there are pixels; near
/// each other, far apart, and with equal low bits.
#[test]
fn any_number_of_instances_is_kept_apart_within_each_image() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(2, 61, 83, 6);
    let map = shape.with_channels(1);
    let own: Vec<f32> = (0..map.pixels()).map(|at| (at % (61 * 83)) as f32).collect();
    let far: Vec<f32> = own.iter().map(|at| 16_777_215.0 - 3000.0 * at).collect();
    let maps = [
        ("one", vec![26_001.0; own.len()]),
        ("hundreds", blocks(map, 2, 900, |kind| 26_000.0 + kind as f32)),
        ("by powers of two", blocks(map, 3, 25, |kind| (1 << kind.min(23)) as f32)),
        ("every pixel", own),
        ("every pixel, far apart", far),
    ];
    for (what, ids) in maps {
        for (name, x, exact) in [
            ("whole", balanced(&ids, shape, 1), true),
            ("real", fill::reals(shape.elements() as usize, 2, -1.0, 1.0), false),
        ] {
            let mut case = Case::new();
            let (tx, tids) = (case.input("x", shape, &x), case.input("ids", map, &ids));
            let y = case.tape.instance_mean(tx, tids).unwrap();
            let done = case.run(gpu, &[y]);
            let (got, want) = (done.read(y), reference(&wide(&x), &ids, shape));
            if exact {
                assert_exact!(got, want, "{what}, {name}");
            } else {
                assert_close!(got, want, rounding("instance_mean", 1), "{what}, {name}");
            }
        }
    }
}

/// Sums of whole numbers do not depend on their order: nor does a bit of the result on that of the
/// pixels, let alone on that of invocations.
#[test]
fn the_bits_are_the_same_every_time_and_for_any_order_of_pixels() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(1, 70, 130, 3);
    let map = shape.with_channels(1);
    let ids = blocks(map, 5, 40, |kind| kind as f32);
    let x: Vec<f32> = fill::normals(shape.elements() as usize, 1);
    let run = |x: &[f32], ids: &[f32], times: usize| -> Vec<Vec<f32>> {
        let mut case = Case::new();
        let (tx, tids) = (case.input("x", shape, x), case.input("ids", map, ids));
        let y = case.tape.instance_mean(tx, tids).unwrap();
        let done = case.prepare(gpu, &[y]);
        (0..times)
            .map(|_| {
                done.program.submit(0..done.program.dispatch_count()).unwrap();
                done.read(y)
            })
            .collect()
    };
    let first = run(&x, &ids, 3);
    assert!(first.iter().all(|y| *y == first[0]));
    let turned: Vec<f32> = x.chunks(3).rev().flatten().copied().collect();
    let turned_ids: Vec<f32> = ids.iter().rev().copied().collect();
    let back: Vec<f32> =
        run(&turned, &turned_ids, 1)[0].chunks(3).rev().flatten().copied().collect();
    assert_eq!(back, first[0]);
}

/// Each instance has a scale of its own, and what is not finite stays within its instance and
/// channel.
#[test]
fn instances_of_any_size_do_not_disturb_each_other() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(1, 8, 40, 2);
    let map = shape.with_channels(1);
    let ids: Vec<f32> = (0..320).map(|at| (at % 40 / 8) as f32).collect();
    let scales = [1e-28, 1e-9, 1.0, 1e9, 3e38];
    let mut x = fill::reals(640, 1, -1.0, 1.0);
    x.iter_mut().enumerate().for_each(|(at, v)| *v *= scales[at / 2 % 40 / 8]);
    let run = |x: &[f32]| {
        let mut case = Case::new();
        let (tx, tids) = (case.input("x", shape, x), case.input("ids", map, &ids));
        let y = case.tape.instance_mean(tx, tids).unwrap();
        let done = case.prepare(gpu, &[y]);
        // Not as a checked step, which refuses what is not finite.
        done.program.submit(0..done.program.dispatch_count()).unwrap();
        done.read(y)
    };
    let (finite, want) = (run(&x), reference(&wide(&x), &ids, shape));
    let instance = |at: usize| at / 2 % 40 / 8;
    for k in 0..5 {
        let of: Vec<usize> = (0..640).filter(|at| instance(*at) == k).collect();
        let got: Vec<f32> = of.iter().map(|at| finite[*at]).collect();
        let want: Vec<f64> = of.iter().map(|at| want[*at]).collect();
        assert_close!(got, want, rounding("instance_mean", 1), "instance {k}");
    }
    // The first channel of instance 1, the second one of instance 3.
    (x[2 * 10], x[2 * 70 + 1]) = (f32::NAN, f32::NEG_INFINITY);
    for (at, (got, before)) in run(&x).into_iter().zip(finite).enumerate() {
        match (instance(at), at % 2) {
            (1, 0) => assert!(got.is_nan(), "{at}: {got}"),
            (3, 1) => assert!(got.is_infinite(), "{at}: {got}"),
            _ => assert_eq!(got, before, "{at}"),
        }
    }
}

#[test]
fn maps_of_other_pixels_are_refused_and_the_references_gradient_is_its_own() {
    let mut case = Case::new();
    let x = case.tape.input("x", Shape::new(1, 4, 4, 3));
    for other in [Shape::new(1, 4, 4, 3), Shape::new(1, 4, 5, 1), Shape::new(2, 4, 4, 1)] {
        let ids = case.tape.input("ids", other);
        let error = case.tape.instance_mean(x, ids).unwrap_err().to_string();
        assert!(error.contains("one number per pixel of [1, 4, 4, 3]"), "{error}");
    }
    let ids = case.tape.input("ids", Shape::new(1, 4, 4, 1));
    let y = case.tape.instance_mean(x, ids).unwrap();
    let loss = case.tape.sum(y);
    assert!(case.tape.backward(&[loss], &[ids]).is_err());
    let shape = Shape::new(2, 5, 4, 2);
    let ids = blocks(shape.with_channels(1), 2, 4, |kind| kind as f32);
    let [x, dy] =
        [1, 2].map(|stream| wide(&fill::reals(shape.elements() as usize, stream, -1.0, 1.0)));
    directional("dx", |x| dot(&reference(x, &ids, shape), &dy), &x, &reference(&dy, &ids, shape));
}
