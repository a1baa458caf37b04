//! Images of RGBA bytes in the caller's memory.

use crate::PIXTAPE_MAX_SIDE;
use crate::error::argument;
use crate::pointer::bytes;
use engine::Result;
use engine::io::Picture;

/// Bytes of a pixel.
pub(crate) const PIXEL: usize = 4;

/// Refuses sizes that no image has.
pub(crate) fn check_size((width, height): (u32, u32)) -> Result<()> {
    for (name, side) in [("width", width), ("height", height)] {
        if side == 0 || side > PIXTAPE_MAX_SIDE {
            return Err(argument(
                name,
                &format!("{side}: an image has 1 to {PIXTAPE_MAX_SIDE} pixels a side"),
            ));
        }
    }
    Ok(())
}

/// Where rows lie in a buffer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Rows {
    /// Bytes of the pixels of a row.
    pub row: usize,
    /// Bytes from the beginning of a row to that of the next.
    pub stride: usize,
    pub height: usize,
}

impl Rows {
    /// Of an image in a buffer of `size` bytes. A stride of 0 is that of rows without a gap.
    pub fn new(
        name: &str,
        (width, height): (u32, u32),
        stride: usize,
        size: usize,
    ) -> Result<Rows> {
        let (row, height) = (width as usize * PIXEL, height as usize);
        let stride = if stride == 0 { row } else { stride };
        if stride < row {
            let why = format!(
                "{stride}: a row of {width} pixels has {row} bytes; give that or more, or 0"
            );
            return Err(argument(&format!("{name}_stride"), &why));
        }
        // The last row ends with its pixels.
        let needed = (height - 1).checked_mul(stride).and_then(|n| n.checked_add(row));
        match needed {
            Some(needed) if needed <= size => Ok(Rows { row, stride, height }),
            _ => {
                let needed = needed.map_or("more than memory can hold".into(), |n| n.to_string());
                let why = format!(
                    "{size}: {width}x{height} pixels, {stride} bytes from row to row, take \
                     {needed} bytes"
                );
                Err(argument(&format!("{name}_size"), &why))
            }
        }
    }

    /// Copies the pixels out.
    ///
    /// # Safety
    /// `data` is NULL, or has the bytes that [`new`](Self::new) was told of, which nothing writes
    /// meanwhile.
    pub unsafe fn read(&self, name: &str, data: *const u8, size: (u32, u32)) -> Result<Picture> {
        let length = (self.height - 1) * self.stride + self.row;
        // SAFETY: the caller's promise; `new` has seen that it has so many bytes.
        let all = unsafe { bytes(name, data, length) }?;
        let mut pixels = Vec::with_capacity(self.row * self.height);
        all.chunks(self.stride).for_each(|row| pixels.extend_from_slice(&row[..self.row]));
        Picture::new(size.0, size.1, PIXEL as u32, pixels)
    }

    /// Copies pixels in; what lies between rows stays.
    ///
    /// # Safety
    /// `data` has the bytes that [`new`](Self::new) was told of, which nothing else uses meanwhile.
    pub unsafe fn write(&self, data: *mut u8, pixels: &[u8]) {
        assert_eq!(pixels.len(), self.row * self.height);
        for (at, row) in pixels.chunks(self.row).enumerate() {
            // SAFETY: the caller's promise; `new` has seen that the last row ends inside. By
            // pointers, since the caller's memory need not be initialised.
            unsafe { data.add(at * self.stride).copy_from_nonoverlapping(row.as_ptr(), row.len()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_that_are_too_small_and_sizes_that_overflow_are_refused() {
        check_size((1, PIXTAPE_MAX_SIDE)).unwrap();
        for size in [(0, 1), (1, 0), (PIXTAPE_MAX_SIDE + 1, 1), (1, u32::MAX)] {
            assert!(check_size(size).unwrap_err().to_string().contains("1 to 65536 pixels"));
        }
        let rows = |stride, size| Rows::new("input", (3, 2), stride, size);
        assert_eq!(rows(0, 24).unwrap(), Rows { row: 12, stride: 12, height: 2 });
        assert_eq!(rows(20, 32).unwrap(), Rows { row: 12, stride: 20, height: 2 });
        let refused = |stride, size| rows(stride, size).unwrap_err().to_string();
        assert!(refused(11, 99).contains("`input_stride` 11: a row of 3 pixels has 12 bytes"));
        assert!(refused(0, 23).contains("`input_size` 23: 3x2 pixels"));
        assert!(refused(20, 31).contains("20 bytes from row to row, take 32 bytes"));
        assert!(refused(usize::MAX, usize::MAX).contains("more than memory can hold"));
        assert!(Rows::new("input", (1, 3), usize::MAX / 2 + 1, usize::MAX).is_err());
    }

    #[test]
    fn rows_are_copied_and_gaps_stay() {
        let rows = Rows::new("a", (1, 2), 6, 10).unwrap();
        let from = [1, 2, 3, 4, 9, 9, 5, 6, 7, 8];
        // SAFETY: ten bytes, as `new` was told.
        let picture = unsafe { rows.read("a", from.as_ptr(), (1, 2)) }.unwrap();
        assert_eq!(picture.data, [1, 2, 3, 4, 5, 6, 7, 8]);
        let mut to = [0_u8; 10];
        // SAFETY: ten bytes, as `new` was told.
        unsafe { rows.write(to.as_mut_ptr(), &picture.data) };
        assert_eq!(to, [1, 2, 3, 4, 0, 0, 5, 6, 7, 8]);
    }
}
