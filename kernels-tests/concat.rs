//! concat: channels one after another, and slice, its inverse. Planned away where it can be, copied
//! where not: same results.

use crate::support::{self, Case, Lay, assert_exact, dot, fill, parts, wide};
use pixtape::ops::Act;
use pixtape::{Channels, Shape, Tensor};

/// Where a part comes from: it decides what has to be copied.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Origin {
    /// Computed, and used nowhere else: written in place.
    Node,
    /// The host's: copied.
    Host,
    /// A slice of a host tensor: copied from a strided operand.
    Slice,
    /// The first part once more: copied within the buffer.
    Again,
    /// Computed from the first part: may not be written into the buffer it is read from.
    Neighbour,
}

type Parts = Vec<(Origin, Channels)>;

fn cases() -> Vec<Parts> {
    use Origin::*;
    let case = |list: &[(Origin, &[u32])]| list.iter().map(|(from, c)| (*from, parts(c))).collect();
    vec![
        case(&[(Node, &[3]), (Node, &[3])]),
        case(&[(Host, &[3]), (Node, &[3])]),
        case(&[(Host, &[3]), (Host, &[3])]),
        case(&[(Node, &[8]), (Node, &[16])]),
        case(&[(Node, &[8]), (Again, &[8])]),
        case(&[(Node, &[5]), (Again, &[5])]),
        case(&[(Node, &[8]), (Neighbour, &[8])]),
        case(&[(Slice, &[6]), (Node, &[3, 3]), (Host, &[1])]),
        case(&[(Node, &[4]), (Slice, &[1]), (Node, &[8]), (Host, &[5])]),
        case(&[(Node, &[7])]),
        case(&[(Host, &[7])]),
    ]
}

fn record(case: &mut Case, shape: Shape, list: &Parts, values: &[Vec<f32>]) -> Vec<Tensor> {
    let mut made: Vec<Tensor> = Vec::new();
    for ((from, c), values) in list.iter().zip(values) {
        let part = shape.with_channels(*c);
        let tensor = match from {
            Origin::Again => made[0],
            Origin::Neighbour => case.tape.scale(made[0], 2.0),
            Origin::Slice => case.operand("slice", part, values, Lay::Strided),
            Origin::Host => case.input("host", part, values),
            Origin::Node => {
                let x = case.input("x", part, values);
                // The identity, by a kernel.
                case.tape.act(x, Act::LeakyRelu(1.0))
            }
        };
        made.push(tensor);
    }
    made
}

fn join(shape: Shape, list: &[(usize, Vec<f64>)]) -> Vec<f64> {
    (0..shape.pixels() as usize)
        .flat_map(|p| list.iter().flat_map(move |(c, v)| v[p * c..][..*c].iter().copied()))
        .collect()
}

#[test]
fn parts_lie_in_order_wherever_they_come_from_and_slices_undo_it() {
    let Some(gpu) = support::gpu() else { return };
    for (n, h, w) in [(1, 1, 1), (2, 5, 7)] {
        for list in cases() {
            let what = format!("concat n{n} h{h} w{w} {list:?}");
            let shape = Shape::new(n, h, w, 1);
            let len = |c: &Channels| (c.logical() * shape.pixels()) as usize;
            let mut values: Vec<Vec<f32>> =
                (1..).zip(&list).map(|(s, (_, c))| fill::reals(len(c), s, 1.0, 2.0)).collect();
            for at in 1..list.len() {
                match list[at].0 {
                    Origin::Again => values[at] = values[0].clone(),
                    Origin::Neighbour => values[at] = values[0].iter().map(|v| 2.0 * v).collect(),
                    _ => (),
                }
            }
            let mut case = Case::new();
            let made = record(&mut case, shape, &list, &values);
            let y = case.tape.concat(&made).unwrap();
            let mut start = 0;
            let mut back = Vec::new();
            for (_, c) in &list {
                let slice = case.tape.slice(y, start, *c).unwrap();
                // By a kernel that reads the slice, too.
                back.push((slice, case.tape.scale(slice, 4.0)));
                start += c.vec4s();
            }
            let keep: Vec<Tensor> = back.iter().map(|b| b.1).chain([y]).collect();
            let done = case.run(gpu, &keep);
            let wanted: Vec<(usize, Vec<f64>)> = list
                .iter()
                .zip(&values)
                .map(|((_, c), v)| (c.logical() as usize, wide(v)))
                .collect();
            assert_exact!(done.read(y), join(shape, &wanted), "{what}");
            for ((slice, times), (_, want)) in back.into_iter().zip(&wanted) {
                assert_exact!(done.read(slice), want, "{what} slice");
                assert_exact!(
                    done.read(times),
                    want.iter().map(|v| 4.0 * v).collect::<Vec<_>>(),
                    "{what} slice times 4"
                );
            }
        }
    }
}

