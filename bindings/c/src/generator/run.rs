//! A generator made ready for the sizes that come, and RGBA through it.

use engine::gpu::Gpu;
use engine::io::{AnyPicture, Frame, Loaded, Picture};
use engine::nets::{GeneratorConfig, Mode};
use engine::ops::NormMode;
use engine::picture::{PictureFormat, PictureValues, Values};
use engine::plan::PlanOptions;
use engine::run::options::ModelKind;
use engine::run::{Checkpoint, Generator};
use engine::train::Translator;
use engine::{Error, Result};

/// What a caller may set.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Settings {
    pub norm: NormMode,
    pub memory_limit: Option<u64>,
}

/// A generator, and what was made ready for images of the last size.
pub(super) struct Net {
    generator: Generator,
    config: GeneratorConfig,
    settings: Settings,
    ready: Option<((u32, u32), Ready)>,
}

/// How images of a size are computed.
enum Ready {
    Whole(Box<Translator>),
    /// Strips of so many rows.
    Strips(u32),
}

impl Net {
    /// Puts a checkpoint's weights on a device.
    pub fn new(gpu: &Gpu, checkpoint: &Checkpoint) -> Result<Net> {
        check_kind(checkpoint)?;
        Ok(Net {
            generator: Generator::new(gpu, checkpoint)?,
            config: checkpoint.config,
            settings: Settings { norm: NormMode::Batch, memory_limit: None },
            ready: None,
        })
    }

    /// Drops what was made ready.
    pub fn reset(&mut self) {
        self.ready = None;
    }

    /// Changes settings; what was made ready stays where they are as they were.
    pub fn change(&mut self, change: impl FnOnce(&mut Settings)) {
        let before = self.settings;
        change(&mut self.settings);
        if self.settings != before {
            self.reset();
        }
    }

    /// Makes it ready for images of this size.
    pub fn prepare(&mut self, size: (u32, u32)) -> Result<()> {
        self.ready(Frame::new(size, self.config.multiple()).padded).map(drop)
    }

    /// RGBA to RGBA.
    pub fn translate(&mut self, image: Picture) -> Result<Picture> {
        let frame = Frame::new((image.width, image.height), self.config.multiple());
        let alpha: Vec<u8> = image.data.iter().skip(3).step_by(4).copied().collect();
        let loaded = Loaded { picture: image.into(), alpha: true, missing: None };
        let input = loaded.converted(self.config.input_nc()).ok_or_else(unfit)?;
        let values = frame.encode(&input, PictureFormat::Bytes, None)?;
        let made = match self.run(frame.padded, (&values).into())? {
            PictureValues::Bytes(bytes) => frame.crop(bytes, self.config.output_nc())?,
            PictureValues::Floats(_) => return Err(Error::Internal("floats came back".into())),
        };
        let opaque = made.channels != 4;
        let mut made = AnyPicture::U8(made).converted(4).ok_or_else(unfit)?.to_8bit(None);
        if opaque {
            let places = made.data.iter_mut().skip(3).step_by(4);
            places.zip(alpha).for_each(|(place, alpha)| *place = alpha);
        }
        Ok(made)
    }

    fn run(&mut self, padded: (u32, u32), values: Values<'_>) -> Result<PictureValues> {
        let mode = self.mode();
        let rows = match self.ready(padded)? {
            Ready::Whole(translator) => {
                return pollster::block_on(translator.run_planes(&[("input", values)], 0, 0));
            }
            Ready::Strips(rows) => *rows,
        };
        let strips = self.generator.strips(mode, PictureFormat::Bytes, rows)?;
        let planes = [("input", values)];
        let (values, _) = pollster::block_on(strips.run_planes(&planes, padded, None))?;
        // As `tensor_to_picture` does it.
        let byte = |v: &f32| ((v + 1.0) * 127.5 + 0.5).clamp(0.0, 255.0) as u8;
        Ok(PictureValues::Bytes(values.iter().map(byte).collect()))
    }

    fn mode(&self) -> Mode {
        Mode::run(self.settings.norm, false)
    }

    /// What computes images of a padded size. What is too large for one piece goes in strips.
    fn ready(&mut self, padded: (u32, u32)) -> Result<&Ready> {
        if self.ready.as_ref().is_none_or(|(size, _)| *size != padded) {
            // Memory of the last size first.
            self.ready = None;
            self.ready = Some((padded, self.make(padded)?));
        }
        self.ready
            .as_ref()
            .map(|(_, ready)| ready)
            .ok_or_else(|| Error::Internal("a size that was made ready and is not".into()))
    }

    fn make(&self, padded: (u32, u32)) -> Result<Ready> {
        let memory_limit = self.settings.memory_limit;
        let (mode, format) = (self.mode(), PictureFormat::Bytes);
        let options = PlanOptions { memory_limit, ..PlanOptions::default() };
        match self.generator.translator(padded, mode, format, options, &mut |_, _| {}) {
            Ok(translator) => Ok(Ready::Whole(Box::new(translator))),
            Err(Error::MemoryLimit { .. } | Error::Limit { .. }) => {
                let strips = self.generator.strips(mode, format, padded.1)?;
                Ok(Ready::Strips(strips.fit(padded, memory_limit)?.rows()))
            }
            Err(error) => Err(error),
        }
    }
}

/// Refuses what does not go from an image to an image of colours.
fn check_kind(checkpoint: &Checkpoint) -> Result<()> {
    let config = &checkpoint.config;
    let file = |why: String| Err(Error::file(checkpoint.path(), why));
    let of_labels = checkpoint.options.as_ref().is_some_and(|o| o.model == ModelKind::Pix2PixHd);
    // As the program tells label maps from images.
    let resnet = !matches!(config, GeneratorConfig::Unet(_));
    if of_labels || resnet && config.input_nc() > 3 {
        return file(format!(
            "a {config} that takes label maps of {} channels, not images; the program translates \
             with it: `pixtape translate`",
            config.input_nc()
        ));
    }
    if checkpoint.colorizes() {
        return file(
            "a generator that paints colours onto lightness; the program translates with it: \
             `pixtape translate`"
                .into(),
        );
    }
    for (what, channels) in [("takes", config.input_nc()), ("makes", config.output_nc())] {
        if !matches!(channels, 1 | 3 | 4) {
            return file(format!(
                "a generator that {what} images of {channels} channels; give one of 1 (gray), 3 \
                 (RGB) or 4 (RGBA)"
            ));
        }
    }
    Ok(())
}

/// `check_kind` has refused these.
fn unfit() -> Error {
    Error::Internal("channels that RGBA cannot be".into())
}
