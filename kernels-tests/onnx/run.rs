//! What the operators of an exported graph mean, in f64, after the definitions of operator set 13.

use super::model::{Array, Model, Node};
use std::collections::BTreeMap;

/// Runs a graph on an input.
pub fn run(model: &Model, input: &Array) -> Array {
    let mut values: BTreeMap<&str, Array> = BTreeMap::new();
    values.insert(&model.input.name, input.clone());
    for (name, value) in &model.constants {
        values.insert(name, value.clone());
    }
    for node in &model.nodes {
        // An empty name is an operand that is left out.
        let inputs: Vec<&Array> =
            node.inputs.iter().filter(|n| !n.is_empty()).map(|n| &values[n.as_str()]).collect();
        let made = apply(node, &inputs);
        assert!(values.insert(&node.output, made).is_none(), "{} is made twice", node.output);
    }
    values.remove(model.output.name.as_str()).unwrap()
}

fn apply(node: &Node, inputs: &[&Array]) -> Array {
    let x = inputs[0];
    let each = |f: &dyn Fn(f64) -> f64| Array {
        data: x.data.iter().map(|v| f(*v)).collect(),
        ..x.clone()
    };
    match node.op.as_str() {
        "Relu" => each(&|v| v.max(0.0)),
        "LeakyRelu" => {
            let alpha = node.number("alpha");
            each(&|v| if v < 0.0 { alpha * v } else { v })
        }
        "Tanh" => each(&f64::tanh),
        "Floor" => each(&f64::floor),
        // To f32, or to u8 from whole numbers.
        "Cast" => x.clone(),
        "Add" => pairs(x, inputs[1], |a, b| a + b),
        "Sub" => pairs(x, inputs[1], |a, b| a - b),
        "Mul" => pairs(x, inputs[1], |a, b| a * b),
        "Div" => pairs(x, inputs[1], |a, b| a / b),
        "Transpose" => transpose(x, node.wholes("perm")),
        "Concat" => {
            assert_eq!(node.wholes("axis"), [1]);
            concat(inputs)
        }
        "Pad" => pad(x, &inputs[1].data, node.text("mode")),
        "Resize" => resize(x, &inputs[1].data, node),
        "AveragePool" => average(node, x),
        "Conv" => convolution(node, inputs),
        "ConvTranspose" => transposed(node, inputs),
        "InstanceNormalization" => instance_norm(inputs, node.number("epsilon")),
        other => panic!("{other} is not written by the exporter"),
    }
}

/// Of one shape, or with a scalar.
fn pairs(a: &Array, b: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
    let b_at = |i: usize| if b.shape.is_empty() { b.data[0] } else { b.data[i] };
    assert!(b.shape.is_empty() || a.shape == b.shape, "{:?} and {:?}", a.shape, b.shape);
    let data = a.data.iter().enumerate().map(|(i, v)| f(*v, b_at(i))).collect();
    Array { shape: a.shape.clone(), data }
}

fn sides(x: &Array) -> [usize; 4] {
    x.shape[..].try_into().expect("four dimensions")
}

/// An array whose every element is computed.
fn made([n, c, h, w]: [usize; 4], f: impl Fn([usize; 4]) -> f64) -> Array {
    let mut data = Vec::with_capacity(n * c * h * w);
    for n in 0..n {
        for c in 0..c {
            for y in 0..h {
                for x in 0..w {
                    data.push(f([n, c, y, x]));
                }
            }
        }
    }
    Array { shape: vec![n, c, h, w], data }
}

fn at(x: &Array, [n, c, i, j]: [usize; 4]) -> f64 {
    let [_, channels, h, w] = sides(x);
    x.data[((n * channels + c) * h + i) * w + j]
}

fn transpose(x: &Array, perm: &[i64]) -> Array {
    let from = sides(x);
    let perm: Vec<usize> = perm.iter().map(|p| *p as usize).collect();
    made([0, 1, 2, 3].map(|axis| from[perm[axis]]), |place| {
        let mut source = [0; 4];
        (0..4).for_each(|axis| source[perm[axis]] = place[axis]);
        at(x, source)
    })
}

fn concat(all: &[&Array]) -> Array {
    let [n, _, h, w] = sides(all[0]);
    let channels = all.iter().map(|a| sides(a)[1]).sum();
    made([n, channels, h, w], |[n, mut c, y, x]| {
        for part in all {
            let own = sides(part)[1];
            if c < own {
                return at(part, [n, c, y, x]);
            }
            c -= own;
        }
        unreachable!()
    })
}

fn pad(x: &Array, pads: &[f64], mode: &str) -> Array {
    let [n, c, h, w] = sides(x);
    let by = pads[2] as usize;
    assert_eq!(pads, [0.0, 0.0, pads[2], pads[2], 0.0, 0.0, pads[2], pads[2]]);
    let seen = |place: usize, side: usize| {
        let (at, last) = (place as i64 - by as i64, side as i64 - 1);
        (match mode {
            "edge" => at.clamp(0, last),
            "reflect" if at.abs() > last => 2 * last - at,
            "reflect" => at.abs(),
            other => panic!("padding {other}"),
        }) as usize
    };
    made([n, c, h + 2 * by, w + 2 * by], |[n, c, i, j]| at(x, [n, c, seen(i, h), seen(j, w)]))
}

