//! Clusters of vectors: k-means, by Lloyd's iterations from centres chosen as k-means++ does
//! (Arthur and Vassilvitskii, 2007).

use crate::rng::{fold_seed, random};

/// Beginnings that are tried; the one whose clusters are tightest counts.
const TRIES: u32 = 10;
/// Iterations at most. Rounding could keep a point going to and fro between two centres.
const ITERATIONS: usize = 300;

/// A cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The mean of its vectors.
    pub centre: Vec<f32>,
    /// How many they are.
    pub members: usize,
}

/// Clusters of `rows`, which have one length: `k` of them, or as many as there are different rows.
/// The largest comes first, then by its centre. The same rows in the same order and the same seed
/// give the same bits.
pub fn k_means(rows: &[Vec<f32>], k: usize, seed: u64) -> Vec<Cluster> {
    let rows: Vec<Vec<f64>> =
        rows.iter().map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect();
    let mut best: Option<(f64, Vec<Cluster>)> = None;
    let tries = if k == 0 { 0 } else { TRIES };
    for attempt in 0..tries {
        let mut number = 0;
        let mut share = || {
            let [a, b, ..] = random(number, attempt, 0, fold_seed(seed));
            number += 1;
            (f64::from(a) + f64::from(b) / 4_294_967_296.0) / 4_294_967_296.0
        };
        let found = refined(&rows, beginning(&rows, k, &mut share));
        if best.as_ref().is_none_or(|(spread, _)| found.0 < *spread) {
            best = Some(found);
        }
    }
    let mut clusters = best.map(|(_, clusters)| clusters).unwrap_or_default();
    clusters.sort_by(|a, b| {
        let values = a.centre.iter().zip(&b.centre).map(|(a, b)| a.total_cmp(b));
        let by_centre = values.fold(std::cmp::Ordering::Equal, |order, next| order.then(next));
        b.members.cmp(&a.members).then(by_centre)
    });
    clusters
}

/// Rows to begin with: each is drawn with a chance that grows with the square of its distance from
/// those before. `share`: the next number from 0 to 1.
fn beginning(rows: &[Vec<f64>], k: usize, share: &mut dyn FnMut() -> f64) -> Vec<Vec<f64>> {
    let mut centres: Vec<Vec<f64>> = Vec::new();
    let mut weights = vec![1.0; rows.len()];
    while centres.len() < k {
        let target = share() * weights.iter().sum::<f64>();
        let mut sum = 0.0;
        let reached = weights.iter().position(|weight| {
            sum += weight;
            *weight > 0.0 && sum > target
        });
        // Rounding may leave the target at the very end; without weights no row is a new one.
        let last = || weights.iter().rposition(|weight| *weight > 0.0);
        let Some(at) = reached.or_else(last) else { break };
        centres.push(rows[at].clone());
        let first = centres.len() == 1;
        for (weight, row) in weights.iter_mut().zip(rows) {
            let new = distance(row, &rows[at]);
            *weight = if first { new } else { weight.min(new) };
        }
    }
    centres
}

/// Lloyd's iterations until no row changes its cluster: the sum of the squared distances, and the
/// clusters. One that has lost its rows is left out.
fn refined(rows: &[Vec<f64>], mut centres: Vec<Vec<f64>>) -> (f64, Vec<Cluster>) {
    let mut of: Vec<usize> = Vec::new();
    for _ in 0..ITERATIONS {
        let now: Vec<usize> = rows.iter().map(|row| nearest(row, &centres)).collect();
        if now == of {
            break;
        }
        of = now;
        for (at, centre) in centres.iter_mut().enumerate() {
            if let Some(mean) = mean(members(rows, &of, at)) {
                *centre = mean;
            }
        }
    }
    let spread = rows.iter().zip(&of).map(|(row, at)| distance(row, &centres[*at])).sum();
    let clusters = centres.iter().enumerate().map(|(at, centre)| Cluster {
        centre: centre.iter().map(|v| *v as f32).collect(),
        members: members(rows, &of, at).count(),
    });
    (spread, clusters.filter(|cluster| cluster.members > 0).collect())
}

