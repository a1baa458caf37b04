//! picture: bytes to [-1, 1] and back.

use crate::support::{self, Case, Done, Lay, assert_close, fill, parts, rounding};
use pixtape::{Shape, Tensor};

/// A case that turns bytes into a tensor; the bytes are written by [`write`].
fn tensor_of(case: &mut Case, shape: Shape) -> (Tensor, Tensor) {
    let raw = case.tape.picture_input("picture", shape.n, shape.h, shape.w, shape.c.logical());
    (raw, case.tape.picture_to_tensor(raw, shape).unwrap())
}

fn step(done: &Done) {
    done.step(&pixtape::StepValues::default());
}

fn bytes_of(done: &Done, picture: Tensor, len: usize) -> Vec<u8> {
    let all = pollster::block_on(done.program.read_bytes(picture)).unwrap();
    assert!(
        all.len() == len.next_multiple_of(16) && all[len..].iter().all(|b| *b == 0),
        "bytes behind the last are 0"
    );
    all[..len].to_vec()
}

#[test]
fn every_byte_survives_the_way_to_a_tensor_and_back() {
    let Some(gpu) = support::gpu() else { return };
    for (n, h, w, c) in
        [(1, 16, 16, 1), (1, 16, 16, 3), (2, 5, 7, 3), (1, 1, 1, 3), (3, 9, 11, 4), (1, 3, 3, 5)]
    {
        for lay in [Lay::Dense, Lay::Strided] {
            let shape = Shape::new(n, h, w, c);
            let what = format!("picture {shape} {lay:?}");
            let len = shape.elements() as usize;
            let bytes: Vec<u8> = (0..len).map(|i| (i * 37 + i / 256) as u8).collect();
            let mut case = Case::new();
            let (raw, x) = tensor_of(&mut case, shape);
            let joint = case.result(x, lay);
            let back = case.tape.tensor_to_picture(x);
            let done = case.prepare(gpu, &[joint, back]);
            done.program.write_bytes(raw, &bytes).unwrap();
            step(&done);
            let want: Vec<f64> =
                bytes.iter().map(|b| (f64::from(*b) / 255.0 - 0.5) * 2.0).collect();
            assert_close!(done.read(x), want, rounding("picture_to_tensor", 1), "{what}");
            assert_eq!(bytes_of(&done, back, len), bytes, "{what}");
        }
    }
}

#[test]
fn parts_are_closed_up() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(1, 4, 5, parts(&[3, 1, 2]));
    let bytes: Vec<u8> =
        fill::bits(shape.elements() as usize, 1).into_iter().map(|b| b as u8).collect();
    let values: Vec<f32> = bytes.iter().map(|b| (f32::from(*b) / 255.0 - 0.5) * 2.0).collect();
    let mut case = Case::new();
    let x = case.operand("x", shape, &values, Lay::Dense);
    let picture = case.tape.tensor_to_picture(x);
    let (raw, y) = tensor_of(&mut case, shape);
    let done = case.prepare(gpu, &[picture, y]);
    done.program.write_bytes(raw, &bytes).unwrap();
    step(&done);
    assert_eq!(bytes_of(&done, picture, bytes.len()), bytes);
    assert_close!(done.read(y), support::wide(&values), rounding("picture_to_tensor", 1), "3|1|2");
}

#[test]
fn values_are_rounded_half_up_and_clamped() {
    let Some(gpu) = support::gpu() else { return };
    // (x + 1) * 127.5 is 0, 255, below and above the range, 127.5, 63.75, 191.25, 0.49…, 0.51…
    let values = [
        -1.0,
        1.0,
        -1.5,
        7.0,
        0.0,
        -0.5,
        0.5,
        -0.9962,
        -0.996,
        f32::INFINITY,
        f32::NEG_INFINITY,
        254.4 / 127.5 - 1.0,
    ];
    let want = [0, 255, 0, 255, 128, 64, 191, 0, 1, 255, 0, 254];
    let mut case = Case::new();
    let x = case.input("x", Shape::new(1, 2, 2, 3), &values);
    let picture = case.tape.tensor_to_picture(x);
    let nan = case.input("nan", Shape::new(1, 1, 1, 3), &[f32::NAN, -f32::NAN, 1.0]);
    let black = case.tape.tensor_to_picture(nan);
    let done = case.prepare(gpu, &[picture, black]);
    step(&done);
    assert_eq!(bytes_of(&done, picture, 12), want);
    assert_eq!(bytes_of(&done, black, 3), [0, 0, 255]);
}

#[test]
fn bytes_that_do_not_fit_the_shape_are_refused() {
    let mut case = Case::new();
    let raw = case.tape.picture_input("picture", 1, 8, 8, 3);
    assert!(case.tape.picture_to_tensor(raw, Shape::new(1, 8, 9, 3)).is_err());
}
