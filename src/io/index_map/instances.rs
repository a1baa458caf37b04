//! Instance maps from label maps: connected components, numbered as Cityscapes' are.

use super::IndexMap;
use crate::{Error, Result};

/// Numbers per class: instance `k` of class `c` is `c * PER_CLASS + k`; what is no instance has the
/// number of its class.
pub const PER_CLASS: u32 = 1000;

/// Which pixels are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// Those that share a side.
    Four,
    /// Those that share a side or a corner.
    Eight,
}

/// A connected component of equal indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// The index of its pixels.
    pub index: u32,
    /// How many they are.
    pub pixels: u32,
}

/// The number of instance `k` of a class.
///
/// # Errors
/// [`Error::Usage`] for class 0, whose instances would have the numbers of other classes, and for
/// more than [`PER_CLASS`] of a class.
pub fn instance_number(class: u32, k: u32) -> Result<u32> {
    if class == 0 {
        let why = "class 0 cannot have instances: their numbers would be those of other classes";
        return Err(Error::Usage(why.into()));
    }
    if k >= PER_CLASS {
        let why =
            format!("class {class} has more than {PER_CLASS} instances, which its numbers end at");
        return Err(Error::Usage(why));
    }
    class
        .checked_mul(PER_CLASS)
        .and_then(|number| number.checked_add(k))
        .ok_or_else(|| Error::Usage(format!("class {class} is too large for an instance's number")))
}

impl IndexMap {
    /// The connected components of equal indices, in the order of their first pixels row by row,
    /// and the number of each pixel's in that order.
    pub fn components(&self, connectivity: Connectivity) -> (Vec<Component>, Vec<u32>) {
        let (w, h) = (self.width as usize, self.height as usize);
        // Of each pixel one before it in its component, at last the component's first.
        let mut before: Vec<u32> = (0..self.data.len() as u32).collect();
        for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
            let at = y * w + x;
            let mut join = |with: usize| {
                if self.data[with] == self.data[at] {
                    let [a, b] = [with, at].map(|pixel| first(&mut before, pixel as u32));
                    before[a.max(b) as usize] = a.min(b);
                }
            };
            if x > 0 {
                join(at - 1);
            }
            if y > 0 {
                join(at - w);
                if connectivity == Connectivity::Eight {
                    (x > 0).then(|| join(at - w - 1));
                    (x + 1 < w).then(|| join(at - w + 1));
                }
            }
        }
        let (mut all, mut numbers) = (Vec::new(), Vec::with_capacity(self.data.len()));
        for (at, index) in (0..).zip(&self.data) {
            let first = first(&mut before, at);
            if first == at {
                numbers.push(all.len() as u32);
                all.push(Component { index: *index, pixels: 0 });
            } else {
                numbers.push(numbers[first as usize]);
            }
            all[numbers[at as usize] as usize].pixels += 1;
        }
        (all, numbers)
    }

    /// An instance map of a label map: components of the classes that are `things` are instances,
    /// `class * 1000 + k` in the order of their first pixels; other pixels, and components of fewer
    /// than `least` pixels, have the number of their class. Also returns how many instances there
    /// are.
    ///
    /// # Errors
    /// [`Error::Usage`] for a class from 1000 on, and as [`instance_number`].
    pub fn instances(
        &self,
        things: impl Fn(u32) -> bool,
        least: u32,
        connectivity: Connectivity,
    ) -> Result<(IndexMap, usize)> {
        if let Some(class) = self.data.iter().find(|class| **class >= PER_CLASS) {
            let why = format!("class {class}: numbers of classes end at {}", PER_CLASS - 1);
            return Err(Error::Usage(why));
        }
        let (components, numbers) = self.components(connectivity);
        let mut counts = [0; PER_CLASS as usize];
        let mut number = |Component { index: class, pixels }: &Component| {
            if !things(*class) || *pixels < least {
                return Ok(*class);
            }
            let count = &mut counts[*class as usize];
            *count += 1;
            instance_number(*class, *count - 1)
        };
        let ids = components.iter().map(&mut number).collect::<Result<Vec<u32>>>()?;
        let data = numbers.into_iter().map(|at| ids[at as usize]).collect();
        let instances = counts.iter().map(|count| *count as usize).sum();
        Ok((IndexMap { width: self.width, height: self.height, data }, instances))
    }
}

/// The first pixel of a pixel's component as far as it is known; halves the way there.
fn first(before: &mut [u32], mut pixel: u32) -> u32 {
    while before[pixel as usize] != pixel {
        before[pixel as usize] = before[before[pixel as usize] as usize];
        pixel = before[pixel as usize];
    }
    pixel
}
