//! Convolutions that read a map through its padding: the same bits as those of the padded map,
//! forward and every gradient.

use crate::support::{self, Case, Lay, Parameter, fill, parts};
use pixtape::gpu::Family;
use pixtape::ops::{Act, Enlarge, Method, Padding, Tuning};
use pixtape::store::Layout;
use pixtape::{Conv, Gpu, Shape, Tensor};

/// `(n, h, w, ci by parts, co, kernel, padding, its width, activation, bias)`.
type Row = (u32, u32, u32, &'static [u32], u32, u32, Padding, u32, Option<Act>, bool);

const RELU: Option<Act> = Some(Act::Relu);
const LEAKY: Option<Act> = Some(Act::LeakyRelu(0.2));

const ROWS: [Row; 8] = [
    // ResNet's: inside the blocks, and at both ends.
    (1, 9, 7, &[16], 16, 3, Padding::Reflect, 1, RELU, false),
    (2, 6, 11, &[20], 9, 3, Padding::Replicate, 1, None, true),
    (1, 8, 5, &[3, 3], 12, 7, Padding::Reflect, 3, None, true),
    (1, 5, 9, &[8], 3, 7, Padding::Reflect, 3, RELU, true),
    // Wider than a tile's overhang, as wide as the picture allows, wider than the picture.
    (2, 7, 10, &[12], 16, 4, Padding::Reflect, 2, RELU, false),
    (1, 4, 6, &[5], 7, 3, Padding::Reflect, 3, RELU, true),
    (1, 3, 5, &[9], 8, 3, Padding::Replicate, 4, LEAKY, false),
    (1, 6, 6, &[16], 8, 4, Padding::Replicate, 2, RELU, true),
];

/// Records padding, activation, convolution and the gradients.
fn record(
    &(n, h, w, ci, co, kernel, padding, pad, act, bias): &Row,
) -> (Case, [Tensor; 2], [Option<Parameter>; 2]) {
    let (x, conv, ci) = (Shape::new(n, h, w, parts(ci)), Conv::new(kernel, 1, 0), parts(ci));
    let y = Shape { n, h: h + 2 * pad + 1 - kernel, w: w + 2 * pad + 1 - kernel, c: co.into() };
    let layout = Layout::Conv { ci, co, kernel };
    let mut case = Case::new();
    let tx = case.operand("x", x, &fill::reals(x.elements() as usize, 1, -1.0, 1.0), Lay::Strided);
    let tdy = case.input("dy", y, &fill::reals(y.elements() as usize, 2, -1.0, 1.0));
    let tw = case.param("w", layout, &fill::reals(layout.elements(), 3, -1.0, 1.0));
    let tb = bias.then(|| {
        case.param("bias", Layout::Vector(co.into()), &fill::reals(co as usize, 4, -1.0, 1.0))
    });
    let mut z = case.tape.resample2d(tx, Enlarge::No, padding, pad).unwrap();
    if let Some(act) = act {
        z = case.tape.act(z, act);
    }
    let ty = case.tape.conv2d(z, tw.tensor, tb.as_ref().map(|b| b.tensor), conv).unwrap();
    let wrt: Vec<Tensor> =
        [tx, tw.tensor].into_iter().chain(tb.as_ref().map(|b| b.tensor)).collect();
    let dx = case.backward(ty, tdy, &wrt)[0].unwrap();
    (case, [ty, dx], [Some(tw), tb])
}

fn run(gpu: &Gpu, row: &Row, tuning: Tuning, plain: bool) -> (Vec<Vec<u32>>, Vec<&'static str>) {
    let (mut case, keep, params) = record(row);
    (case.tuning, case.plain) = (Some(tuning), plain);
    let done = case.run(gpu, &keep);
    let bits = |values: Vec<f32>| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
    let results = keep.map(|t| bits(done.read(t))).into_iter();
    let gradients = params.iter().flatten().map(|p| bits(done.gradient(p)));
    (results.chain(gradients).collect(), done.program.plan().nodes().iter().map(|n| n.op).collect())
}

fn check(family: Family, tiles: &[&str]) {
    let Some(gpu) = support::gpu().and_then(|_| support::family(family)) else { return };
    for tile in tiles {
        for method in Method::ALL {
            for row in &ROWS {
                let tuning =
                    Tuning::rule(gpu.family()).force(format!("{method} {tile}").parse().unwrap());
                let what = format!("{row:?} on {}, {method} {tile}", gpu.family());
                let (folded, ops) = run(gpu, row, tuning.clone(), false);
                let (apart, all) = run(gpu, row, tuning, true);
                assert!(
                    all.contains(&"resample2d") && all.contains(&"resample2d_bwd"),
                    "{what}: {all:?}"
                );
                // A leaky ReLU has no adjoint of that kind.
                let (act, through) = (row.8, row.8 != LEAKY);
                assert_eq!(ops.contains(&"resample2d"), !through, "{what}: {ops:?}");
                assert_eq!(ops.contains(&"resample2d_bwd_relu"), act == RELU, "{what}: {ops:?}");
                for (name, (a, b)) in ["y", "dx", "dw", "db"].iter().zip(folded.iter().zip(&apart))
                {
                    let differ = a.iter().zip(b).position(|(a, b)| a != b);
                    assert!(
                        differ.is_none() && a.len() == b.len(),
                        "{what}: {name} differs at {differ:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn through_padding_on_subgroup_tiles_gives_the_same_bits() {
    check(Family::Subgroup(0), &["subgroup8x16", "subgroup8x32 split3"]);
}

#[test]
fn through_padding_on_register_tiles_gives_the_same_bits() {
    check(Family::Register, &["register1", "register4 split3"]);
}

#[test]
fn through_padding_on_workgroup_tiles_gives_the_same_bits() {
    check(Family::Workgroup, &["workgroup64", "workgroup128 split3", "gemv4"]);
}

#[test]
fn a_padded_map_that_somebody_needs_is_made() {
    let Some(gpu) = support::gpu() else { return };
    // The host reads it; another operation does; a convolution has padding of its own.
    for reason in 0..3 {
        let mut case = Case::new();
        let shape = Shape::new(1, 6, 7, 8);
        let x = case.input("x", shape, &fill::reals(shape.elements() as usize, 1, -1.0, 1.0));
        let w = case.param(
            "w",
            Layout::Conv { ci: 8.into(), co: 8, kernel: 3 },
            &fill::reals(8 * 8 * 9, 2, -1.0, 1.0),
        );
        let z = case.tape.resample2d(x, Enlarge::No, Padding::Reflect, 1).unwrap();
        let y =
            case.tape.conv2d(z, w.tensor, None, Conv::new(3, 1, u32::from(reason == 2))).unwrap();
        let mut keep = vec![y];
        match reason {
            0 => keep.push(z),
            1 => keep.push(case.tape.scale(z, 2.0)),
            _ => (),
        }
        let done = case.run(gpu, &keep);
        assert!(done.program.plan().nodes().iter().any(|n| n.op == "resample2d"), "{reason}");
    }
}