fn members<'a>(
    rows: &'a [Vec<f64>],
    of: &'a [usize],
    cluster: usize,
) -> impl Iterator<Item = &'a Vec<f64>> {
    rows.iter().zip(of).filter(move |(_, at)| **at == cluster).map(|(row, _)| row)
}

fn mean<'a>(rows: impl Iterator<Item = &'a Vec<f64>>) -> Option<Vec<f64>> {
    let mut count = 0.0;
    let sum = rows.fold(None::<Vec<f64>>, |sum, row| {
        count += 1.0;
        Some(match sum {
            None => row.clone(),
            Some(sum) => sum.iter().zip(row).map(|(a, b)| a + b).collect(),
        })
    });
    sum.map(|sum| sum.iter().map(|v| v / count).collect())
}

/// The first of the nearest centres.
fn nearest(row: &[f64], centres: &[Vec<f64>]) -> usize {
    let distances = centres.iter().map(|centre| distance(row, centre)).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(at, _)| at)
}

/// The square of a distance.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows around some centres, as many around each as the last number says, in turn.
    fn around(centres: &[([f32; 2], usize)]) -> Vec<Vec<f32>> {
        let most = centres.iter().map(|c| c.1).max().unwrap_or(0);
        let offset = |i: usize| [(i % 3) as f32 - 1.0, (i / 3 % 3) as f32 - 1.0].map(|v| v / 64.0);
        (0..most)
            .flat_map(|i| centres.iter().filter(move |c| i < c.1).map(move |c| (i, c.0)))
            .map(|(i, [x, y])| vec![x + offset(i)[0], y + offset(i)[1]])
            .collect()
    }

    #[test]
    fn clusters_that_are_apart_are_found_whatever_the_seed() {
        let rows = around(&[([0.0, 0.0], 9), ([1.0, -1.0], 27), ([-1.0, 0.5], 18)]);
        for seed in 0..20 {
            let found = k_means(&rows, 3, seed);
            // Offsets of nine rows sum to 0, and all of it is exact in binary.
            let wanted = [([1.0, -1.0], 27), ([-1.0, 0.5], 18), ([0.0, 0.0], 9)];
            let wanted = wanted.map(|(c, members)| Cluster { centre: c.to_vec(), members });
            assert_eq!(found, wanted, "seed {seed}");
        }
    }

    #[test]
    fn one_cluster_is_the_mean_and_equal_rows_are_one_cluster() {
        let rows = vec![vec![1.0, 2.0], vec![3.0, 6.0], vec![5.0, 1.0]];
        assert_eq!(k_means(&rows, 1, 7), [Cluster { centre: vec![3.0, 3.0], members: 3 }]);
        let twice = [rows.clone(), rows.clone()].concat();
        let found = k_means(&twice, 10, 7);
        let centres: Vec<Vec<f32>> = found.iter().map(|c| c.centre.clone()).collect();
        assert_eq!(centres, rows);
        assert!(found.iter().all(|cluster| cluster.members == 2));
        assert_eq!(k_means(&[], 3, 0), []);
        assert_eq!(k_means(&rows, 0, 0), []);
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_and_every_row_is_in_a_cluster() {
        let value = |i: u32, j: u32| (random(i, j, 1, 2)[0] >> 8) as f32 / (1 << 24) as f32;
        let rows: Vec<Vec<f32>> = (0..300).map(|i| (0..3).map(|j| value(i, j)).collect()).collect();
        let found = k_means(&rows, 10, 5);
        assert_eq!(found, k_means(&rows, 10, 5));
        assert_eq!(found.iter().map(|cluster| cluster.members).sum::<usize>(), 300);
        assert_eq!(found.len(), 10);
        // Each centre is the mean of the rows that are nearest to it.
        let centres: Vec<Vec<f64>> =
            found.iter().map(|c| c.centre.iter().map(|v| f64::from(*v)).collect()).collect();
        let wide: Vec<Vec<f64>> =
            rows.iter().map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect();
        for (at, centre) in centres.iter().enumerate() {
            let own = wide.iter().filter(|row| nearest(row, &centres) == at);
            let mean = mean(own).expect("no cluster is empty");
            assert!(distance(&mean, centre).sqrt() < 1e-6, "{mean:?} and {centre:?}");
        }
    }
}
