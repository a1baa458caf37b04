//! Pictures of any size: laid onto sides that pass the net, with their reflection around them, and cut out of the result again.

use crate::error::Result;
use crate::io::Picture;

/// Where a picture lies on a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Size of the larger one: multiples of what the net asks for.
    pub size: (u32, u32),
    /// Size of the picture.
    pub inner: (u32, u32),
    at: (u32, u32),
}

impl Frame {
    /// The smallest frame with sides that are multiples of `multiple`; the picture lies in its middle.
    pub fn around(inner: (u32, u32), multiple: u32) -> Frame {
        let side = |side: u32| side.next_multiple_of(multiple);
        let size = (side(inner.0), side(inner.1));
        Frame { size, inner, at: ((size.0 - inner.0) / 2, (size.1 - inner.1) / 2) }
    }

    /// Whether there is anything around the picture.
    pub fn is_larger(&self) -> bool {
        self.size != self.inner
    }

    /// Puts a picture into the frame.
    pub fn pad(&self, picture: Picture) -> Result<Picture> {
        if !self.is_larger() {
            return Ok(picture);
        }
        let c = picture.channels as usize;
        let columns: Vec<usize> = (0..self.size.0).map(|x| c * reflected(x, self.at.0, self.inner.0)).collect();
        let row = self.inner.0 as usize * c;
        let mut data = Vec::with_capacity(self.size.0 as usize * self.size.1 as usize * c);
        for y in 0..self.size.1 {
            let from = &picture.data[reflected(y, self.at.1, self.inner.1) * row..][..row];
            columns.iter().for_each(|&at| data.extend_from_slice(&from[at..at + c]));
        }
        Picture::new(self.size.0, self.size.1, picture.channels, data)
    }

    /// Cuts the picture out again.
    pub fn crop(&self, picture: Picture) -> Result<Picture> {
        if self.is_larger() { picture.crop(self.at.0, self.at.1, self.inner.0, self.inner.1) } else { Ok(picture) }
    }
}

/// The place within `0..side` that place `i` shows of an endless row of reflections that begins at `start`; edges are not repeated.
fn reflected(i: u32, start: u32, side: u32) -> usize {
    let last = i64::from(side) - 1;
    if last == 0 {
        return 0;
    }
    let within = (i64::from(i) - i64::from(start)).rem_euclid(2 * last);
    within.min(2 * last - within) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_around_is_the_reflection_and_comes_off_again() {
        let picture = Picture::new(3, 1, 1, vec![1, 2, 3]).unwrap();
        let frame = Frame::around((3, 1), 8);
        assert_eq!((frame.size, frame.is_larger()), ((8, 8), true));
        let padded = frame.pad(picture.clone()).unwrap();
        assert_eq!(padded.data[..8], [3, 2, 1, 2, 3, 2, 1, 2]);
        assert_eq!(padded.data[56..], padded.data[..8]);
        assert_eq!(frame.crop(padded).unwrap(), picture);
        assert!(!Frame::around((16, 8), 8).is_larger());
    }
}