#[test]
fn gradients_are_slices_and_the_adjoint_identity_holds() {
    let Some(gpu) = support::gpu() else { return };
    for lists in
        [[parts(&[3]), parts(&[3])], [parts(&[8]), parts(&[5])], [parts(&[3, 5]), parts(&[2])]]
    {
        let shape = Shape::new(2, 3, 5, 1);
        let len = |c: Channels| (c.logical() * shape.pixels()) as usize;
        let values: Vec<Vec<f32>> =
            (1..).zip(lists).map(|(s, c)| fill::integers(len(c), s, 9)).collect();
        let mut case = Case::new();
        let made: Vec<Tensor> = lists
            .iter()
            .zip(&values)
            .map(|(c, v)| case.input("part", shape.with_channels(*c), v))
            .collect();
        let y = case.tape.concat(&made).unwrap();
        let whole = case.tape.shape(y);
        let dy = fill::integers(whole.elements() as usize, 7, 9);
        let tdy = case.input("dy", whole, &dy);
        // Through a copy: a view of a host tensor is in no plan by itself.
        let gradients: Vec<Tensor> =
            case.backward(y, tdy, &made).into_iter().map(|g| case.tape.copy(g.unwrap())).collect();
        let keep: Vec<Tensor> = gradients.iter().copied().chain([y]).collect();
        let done = case.run(gpu, &keep);
        let got: Vec<(usize, Vec<f64>)> = gradients
            .iter()
            .zip(lists)
            .map(|(g, c)| (c.logical() as usize, wide(&done.read(*g))))
            .collect();
        assert_exact!(dy, join(shape, &got), "{lists:?}");
        let left = dot(&wide(&done.read(y)), &wide(&dy));
        let right: f64 = values.iter().zip(&got).map(|(x, (_, dx))| dot(&wide(x), dx)).sum();
        assert_eq!(left, right);
    }
}

#[test]
fn the_gradient_of_a_slice_lies_between_zeros() {
    let Some(gpu) = support::gpu() else { return };
    for (whole, start, part) in [
        (parts(&[8, 8, 3]), 2, parts(&[8])),
        (parts(&[3, 5]), 0, parts(&[3])),
        (parts(&[3, 5]), 1, parts(&[5])),
        (parts(&[6]), 0, parts(&[6])),
    ] {
        let shape = Shape::new(2, 3, 5, part);
        let dy = fill::reals(shape.elements() as usize, 1, 1.0, 2.0);
        let mut case = Case::new();
        let x = case.input(
            "x",
            shape.with_channels(whole),
            &vec![1.0; (shape.pixels() * whole.logical()) as usize],
        );
        let y = case.tape.slice(x, start, part).unwrap();
        let tdy = case.input("dy", shape, &dy);
        let dx = case.backward(y, tdy, &[x])[0].unwrap();
        let dx = case.tape.copy(dx);
        let done = case.run(gpu, &[dx]);
        let before = (0..).zip(whole.places()).filter(|(_, place)| *place < 4 * start).count();
        let (all, own) = (whole.logical() as usize, part.logical() as usize);
        let mut want = vec![0.0; shape.pixels() as usize * all];
        for (to, from) in want.chunks_mut(all).zip(wide(&dy).chunks(own)) {
            to[before..][..own].copy_from_slice(from);
        }
        assert_eq!(
            done.read(dx),
            want.iter().map(|v| *v as f32).collect::<Vec<_>>(),
            "{whole} from vec4 {start}"
        );
    }
}

#[test]
fn a_concatenation_of_concatenations_is_one() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(2, 3, 5, 3);
    let values: Vec<Vec<f32>> =
        (1..4).map(|s| fill::reals(shape.elements() as usize, s, 1.0, 2.0)).collect();
    let mut case = Case::new();
    let made: Vec<Tensor> = values
        .iter()
        .map(|v| {
            let x = case.input("x", shape, v);
            case.tape.copy(x)
        })
        .collect();
    let inner = case.tape.concat(&made[..2]).unwrap();
    let doubled = case.tape.scale(inner, 2.0);
    let y = case.tape.concat(&[inner, made[2]]).unwrap();
    let done = case.run(gpu, &[y, doubled]);
    let wanted: Vec<(usize, Vec<f64>)> = values.iter().map(|v| (3, wide(v))).collect();
    assert_exact!(done.read(y), join(shape, &wanted), "joined");
    assert_exact!(
        done.read(doubled),
        join(shape, &wanted[..2]).iter().map(|v| 2.0 * v).collect::<Vec<_>>(),
        "used before"
    );
    assert_eq!(done.program.dispatch_count(), 4, "nothing but the copies made here and the scale");
}
