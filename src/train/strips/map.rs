//! Maps between the parts of a network, on the host, and the statistics of norms.

use crate::ops::BatchNorm;
use crate::shape::Channels;
use std::ops::Range;

/// A tensor `[1, h, w, c]` on the host, as it lies on the device.
#[derive(Debug)]
pub(super) struct Map {
    pub height: u32,
    pub width: u32,
    pub channels: Channels,
    pub data: Vec<f32>,
}

/// Mean and biased variance of a norm's input, channel by channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moments {
    pub mean: Vec<f64>,
    pub var: Vec<f64>,
}

impl Map {
    pub fn new(height: u32, width: u32, channels: Channels) -> Map {
        Map {
            height,
            width,
            channels,
            data: vec![0.0; height as usize * width as usize * channels.physical() as usize],
        }
    }

    /// A map of values without padding.
    pub fn of(values: &[f32], height: u32, width: u32, channels: Channels) -> Map {
        let mut map = Map::new(height, width, channels);
        let places: Vec<usize> = channels.places().map(|p| p as usize).collect();
        let pixels = map.data.chunks_exact_mut(channels.physical() as usize);
        for (to, from) in pixels.zip(values.chunks_exact(places.len())) {
            places.iter().zip(from).for_each(|(place, value)| to[*place] = *value);
        }
        map
    }

    /// The values without padding.
    pub fn values(&self) -> Vec<f32> {
        let places: Vec<usize> = self.channels.places().map(|p| p as usize).collect();
        let pixels = self.data.chunks_exact(self.channels.physical() as usize);
        pixels.flat_map(|pixel| places.iter().map(|&p| pixel[p])).collect()
    }

    /// Where some rows lie.
    pub fn rows(&self, rows: Range<u32>) -> Range<usize> {
        let row = self.width as usize * self.channels.physical() as usize;
        rows.start as usize * row..rows.end as usize * row
    }

    /// In two passes over all pixels, in order.
    pub fn moments(&self) -> Moments {
        let places: Vec<usize> = self.channels.places().map(|p| p as usize).collect();
        let count = f64::from(self.height) * f64::from(self.width);
        let mean_of = |value: &dyn Fn(usize, f32) -> f64| -> Vec<f64> {
            let mut sums = vec![0f64; self.channels.physical() as usize];
            for pixel in self.data.chunks_exact(sums.len()) {
                for (lane, v) in pixel.iter().enumerate() {
                    sums[lane] += value(lane, *v);
                }
            }
            sums.iter().map(|s| s / count).collect()
        };
        let means = mean_of(&|_, v| f64::from(v));
        let vars = mean_of(&|lane, v| (f64::from(v) - means[lane]).powi(2));
        let pick = |all: &[f64]| places.iter().map(|&p| all[p]).collect();
        Moments { mean: pick(&means), var: pick(&vars) }
    }
}

impl Moments {
    /// As the kernel that applies a norm takes them: means, then `1 / sqrt(var + eps)`.
    pub fn rows(&self) -> Vec<f32> {
        let eps = f64::from(BatchNorm::default().eps);
        self.mean
            .iter()
            .map(|m| *m as f32)
            .chain(self.var.iter().map(|v| (1.0 / (v + eps).sqrt()) as f32))
            .collect()
    }

    /// With a share `keep` of what was before.
    pub fn blend(&self, before: &Moments, keep: f64) -> Moments {
        let mix = |new: &[f64], old: &[f64]| {
            new.iter().zip(old).map(|(n, o)| keep * o + (1.0 - keep) * n).collect()
        };
        Moments { mean: mix(&self.mean, &before.mean), var: mix(&self.var, &before.var) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_of_the_channels_only_and_blend() {
        let map = Map::of(&[1.0, 2.0, 3.0, 3.0, 2.0, 7.0], 1, 2, 3.into());
        assert_eq!(map.data, [1.0, 2.0, 3.0, 0.0, 3.0, 2.0, 7.0, 0.0]);
        assert_eq!(map.values(), [1.0, 2.0, 3.0, 3.0, 2.0, 7.0]);
        let moments = map.moments();
        assert_eq!(
            (moments.mean.as_slice(), moments.var.as_slice()),
            (&[2.0, 2.0, 5.0][..], &[1.0, 0.0, 4.0][..])
        );
        let zero = Moments { mean: vec![0.0; 3], var: vec![0.0; 3] };
        assert_eq!(moments.blend(&zero, 0.75).mean, [0.5, 0.5, 1.25]);
    }
}
