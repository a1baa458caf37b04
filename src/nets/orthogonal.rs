//! Orthogonal initial weights, on the host: normal values made orthogonal column by column (Gram
//! and Schmidt, modified), in f64.

use crate::ops::InitNormal;
use crate::store::Param;

/// Orthogonal initial weights, from each one's stream of the seed. Layers are shared out among
/// threads: what one draws does not depend on another.
pub(super) fn all(weights: Vec<(&Param, u32)>, gain: f32, seed: u32) -> Vec<(&Param, Vec<f32>)> {
    let threads =
        std::thread::available_parallelism().map_or(1, usize::from).min(weights.len().max(1));
    let make = |&(param, stream): &(&Param, u32)| {
        let shape = param.layout.public_shape();
        let draw = InitNormal { layout: param.layout, mean: 0.0, std: 1.0, stream };
        let values = (0..param.layout.elements() as u32).map(|i| draw.value(i, seed)).collect();
        orthogonal(values, shape[0], gain)
    };
    // A browser has no threads, and one thread needs no other.
    if threads == 1 {
        return weights.iter().map(|w| (w.0, make(w))).collect();
    }
    // Dealt out in turn: the large layers are neighbours.
    let mut made: Vec<Option<Vec<f32>>> = vec![None; weights.len()];
    std::thread::scope(|scope| {
        let share = |first: usize| weights.iter().enumerate().skip(first).step_by(threads);
        let workers: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn(move || share(first).map(|(at, w)| (at, make(w))).collect::<Vec<_>>())
            })
            .collect();
        for (at, values) in
            workers.into_iter().flat_map(|w| w.join().expect("no panic in arithmetic"))
        {
            made[at] = Some(values);
        }
    });
    weights
        .into_iter()
        .zip(made)
        .map(|((param, _), values)| (param, values.expect("every layer was dealt out")))
        .collect()
}

/// A matrix of `rows` rows (row by row): its rows orthogonal where there are fewer of them than
/// columns, else its columns; of length `gain`. What PyTorch's `orthogonal_` gives from the same
/// normal values: its QR with positive diagonal is what Gram and Schmidt find.
fn orthogonal(values: Vec<f64>, rows: usize, gain: f32) -> Vec<f32> {
    let columns = values.len() / rows;
    let transposed = rows > columns;
    // Vectors one after another.
    let mut vectors = if transposed { transpose(&values, columns) } else { values };
    let length = rows.max(columns);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    for at in 0..vectors.len() / length {
        let (done, rest) = vectors.split_at_mut((at + 1) * length);
        let this = &mut done[at * length..];
        let norm = dot(this, this).sqrt();
        this.iter_mut().for_each(|v| *v /= norm);
        for other in rest.chunks_mut(length) {
            let along = dot(this, other);
            other.iter_mut().zip(this.iter()).for_each(|(o, t)| *o -= along * t);
        }
    }
    let back = if transposed { transpose(&vectors, length) } else { vectors };
    back.into_iter().map(|v| (f64::from(gain) * v) as f32).collect()
}

/// Element `[i, j]` of a matrix with `columns` columns becomes `[j, i]`.
fn transpose(values: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|j| values.iter().skip(j).step_by(columns).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Layout, Store};
    use approx::abs_diff_eq;

    #[test]
    fn the_shorter_side_is_orthogonal_and_the_seed_decides() {
        let mut store = Store::new();
        let layouts = [
            Layout::Conv { ci: 3.into(), co: 8, kernel: 4 },
            Layout::ConvTranspose { ci: 96.into(), co: 2, kernel: 4 },
            Layout::Conv { ci: 64.into(), co: 64, kernel: 1 },
        ];
        let params: Vec<Param> = layouts.iter().map(|l| store.param("N", "w", *l)).collect();
        let made =
            |seed| all((7..).zip(&params).map(|(stream, p)| (p, stream)).collect(), 0.5, seed);
        for (param, values) in made(1) {
            let (rows, columns) = (
                param.layout.public_shape()[0],
                param.layout.elements() / param.layout.public_shape()[0],
            );
            let at = |vector: usize, k: usize| {
                f64::from(if rows <= columns {
                    values[vector * columns + k]
                } else {
                    values[k * columns + vector]
                })
            };
            for i in 0..rows.min(columns) {
                for j in 0..=i {
                    let product: f64 = (0..rows.max(columns)).map(|k| at(i, k) * at(j, k)).sum();
                    let want = if i == j { 0.25 } else { 0.0 };
                    assert!(
                        abs_diff_eq!(product, want, epsilon = 1e-6),
                        "{rows}x{columns}: vectors {i} and {j}: {product}"
                    );
                }
            }
        }
        let values = |seed| made(seed).into_iter().map(|(_, v)| v).collect::<Vec<_>>();
        assert!(values(1) == values(1) && values(1) != values(2));
    }
}
