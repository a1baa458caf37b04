//! A generator prepared for images of one size.

use crate::error::{Error, Result};
use crate::gpu::{Family, Gpu};
use crate::nets::{Generator, Mode};
use crate::picture::{Input, PictureFormat, PictureValues, Plane, Values, named};
use crate::plan::{Plan, PlanOptions, Program, Progress, StepValues};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// A generator's program for samples of one size, one at a time: planes in, an image out, as bytes
/// or as values.
#[derive(Debug)]
pub struct Translator {
    program: Program,
    format: PictureFormat,
    inputs: Vec<Input>,
    output: Output,
    shape: Shape,
}

/// A network on a tape, from the values of its planes to its output.
type Network<'a> = &'a dyn Fn(&mut Tape, &[Tensor]) -> Result<Tensor>;

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
    /// [`crate::Error::Usage`] for sizes that the generator does not take, and what the device
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
            Plan::new(tape, store, keep, gpu.family(), options.on(gpu))?.prepare(gpu, store)
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
            Plan::new(tape, store, keep, gpu.family(), options.on(gpu))?
                .prepare_with(gpu, store, progress)
        };
        Self::make(store, generator, size, mode, format, prepare)
    }

    /// A program of a network that takes several planes: `network` records it on the tape, from
    /// their values in the order given. Its output is read in `format`.
    ///
    /// # Errors
    /// Those of `network`, and what the device reports.
    pub fn of_planes(
        gpu: &Gpu,
        store: &Store,
        planes: &[Plane],
        size: (u32, u32),
        format: PictureFormat,
        network: &dyn Fn(&mut Tape, &[Tensor]) -> Result<Tensor>,
        options: PlanOptions,
        progress: Progress<'_>,
    ) -> Result<Translator> {
        let recorded = Self::record(planes, size, network)?;
        Self::prepared(recorded, format, |tape, keep| {
            Plan::new(tape, store, keep, gpu.family(), options.on(gpu))?
                .prepare_with(gpu, store, progress)
        })
    }

    /// Plans what [`of_planes`](Self::of_planes) prepares, without a device.
    ///
    /// # Errors
    /// Those of `network` and of [`Plan::new`].
    pub fn plan_of_planes(
        store: &Store,
        planes: &[Plane],
        size: (u32, u32),
        network: &dyn Fn(&mut Tape, &[Tensor]) -> Result<Tensor>,
        family: Family,
        options: PlanOptions,
    ) -> Result<Plan> {
        let (tape, _, output, _) = Self::record(planes, size, network)?;
        Plan::new(&tape, store, &output.keep(), family, options)
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
        let (tape, _, output, _) = Self::generator(store, generator, size, mode, format)?;
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
        let recorded = Self::generator(store, generator, size, mode, format)?;
        Self::prepared(recorded, format, prepare)
    }

    fn prepared(
        (tape, inputs, output, shape): (Tape, Vec<Input>, Output, Shape),
        format: PictureFormat,
        prepare: impl FnOnce(&Tape, &[Tensor]) -> Result<Program>,
    ) -> Result<Translator> {
        Ok(Translator { program: prepare(&tape, &output.keep())?, format, inputs, output, shape })
    }

    /// A generator of one image.
    fn generator(
        store: &Store,
        generator: &Generator,
        size: (u32, u32),
        mode: Mode,
        format: PictureFormat,
    ) -> Result<(Tape, Vec<Input>, Output, Shape)> {
        let plane = Plane::image("input", generator.config().input_nc(), format);
        let network =
            |tape: &mut Tape, planes: &[Tensor]| generator.record(tape, store, planes[0], mode);
        Self::record(&[plane], size, &network)
    }

    fn record(
        planes: &[Plane],
        (width, height): (u32, u32),
        network: Network<'_>,
    ) -> Result<(Tape, Vec<Input>, Output, Shape)> {
        let mut tape = Tape::new();
        let (mut inputs, mut values) = (Vec::new(), Vec::new());
        for plane in planes {
            tape.scope(plane.name);
            let (input, value) = Input::record(&mut tape, *plane, [1, height, width])?;
            inputs.push(input);
            values.push(value);
        }
        tape.scope("");
        let values = network(&mut tape, &values)?;
        tape.scope("output");
        let bytes = tape.tensor_to_picture(values);
        let shape = tape.shape(values);
        Ok((tape, inputs, Output { bytes, values }, shape))
    }

    /// The format of its output, and of the input of a generator of one image.
    pub fn format(&self) -> PictureFormat {
        self.format
    }

    /// The planes that it reads.
    pub fn planes(&self) -> impl Iterator<Item = Plane> + '_ {
        self.inputs.iter().map(|input| input.plane)
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Translates one image: HWC in, in [`format`](Self::format), HWC bytes out. `seed` and
    /// `number` decide the dropout mask, if there is one.
    ///
    /// # Errors
    /// [`Error::Usage`] for another number or kind of values or a network of several planes, and
    /// what the device reports.
    pub async fn run<'a>(
        &self,
        image: impl Into<Values<'a>>,
        seed: u64,
        number: u32,
    ) -> Result<Vec<u8>> {
        self.step(&[(self.only()?, image.into())], seed, number)?;
        self.bytes().await
    }

    /// Like [`run`](Self::run), but returns the generator's own values, -1 to 1, from which images
    /// of 16 bits and floats are converted.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_floats<'a>(
        &self,
        image: impl Into<Values<'a>>,
        seed: u64,
        number: u32,
    ) -> Result<Vec<f32>> {
        self.step(&[(self.only()?, image.into())], seed, number)?;
        self.program.read(self.output.values).await
    }

    /// Like [`run`](Self::run), with values in [`format`](Self::format) on both sides.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_values(
        &self,
        image: &PictureValues,
        seed: u64,
        number: u32,
    ) -> Result<PictureValues> {
        self.run_planes(&[(self.only()?, image.into())], seed, number).await
    }

    /// Translates one sample, given as planes by name; the output is in [`format`](Self::format).
    ///
    /// # Errors
    /// [`Error::Usage`] for a plane that is missing, or another number or kind of values, and what
    /// the device reports.
    pub async fn run_planes(
        &self,
        planes: &[(&str, Values<'_>)],
        seed: u64,
        number: u32,
    ) -> Result<PictureValues> {
        self.step(planes, seed, number)?;
        Ok(match self.format {
            PictureFormat::Bytes => PictureValues::Bytes(self.bytes().await?),
            PictureFormat::Floats => {
                PictureValues::Floats(self.program.read(self.output.values).await?)
            }
        })
    }

    /// The name of its only plane.
    fn only(&self) -> Result<&'static str> {
        match &self.inputs[..] {
            [one] => Ok(one.plane.name),
            all => {
                let names: Vec<_> = all.iter().map(|input| input.plane.name).collect();
                let names = names.join(", ");
                Err(Error::Usage(format!("one image was given to a network that reads {names}")))
            }
        }
    }

    async fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = self.program.read_bytes(self.output.bytes).await?;
        bytes.truncate(self.shape.elements() as usize);
        Ok(bytes)
    }

    fn step(&self, planes: &[(&str, Values<'_>)], seed: u64, number: u32) -> Result<()> {
        for input in &self.inputs {
            input.write(&self.program, named(input.plane.name, planes)?)?;
        }
        self.program.step(&StepValues {
            step: number,
            seed: crate::rng::fold_seed(seed),
            ..StepValues::default()
        })
    }
}
