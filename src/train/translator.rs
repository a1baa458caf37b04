//! A generator made ready for pictures of one size.

use crate::error::Result;
use crate::gpu::{Family, Gpu};
use crate::nets::{Generator, Mode};
use crate::plan::{Plan, PlanOptions, Program, Progress, StepValues};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// A generator's program for pictures of one size, one at a time: bytes in, bytes out.
#[derive(Debug)]
pub struct Translator {
    program: Program,
    input: Tensor,
    output: Tensor,
    shape: Shape,
}

impl Translator {
    /// Plans and prepares the generator for pictures of `width` by `height`, on the weights in `store`.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] for sizes that do not pass the halvings, and what the device reports.
    pub fn new(gpu: &Gpu, store: &Store, generator: &Generator, width: u32, height: u32, mode: Mode, options: PlanOptions) -> Result<Translator> {
        Self::make(store, generator, (width, height), mode, |tape, keep| Plan::new(tape, store, keep, gpu.family(), options)?.prepare(gpu, store))
    }

    /// Like [`Translator::new`], by way of [`Plan::prepare_with`].
    ///
    /// # Errors
    /// As [`Translator::new`].
    pub fn with_progress(
        gpu: &Gpu,
        store: &Store,
        generator: &Generator,
        (width, height): (u32, u32),
        mode: Mode,
        options: PlanOptions,
        progress: Progress<'_>,
    ) -> Result<Translator> {
        let prepare = |tape: &Tape, keep: &[Tensor]| Plan::new(tape, store, keep, gpu.family(), options)?.prepare_with(gpu, store, progress);
        Self::make(store, generator, (width, height), mode, prepare)
    }

    /// Plans it without a device.
    ///
    /// # Errors
    /// As [`Translator::new`], but for what needs the device.
    pub fn plan(store: &Store, generator: &Generator, size: (u32, u32), mode: Mode, family: Family, options: PlanOptions) -> Result<Plan> {
        let (tape, _, output, _) = Self::record(store, generator, size, mode)?;
        Plan::new(&tape, store, &[output], family, options)
    }

    fn make(
        store: &Store,
        generator: &Generator,
        (width, height): (u32, u32),
        mode: Mode,
        prepare: impl FnOnce(&Tape, &[Tensor]) -> Result<Program>,
    ) -> Result<Translator> {
        let (tape, input, output, shape) = Self::record(store, generator, (width, height), mode)?;
        Ok(Translator { program: prepare(&tape, &[output])?, input, output, shape })
    }

    fn record(store: &Store, generator: &Generator, (width, height): (u32, u32), mode: Mode) -> Result<(Tape, Tensor, Tensor, Shape)> {
        let config = generator.config();
        let mut tape = Tape::new();
        tape.scope("input");
        let input = tape.picture_input("input", 1, height, width, config.input_nc());
        let x = tape.picture_to_tensor(input, Shape::new(1, height, width, config.input_nc()))?;
        tape.scope("");
        let y = generator.record(&mut tape, store, x, mode)?;
        tape.scope("output");
        let output = tape.tensor_to_picture(y);
        let shape = Shape::new(1, height, width, config.output_nc());
        Ok((tape, input, output, shape))
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Translates one picture: HWC bytes in, HWC bytes out. `seed` and `number` decide the dropout mask, if there is one.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] for too many bytes, and what the device reports.
    pub async fn run(&self, picture: &[u8], seed: u64, number: u32) -> Result<Vec<u8>> {
        self.program.write_bytes(self.input, picture)?;
        self.program.step(&StepValues { step: number, seed: crate::rng::fold_seed(seed), ..StepValues::default() })?;
        let mut bytes = self.program.read_bytes(self.output).await?;
        bytes.truncate(self.shape.elements() as usize);
        Ok(bytes)
    }
}
