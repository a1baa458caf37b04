//! A network ready for samples of one size: whole, or in strips.

use super::args::{Sequence, TranslateArgs};
use pixtape::picture::{PictureFormat, PictureValues, Values};
use pixtape::train::{Statistics, Strips, Translator};
use pixtape::{Error, Result};

/// A network ready for samples of one size.
pub(super) enum Engine<'a> {
    Whole(Box<Translator>),
    Strips(Box<InStrips<'a>>),
}

/// A network in strips.
pub(super) struct InStrips<'a> {
    strips: Strips<'a>,
    size: (u32, u32),
    format: PictureFormat,
    /// Statistics of the frames before.
    before: Option<Statistics>,
    /// How much of them is kept.
    keep: Option<f64>,
}

impl<'a> Engine<'a> {
    /// As the flags ask for it: made by `whole`, or by `strips` of so many rows. Results are in
    /// `format`.
    pub fn new(
        args: &TranslateArgs,
        size: (u32, u32),
        format: PictureFormat,
        whole: impl FnOnce() -> Result<Translator>,
        strips: impl Fn(u32) -> Result<Strips<'a>>,
    ) -> Result<Engine<'a>> {
        let keep = args.sequence.map(|how| match how {
            Sequence::First => 1.0,
            Sequence::Smooth => args.smooth,
        });
        let memory_limit = args.memory_limit.map(|bytes| bytes.0);
        let cut = |strips| {
            Engine::Strips(Box::new(InStrips { strips, size, format, before: None, keep }))
        };
        match args.tile {
            Some(rows) => return Ok(cut(strips(rows)?)),
            None if keep.is_some() => return Ok(cut(strips(size.1)?.fit(size, memory_limit)?)),
            None => {}
        }
        match whole() {
            Ok(whole) => Ok(Engine::Whole(Box::new(whole))),
            // What is too large goes in strips, unless a mask of dropout forbids it.
            Err(e @ (Error::MemoryLimit { .. } | Error::Limit { .. })) if !args.dropout.is_on() => {
                let strips = strips(size.1)?.fit(size, memory_limit)?;
                tell(&strips, size, &e)?;
                Ok(cut(strips))
            }
            Err(e) => Err(e),
        }
    }

    /// Runs a sample of the engine's size, given as planes by name.
    pub fn run(&mut self, planes: &[(&str, Values<'_>)], seed: u64) -> Result<PictureValues> {
        match self {
            // One number for all: what dropout makes of a picture depends on --seed only, not on
            // its neighbours in the folder.
            Engine::Whole(translator) => pollster::block_on(translator.run_planes(planes, seed, 0)),
            Engine::Strips(strips) => strips.run(planes),
        }
    }
}

impl InStrips<'_> {
    fn run(&mut self, planes: &[(&str, Values<'_>)]) -> Result<PictureValues> {
        let given = self.before.as_ref().zip(self.keep);
        let run = self.strips.run_planes(planes, self.size, given);
        let (values, used) = pollster::block_on(run)?;
        self.before = Some(used);
        // As `tensor_to_picture` does it.
        let byte = |v: &f32| ((v + 1.0) * 127.5 + 0.5).clamp(0.0, 255.0) as u8;
        Ok(match self.format {
            PictureFormat::Bytes => PictureValues::Bytes(values.iter().map(byte).collect()),
            PictureFormat::Floats => PictureValues::Floats(values),
        })
    }
}

/// Says that strips are used, and why.
fn tell(strips: &Strips<'_>, size: (u32, u32), why: &Error) -> Result<()> {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let (rows, needed) = (strips.rows(), mib(strips.memory(size)?));
    let whole = match why {
        Error::MemoryLimit { planned, .. } => format!(" instead of {} MiB", mib(*planned)),
        _ => String::new(),
    };
    eprintln!(
        "note: {}x{} is processed in strips of {rows} rows: {needed} MiB of device memory{whole}",
        size.0, size.1
    );
    Ok(())
}
