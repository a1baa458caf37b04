//! Weights of a network that was never trained.

use super::fill;
use pixtape::nets::Weights;
use pixtape::store::Param;
use pixtape::{Gpu, Store};

/// Draws weights that keep activations near 1, and running statistics that are no identity, writes
/// them, and gives them in order.
pub fn draw<'a>(gpu: &Gpu, store: &Store, weights: &'a Weights) -> Vec<(&'a Param, Vec<f32>)> {
    let drawn: Vec<_> =
        (0..).zip(weights.params()).map(|(stream, param)| (param, values(param, stream))).collect();
    for (param, values) in &drawn {
        store.write(gpu, param.value, &param.layout, values).unwrap();
    }
    drawn
}

fn values(param: &Param, stream: u32) -> Vec<f32> {
    let (shape, count) = (param.layout.public_shape(), param.layout.elements());
    let ending = param.name.rsplit('.').next().unwrap();
    match (ending, shape.len()) {
        ("weight", 4) => {
            let fan_in = shape[1..].iter().product::<usize>() as f32;
            let by = (3.0 / fan_in).sqrt();
            fill::reals(count, stream, -by, by)
        }
        ("weight" | "running_var", _) => fill::reals(count, stream, 0.5, 1.5),
        _ => fill::reals(count, stream, -0.5, 0.5),
    }
}
