//! TensorBoard's event files: records of one protocol buffer each. The needed parts of both formats
//! are small enough to write here.
//!
//! A record is the length (u64), a checksum of it, the bytes, a checksum of them; all
//! little-endian, checksums are CRC-32C, rotated and offset. The messages are Event and Summary of
//! tensorflow/core; the numbers below are their fields'.

use pixtape::io::{Append, Picture, create_dir};
use pixtape::session::{Event, Observer, Validated};
use pixtape::train::Rates;
use pixtape::{Error, Result};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// An event file that is written to.
#[derive(Debug)]
pub(crate) struct Board {
    file: Append,
    /// Learning rates of the last step.
    rates: Option<Rates>,
}

impl Board {
    /// Starts a file in a folder for a run at `step`; later steps in older files no longer count.
    pub fn open(folder: &Path, step: u64) -> Result<Board> {
        create_dir(folder)?;
        let path = folder.join(format!(
            "events.out.tfevents.{:010}.{}.pixtape",
            now() as u64,
            std::process::id()
        ));
        let mut board = Board { file: Append::open(&path)?, rates: None };
        let mut version = Proto::event(now(), 0);
        version.bytes_field(3, b"brain.Event:2");
        board.write(version)?;
        // SessionLog with status START.
        let mut start = Proto::event(now(), step + 1);
        start.bytes_field(7, &[0x08, 1]);
        board.write(start)?;
        Ok(board)
    }

    /// Adds the values of a step.
    fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        self.write(scalars(now(), step, values))
    }

    /// Adds an image of a step, from a PNG file.
    fn picture(&mut self, step: u64, tag: &str, png: &Path) -> Result<()> {
        let (width, height) = Picture::dimensions(png)?;
        let bytes =
            std::fs::read(png).map_err(|e| Error::file(png, format!("cannot be read: {e}")))?;
        let mut image = Proto::default();
        image.number_field(1, height.into());
        image.number_field(2, width.into());
        // RGB; TensorBoard itself looks at the PNG.
        image.number_field(3, 3);
        image.bytes_field(4, &bytes);
        let mut value = Proto::default();
        value.bytes_field(1, tag.as_bytes());
        value.bytes_field(4, &image.0);
        let mut summary = Proto::default();
        summary.bytes_field(1, &value.0);
        let mut event = Proto::event(now(), step);
        event.bytes_field(5, &summary.0);
        self.write(event)
    }

    /// Flushes the file, so that TensorBoard sees it.
    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }

    fn write(&mut self, message: Proto) -> Result<()> {
        self.file.push(&record(&message.0))
    }
}

impl Observer for Board {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Losses { losses, .. } => {
                let values: Vec<(&str, f64)> =
                    losses.named.iter().map(|(n, v)| (*n, f64::from(*v))).collect();
                self.scalars(losses.step, &values)
            }
            Event::Step(step) => {
                self.rates = Some(step.rates);
                Ok(())
            }
            Event::Samples { step, path, .. } => {
                self.picture(*step, "samples", path)?;
                let Some(rates) = self.rates else { return Ok(()) };
                let values = [("learning_rate/G", rates.g), ("learning_rate/D", rates.d)];
                self.scalars(*step, &values)
            }
            Event::Validated(Validated { step, mean, .. }) => self.scalars(
                *step,
                &[("val/L1", mean.l1), ("val/PSNR", mean.psnr), ("val/SSIM", mean.ssim)],
            ),
            Event::EpochEnded { .. } | Event::Ended(_) => self.flush(),
            _ => Ok(()),
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn scalars(time: f64, step: u64, values: &[(&str, f64)]) -> Proto {
    let mut summary = Proto::default();
    for (tag, number) in values {
        let mut value = Proto::default();
        value.bytes_field(1, tag.as_bytes());
        value.float_field(2, *number as f32);
        summary.bytes_field(1, &value.0);
    }
    let mut event = Proto::event(time, step);
    event.bytes_field(5, &summary.0);
    event
}

/// A protocol buffer that is being written.
#[derive(Default)]
struct Proto(Vec<u8>);

impl Proto {
    fn event(time: f64, step: u64) -> Proto {
        let mut event = Proto::default();
        event.0.push(1 << 3 | 1);
        event.0.extend(time.to_le_bytes());
        event.number_field(2, step);
        event
    }

    fn varint(&mut self, mut number: u64) {
        while number > 127 {
            self.0.push(number as u8 | 128);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number_field(&mut self, field: u8, number: u64) {
        self.0.push(field << 3);
        self.varint(number);
    }

    fn float_field(&mut self, field: u8, number: f32) {
        self.0.push(field << 3 | 5);
        self.0.extend(number.to_le_bytes());
    }

    fn bytes_field(&mut self, field: u8, bytes: &[u8]) {
        self.0.push(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }
}

fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), bytes, &masked(bytes).to_le_bytes()].concat()
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), reflected; pictures are small, so bit by bit through a table of one byte
/// is fast enough.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let (mut value, mut bit) = (at as u32, 0);
            while bit < 8 {
                value = (value >> 1) ^ (0x82f6_3b78 & (value & 1).wrapping_neg());
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, b| (crc >> 8) ^ TABLE[((crc ^ u32::from(*b)) & 255) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    /// The bytes of tensorboard 2.21:
    /// `RecordWriter(f).write(Event(wall_time=1.5, step=300, summary=Summary(value=[Summary.Value(tag="G_L1", simple_value=0.25), Summary.Value(tag="D_real", simple_value=-3)])).SerializeToString())`.
    #[test]
    fn a_record_has_the_bytes_that_tensorboard_writes() {
        let hex: String = record(&scalars(1.5, 300, &[("G_L1", 0.25), ("D_real", -3.0)]).0)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hex, EXPECTED);
    }

    const EXPECTED: &str = "2a00000000000000ae8d91f509000000000000f83f10ac022a1c0a0b0a04475f4c31150000803e0a0d0a06445f7265616c15000040c093aca6ac";
}
