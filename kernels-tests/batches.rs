//! join_batches: images one after another, and split_batch, its inverse. Planned away where it can
//! be, copied where not: same results.

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
    /// A concatenation along the channels of a host tensor and a computed one: written in place.
    Concat,
}

fn part(case: &mut Case, from: Origin, shape: Shape, values: &[f32], first: Tensor) -> Tensor {
    match from {
        Origin::Again => first,
        Origin::Neighbour => case.tape.scale(first, 2.0),
        Origin::Slice => case.operand("slice", shape, values, Lay::Strided),
        Origin::Host => case.input("host", shape, values),
        Origin::Node => {
            let x = case.input("x", shape, values);
            // The identity, by a kernel.
            case.tape.act(x, Act::LeakyRelu(1.0))
        }
        Origin::Concat => {
            let c = shape.c.logical() as usize;
            let cut = |from: usize, to: usize| -> Vec<f32> {
                values.chunks(c).flat_map(|pixel| pixel[from..to].to_vec()).collect()
            };
            let halves = [cut(0, c / 2), cut(c / 2, c)];
            let half = shape.with_channels(Channels::new(c as u32 / 2));
            let [a, b] = halves.map(|values| case.input("half", half, &values));
            let b = case.tape.act(b, Act::LeakyRelu(1.0));
            case.tape.concat(&[a, b]).unwrap()
        }
    }
}

#[test]
fn images_lie_in_order_wherever_they_come_from_and_splitting_undoes_it() {
    let Some(gpu) = support::gpu() else { return };
    use Origin::*;
    let lists: [&[(Origin, u32)]; 8] = [
        &[(Node, 1), (Node, 1)],
        &[(Host, 2), (Node, 1)],
        &[(Host, 1), (Host, 3)],
        &[(Node, 2), (Again, 2), (Node, 1)],
        &[(Node, 1), (Neighbour, 1)],
        &[(Slice, 2), (Node, 1), (Host, 1)],
        &[(Concat, 1), (Concat, 2)],
        &[(Node, 3)],
    ];
    for ((h, w, c), list) in [(1, 1, &[8][..]), (5, 7, &[3, 3]), (4, 3, &[8])]
        .into_iter()
        .flat_map(|size| lists.map(|list| (size, list)))
    {
        let what = format!("h{h} w{w} {c:?} {list:?}");
        let shape = |n: u32| Shape::new(n, h, w, parts(c));
        let mut values: Vec<Vec<f32>> = (1..)
            .zip(list)
            .map(|(s, (_, n))| fill::reals(shape(*n).elements() as usize, s, 1.0, 2.0))
            .collect();
        for at in 1..list.len() {
            match list[at].0 {
                Again => values[at] = values[0].clone(),
                Neighbour => values[at] = values[0].iter().map(|v| 2.0 * v).collect(),
                _ => (),
            }
        }
        let mut case = Case::new();
        let mut made: Vec<Tensor> = Vec::new();
        for ((from, n), values) in list.iter().zip(&values) {
            let first = made.first().copied();
            let first = first.unwrap_or_else(|| case.input("unused", shape(*n), values));
            made.push(part(&mut case, *from, shape(*n), values, first));
        }
        let counts: Vec<u32> = list.iter().map(|(_, n)| *n).collect();
        let y = case.tape.join_batches(&made).unwrap();
        let back = case.tape.split_batch(y, &counts).unwrap();
        // By a kernel that reads the part, too.
        let times: Vec<Tensor> = back.iter().map(|part| case.tape.scale(*part, 4.0)).collect();
        let keep: Vec<Tensor> = back.iter().chain(&times).copied().chain([y]).collect();
        let done = case.run(gpu, &keep);
        assert_exact!(done.read(y), wide(&values.concat()), "{what}");
        for ((part, times), values) in back.into_iter().zip(times).zip(&values) {
            assert_exact!(done.read(part), wide(values), "{what} part");
            let want: Vec<f64> = values.iter().map(|v| f64::from(4.0 * v)).collect();
            assert_exact!(done.read(times), want, "{what} part times 4");
        }
    }
}

#[test]
fn gradients_are_parts_and_the_adjoint_identity_holds() {
    let Some(gpu) = support::gpu() else { return };
    for counts in [[1, 1], [2, 1], [1, 3]] {
        let shape = |n: u32| Shape::new(n, 3, 5, parts(&[3, 5]));
        let values: Vec<Vec<f32>> = (1..)
            .zip(counts)
            .map(|(s, n)| fill::integers(shape(n).elements() as usize, s, 9))
            .collect();
        let mut case = Case::new();
        let made: Vec<Tensor> =
            counts.iter().zip(&values).map(|(n, v)| case.input("part", shape(*n), v)).collect();
        let y = case.tape.join_batches(&made).unwrap();
        let whole = case.tape.shape(y);
        let dy = fill::integers(whole.elements() as usize, 7, 9);
        let tdy = case.input("dy", whole, &dy);
        // Through a copy: a view of a host tensor is in no plan by itself.
        let gradients: Vec<Tensor> =
            case.backward(y, tdy, &made).into_iter().map(|g| case.tape.copy(g.unwrap())).collect();
        let keep: Vec<Tensor> = gradients.iter().copied().chain([y]).collect();
        let done = case.run(gpu, &keep);
        let got: Vec<Vec<f32>> = gradients.iter().map(|g| done.read(*g)).collect();
        assert_exact!(got.concat(), wide(&dy), "{counts:?}");
        let left = dot(&wide(&done.read(y)), &wide(&dy));
        let right: f64 = values.iter().zip(&got).map(|(x, dx)| dot(&wide(x), &wide(dx))).sum();
        assert_eq!(left, right);
    }
}

#[test]
fn a_part_that_no_loss_depends_on_has_a_gradient_of_zeros() {
    let Some(gpu) = support::gpu() else { return };
    let shape = |n: u32| Shape::new(n, 3, 5, 6);
    let len = |n: u32| shape(n).elements() as usize;
    let dy = fill::reals(len(2), 1, 1.0, 2.0);
    let mut case = Case::new();
    let x = case.input("x", shape(4), &vec![1.0; len(4)]);
    let batches = case.tape.split_batch(x, &[1, 2, 1]).unwrap();
    let tdy = case.input("dy", shape(2), &dy);
    let dx = case.backward(batches[1], tdy, &[x])[0].unwrap();
    let dx = case.tape.copy(dx);
    let done = case.run(gpu, &[dx]);
    let zeros = vec![0.0; len(1)];
    assert_eq!(done.read(dx), [&zeros[..], &dy, &zeros].concat());
}

#[test]
fn pairs_of_one_batch_are_written_where_they_are_read() {
    let Some(gpu) = support::gpu() else { return };
    let shape = Shape::new(1, 4, 4, 3);
    let mut case = Case::new();
    let mut made = |seed: u32| {
        let x = case.input("x", shape, &fill::reals(shape.elements() as usize, seed, 1.0, 2.0));
        case.tape.copy(x)
    };
    let (a, b, c, d) = (made(1), made(2), made(3), made(4));
    let pairs = [case.tape.concat(&[a, b]).unwrap(), case.tape.concat(&[c, d]).unwrap()];
    let y = case.tape.join_batches(&pairs).unwrap();
    let doubled = case.tape.scale(y, 2.0);
    let done = case.run(gpu, &[doubled]);
    assert_eq!(done.program.dispatch_count(), 5, "nothing but the copies made here and the scale");
}
