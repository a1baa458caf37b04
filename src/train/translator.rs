//! A generator prepared for images of one size.

use crate::error::Result;
use crate::gpu::{Family, Gpu};
use crate::nets::{Generator, Mode};
use crate::picture::{Input, PictureFormat, PictureValues, Plane, Values};
use crate::plan::{Plan, PlanOptions, Program, Progress, StepValues};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// A generator's program for pictures of one size, one at a time: bytes or values in, either out.
#[derive(Debug)]
pub struct Translator {
    program: Program,
    format: PictureFormat,
    input: Input,
    output: Output,
    shape: Shape,
}

/// A generator's output, as bytes and as values.
#[derive(Clone, Copy, Debug)]
struct Output {
    bytes: Tensor,
    values: Tensor,
}

impl Output {
    fn keep(&self) -> [Tensor; 2] {
        [self.bytes, self.values]
    }
}

impl Translator {
    /// Plans and prepares the generator for pictures of `width` by `height`, given as bytes, on the
    /// weights in `store`.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] for sizes that do not pass the halvings, and what the device
    /// reports.
    pub fn new(
        gpu: &Gpu,
        store: &Store,
        generator: &Generator,
        width: u32,
        height: u32,
        mode: Mode,
        options: PlanOptions,
    ) -> Result<Translator> {
        let prepare = |tape: &Tape, keep: &[Tensor]| {
            Plan::new(tape, store, keep, gpu.family(), options)?.prepare(gpu, store)
        };
        Self::make(store, generator, (width, height), mode, PictureFormat::Bytes, prepare)
    }

    /// Like [`Translator::new`], by way of [`Plan::prepare_with`], for pictures given in `format`.
    ///
    /// # Errors
    /// As [`Translator::new`].
    pub fn with_progress(
        gpu: &Gpu,
        store: &Store,
        generator: &Generator,
        size: (u32, u32),
        mode: Mode,
        format: PictureFormat,
        options: PlanOptions,
        progress: Progress<'_>,
    ) -> Result<Translator> {
        let prepare = |tape: &Tape, keep: &[Tensor]| {
            Plan::new(tape, store, keep, gpu.family(), options)?.prepare_with(gpu, store, progress)
        };
        Self::make(store, generator, size, mode, format, prepare)
    }

    /// Plans it without a device.
    ///
    /// # Errors
    /// As [`Translator::new`], but for what needs the device.
    pub fn plan(
        store: &Store,
        generator: &Generator,
        size: (u32, u32),
        mode: Mode,
        format: PictureFormat,
        family: Family,
        options: PlanOptions,
    ) -> Result<Plan> {
        let (tape, _, output, _) = Self::record(store, generator, size, mode, format)?;
        Plan::new(&tape, store, &output.keep(), family, options)
    }

    fn make(
        store: &Store,
        generator: &Generator,
        size: (u32, u32),
        mode: Mode,
        format: PictureFormat,
        prepare: impl FnOnce(&Tape, &[Tensor]) -> Result<Program>,
    ) -> Result<Translator> {
        let (tape, input, output, shape) = Self::record(store, generator, size, mode, format)?;
        Ok(Translator { program: prepare(&tape, &output.keep())?, format, input, output, shape })
    }

    fn record(
        store: &Store,
        generator: &Generator,
        (width, height): (u32, u32),
        mode: Mode,
        format: PictureFormat,
    ) -> Result<(Tape, Input, Output, Shape)> {
        let config = generator.config();
        let mut tape = Tape::new();
        tape.scope("input");
        let plane = Plane::image("input", config.input_nc(), format);
        let (input, x) = Input::record(&mut tape, plane, [1, height, width])?;
        tape.scope("");
        let values = generator.record(&mut tape, store, x, mode)?;
        tape.scope("output");
        let bytes = tape.tensor_to_picture(values);
        let shape = Shape::new(1, height, width, config.output_nc());
        Ok((tape, input, Output { bytes, values }, shape))
    }

    /// How pictures are given to it.
    pub fn format(&self) -> PictureFormat {
        self.format
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Translates one picture: HWC in, in [`format`](Self::format), HWC bytes out. `seed` and
    /// `number` decide the dropout mask, if there is one.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] for too many values or the other format, and what the device
    /// reports.
    pub async fn run<'a>(
        &self,
        picture: impl Into<Values<'a>>,
        seed: u64,
        number: u32,
    ) -> Result<Vec<u8>> {
        self.step(picture.into(), seed, number)?;
        let mut bytes = self.program.read_bytes(self.output.bytes).await?;
        bytes.truncate(self.shape.elements() as usize);
        Ok(bytes)
    }

    /// Like [`run`](Self::run), but gives the generator's own values, -1 to 1, of which 16 bits and
    /// floats are made.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_floats<'a>(
        &self,
        picture: impl Into<Values<'a>>,
        seed: u64,
        number: u32,
    ) -> Result<Vec<f32>> {
        self.step(picture.into(), seed, number)?;
        self.program.read(self.output.values).await
    }

    /// Bytes where bytes go in, values where values do.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_values(
        &self,
        picture: &PictureValues,
        seed: u64,
        number: u32,
    ) -> Result<PictureValues> {
        Ok(match self.format {
            PictureFormat::Bytes => PictureValues::Bytes(self.run(picture, seed, number).await?),
            PictureFormat::Floats => {
                PictureValues::Floats(self.run_floats(picture, seed, number).await?)
            }
        })
    }

    fn step(&self, picture: Values<'_>, seed: u64, number: u32) -> Result<()> {
        self.input.write(&self.program, picture)?;
        self.program.step(&StepValues {
            step: number,
            seed: crate::rng::fold_seed(seed),
            ..StepValues::default()
        })
    }
}
