//! channel_sum: `y[c] (+)= sum over pixels of x`, the gradient of a bias.

use crate::support::{
    self, Case, Lay, assert_close, assert_exact, directional, dot, each, fill, parts, rounding,
    wide,
};
use pixtape::ops::ChannelSum;
use pixtape::store::Layout;
use pixtape::{Gpu, Shape, Tensor};

pub fn reference(x: &[f64], c: usize) -> Vec<f64> {
    (0..c).map(|k| x.iter().skip(k).step_by(c).sum()).collect()
}

fn sum(case: &mut Case, x: Tensor) -> Tensor {
    case.tape.channel_sum(x)
}

#[test]
fn sums_of_integers_are_exact_and_sums_of_reals_close() {
    support::reducers().into_iter().for_each(sums);
}

fn sums(gpu: &Gpu) {
    let mut check = |shape: Shape, lay, what: &str| {
        let (len, c) = (shape.elements() as usize, shape.c.logical() as usize);
        for (kind, values) in
            [("integers", fill::integers(len, 1, 9)), ("reals", fill::reals(len, 2, -1.0, 1.5))]
        {
            let mut case = Case::new();
            let x = case.operand("x", shape, &values, lay);
            let y = sum(&mut case, x);
            let keep = [case.result(y, lay)];
            let done = case.run(gpu, &keep);
            let want = reference(&wide(&values), c);
            let what = format!("{what} {kind} on {}", gpu.family());
            match kind {
                "integers" => assert_exact!(done.read(y), want, "{what}"),
                _ => assert_close!(
                    done.read(y),
                    want,
                    rounding("channel_sum", shape.pixels() as usize),
                    "{what}"
                ),
            }
        }
    };
    each("channel_sum", &mut check);
    // Two stages, and workgroups of one to eight columns.
    for shape in [
        Shape::new(1, 70, 71, 1),
        Shape::new(1, 64, 65, parts(&[3, 3])),
        Shape::new(3, 21, 23, 12),
        Shape::new(1, 27, 41, 33),
    ] {
        check(shape, Lay::Strided, &format!("channel_sum {shape}"));
    }
}

#[test]
fn it_is_the_adjoint_of_adding_a_bias() {
    let (c, pixels) = (5, 12);
    let (dy, bias) =
        (wide(&fill::reals(c * pixels, 1, -1.0, 1.0)), wide(&fill::reals(c, 2, -1.0, 1.0)));
    let broadcast = |b: &[f64]| b.iter().cycle().take(c * pixels).copied().collect::<Vec<_>>();
    directional("channel_sum", |b| dot(&broadcast(b), &dy), &bias, &reference(&dy, c));
}

#[test]
fn stored_gradients_are_written_first_and_added_to_then() {
    let shapes = [Shape::new(2, 3, 5, 6), Shape::new(1, 40, 41, 6), Shape::new(1, 64, 65, 6)];
    for (gpu, shape) in
        support::reducers().into_iter().flat_map(|gpu| shapes.map(|shape| (gpu, shape)))
    {
        let [a, b] = [1, 2].map(|stream| fill::integers(shape.elements() as usize, stream, 9));
        let mut case = Case::new();
        let bias = case.param("bias", Layout::Vector(6.into()), &[0.0; 6]);
        let gradient = case.tape.stored(&case.store, bias.param.gradient.unwrap(), "gradient");
        for (values, accumulate) in [(&a, false), (&b, true)] {
            let x = case.input("x", shape, values);
            case.tape.push_into(ChannelSum { accumulate }, &[x], &[gradient], &[]);
        }
        let done = case.run(gpu, &[]);
        let both: Vec<f64> = wide(&a).iter().zip(wide(&b)).map(|(a, b)| a + b).collect();
        assert_exact!(done.gradient(&bias), reference(&both, 6), "{shape} on {}", gpu.family());
        assert!(done.padding_is_zero(&bias));
    }
}