fn resize(x: &Array, scales: &[f64], node: &Node) -> Array {
    assert_eq!(scales, [1.0, 1.0, 2.0, 2.0]);
    let [n, c, h, w] = sides(x);
    let way = [node.text("mode"), node.text("coordinate_transformation_mode")];
    // Two pixels and the share of the second.
    let taps = |place: usize, side: usize| match way {
        ["nearest", "asymmetric"] => {
            assert_eq!(node.text("nearest_mode"), "floor");
            (place / 2, place / 2, 0.0)
        }
        ["linear", "half_pixel"] => {
            let from = (place as f64 + 0.5) / 2.0 - 0.5;
            let inside = |v: f64| v.clamp(0.0, side as f64 - 1.0) as usize;
            (inside(from.floor()), inside(from.floor() + 1.0), from - from.floor())
        }
        other => panic!("{other:?}"),
    };
    made([n, c, 2 * h, 2 * w], |[n, c, i, j]| {
        let ((top, bottom, down), (left, right, across)) = (taps(i, h), taps(j, w));
        let line = |i| (1.0 - across) * at(x, [n, c, i, left]) + across * at(x, [n, c, i, right]);
        (1.0 - down) * line(top) + down * line(bottom)
    })
}

/// Kernel, stride, padding: the same along both axes, and on all sides.
fn geometry(node: &Node, weight: &Array) -> [i64; 3] {
    let [k, s, p] = ["kernel_shape", "strides", "pads"].map(|name| {
        let all = node.wholes(name);
        assert!(all.iter().all(|v| *v == all[0]), "{name} {all:?}");
        all[0]
    });
    assert_eq!(sides(weight)[2..], [k as usize; 2]);
    [k, s, p]
}

/// Means of what of a window lies inside.
fn average(node: &Node, x: &Array) -> Array {
    assert_eq!(node.wholes("count_include_pad"), [0]);
    let [k, s, p] = ["kernel_shape", "strides", "pads"].map(|name| node.wholes(name)[0]);
    let [n, c, h, w] = sides(x);
    let out = |side: usize| ((side as i64 + 2 * p - k) / s + 1) as usize;
    let window = |place: usize, side: usize| {
        let first = place as i64 * s - p;
        first.max(0) as usize..(first + k).min(side as i64) as usize
    };
    made([n, c, out(h), out(w)], |[n, c, i, j]| {
        let (rows, columns) = (window(i, h), window(j, w));
        let count = (rows.len() * columns.len()) as f64;
        let line = |i| columns.clone().map(|j| at(x, [n, c, i, j])).sum::<f64>();
        rows.map(line).sum::<f64>() / count
    })
}

fn bias(inputs: &[&Array], channel: usize) -> f64 {
    inputs.get(2).map_or(0.0, |b| b.data[channel])
}

fn convolution(node: &Node, inputs: &[&Array]) -> Array {
    let (x, weight) = (inputs[0], inputs[1]);
    let ([k, s, p], [n, ci, h, w]) = (geometry(node, weight), sides(x));
    let out = |side: usize| ((side as i64 + 2 * p - k) / s + 1) as usize;
    let inside = |at: i64, side: usize| (0..side as i64).contains(&at);
    made([n, sides(weight)[0], out(h), out(w)], |[n, co, i, j]| {
        let mut sum = bias(inputs, co);
        for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
            let (y, z) = (i as i64 * s - p + ky, j as i64 * s - p + kx);
            if inside(y, h) && inside(z, w) {
                for c in 0..ci {
                    let tap = at(weight, [co, c, ky as usize, kx as usize]);
                    sum += tap * at(x, [n, c, y as usize, z as usize]);
                }
            }
        }
        sum
    })
}

fn transposed(node: &Node, inputs: &[&Array]) -> Array {
    let (x, weight) = (inputs[0], inputs[1]);
    let ([k, s, p], [n, ci, h, w]) = (geometry(node, weight), sides(x));
    let extra = node.wholes("output_padding").first().copied().unwrap_or(0);
    let out = |side: usize| ((side as i64 - 1) * s - 2 * p + k + extra) as usize;
    // The pixel that tap `tap` brings to `place`, if there is one.
    let from = |place: usize, tap: i64, side: usize| {
        let at = place as i64 + p - tap;
        (at % s == 0 && (0..side as i64).contains(&(at / s))).then_some((at / s) as usize)
    };
    made([n, sides(weight)[1], out(h), out(w)], |[n, co, i, j]| {
        let mut sum = bias(inputs, co);
        for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
            if let (Some(y), Some(z)) = (from(i, ky, h), from(j, kx, w)) {
                for c in 0..ci {
                    sum += at(weight, [c, co, ky as usize, kx as usize]) * at(x, [n, c, y, z]);
                }
            }
        }
        sum
    })
}

fn instance_norm(inputs: &[&Array], epsilon: f64) -> Array {
    let [n, c, h, w] = sides(inputs[0]);
    let planes = inputs[0].data.chunks_exact(h * w);
    let moments: Vec<(f64, f64)> = planes
        .map(|plane| {
            let mean = plane.iter().sum::<f64>() / plane.len() as f64;
            let var = plane.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / plane.len() as f64;
            (mean, 1.0 / (var + epsilon).sqrt())
        })
        .collect();
    made([n, c, h, w], |place| {
        let [n, channel, ..] = place;
        let (mean, by) = moments[n * c + channel];
        (at(inputs[0], place) - mean) * by * inputs[1].data[channel] + inputs[2].data[channel]
    })
}
