//! Bicubic resizing, bit for bit Pillow's BICUBIC: the filter is widened when shrinking, rows come
//! before columns, 8-bit images use 22-bit fixed point and are rounded to 8 bits in between.

use super::{Element, Picture};
use crate::{Error, Result};

/// Keys' cubic with a = -0.5, zero from 2 on.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    match x {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

/// For each output index, the first input index it reads and the weights of that and the following
/// ones.
struct Taps<T: Element> {
    first: Vec<usize>,
    /// `count` each, padded with zeros.
    weights: Vec<T::Weight>,
    /// How many are used.
    used: Vec<usize>,
    count: usize,
}

impl<T: Element> Taps<T> {
    fn new(from: u32, to: u32) -> Self {
        let scale = f64::from(from) / f64::from(to);
        let wide = scale.max(1.0);
        let support = 2.0 * wide;
        let count = support.ceil() as usize * 2 + 1;
        let (mut first, mut used, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for place in 0..to {
            let center = (f64::from(place) + 0.5) * scale;
            let low = (center - support + 0.5).max(0.0) as usize;
            let high = ((center + support + 0.5) as usize).min(from as usize);
            let raw: Vec<f64> =
                (low..high).map(|x| cubic((x as f64 - center + 0.5) * (1.0 / wide))).collect();
            let sum: f64 = raw.iter().sum();
            first.push(low);
            used.push(raw.len());
            weights.extend(raw.iter().map(|w| T::weight(if sum == 0.0 { *w } else { w / sum })));
            weights.resize(first.len() * count, T::Weight::default());
        }
        Self { first, weights, used, count }
    }

    fn of(&self, place: usize) -> (usize, &[T::Weight]) {
        (self.first[place], &self.weights[place * self.count..][..self.used[place]])
    }
}

impl<T: Element> Picture<T> {
    /// Bicubic (a = -0.5), widened when shrinking so that it does not alias: Pillow's BICUBIC. An
    /// image that has that size is returned unchanged.
    ///
    /// # Errors
    /// [`Error::Usage`] when a side is 0.
    pub fn resize(self, width: u32, height: u32) -> Result<Self> {
        if width == 0 || height == 0 {
            return Err(Error::Usage(format!(
                "cannot resize {} to {width}x{height}: a side is 0; give positive sizes",
                self.describe()
            )));
        }
        let across = if width == self.width { self } else { self.resize_across(width) };
        Ok(if height == across.height { across } else { across.resize_down(height) })
    }

    fn resize_across(&self, width: u32) -> Self {
        match self.channels {
            1 => self.across::<1>(width),
            3 => self.across::<3>(width),
            4 => self.across::<4>(width),
            n => {
                // Rare: channel by channel keeps it simple.
                let planes: Vec<_> = (0..n).map(|c| self.channel(c).across::<1>(width)).collect();
                Self::stack(&planes.iter().collect::<Vec<_>>()).expect("planes of one size")
            }
        }
    }

    fn across<const C: usize>(&self, width: u32) -> Self {
        let taps = Taps::<T>::new(self.width, width);
        let mut data = vec![T::default(); width as usize * self.height as usize * C];
        for (from, to) in self
            .data
            .chunks_exact(self.width as usize * C)
            .zip(data.chunks_exact_mut(width as usize * C))
        {
            for (place, pixel) in to.chunks_exact_mut(C).enumerate() {
                let (first, weights) = taps.of(place);
                let mut sums = [T::Weight::default(); C];
                for (values, weight) in from[first * C..].chunks_exact(C).zip(weights) {
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum += value.weigh(*weight);
                    }
                }
                pixel.iter_mut().zip(sums).for_each(|(value, sum)| *value = T::round(sum));
            }
        }
        Self { width, height: self.height, channels: self.channels, data }
    }

    fn resize_down(&self, height: u32) -> Self {
        let taps = Taps::<T>::new(self.height, height);
        let row = self.width as usize * self.channels as usize;
        let mut data = vec![T::default(); row * height as usize];
        let mut sums = vec![T::Weight::default(); row];
        for (place, to) in data.chunks_exact_mut(row).enumerate() {
            let (first, weights) = taps.of(place);
            sums.fill(T::Weight::default());
            for (from, weight) in self.data[first * row..].chunks_exact(row).zip(weights) {
                sums.iter_mut().zip(from).for_each(|(sum, value)| *sum += value.weigh(*weight));
            }
            to.iter_mut().zip(&sums).for_each(|(value, sum)| *value = T::round(*sum));
        }
        Self { width: self.width, height, channels: self.channels, data }
    }
}
