//! A generator made ready for pictures of one size.

use crate::error::Result;
use crate::gpu::{Family, Gpu};
use crate::nets::{Mode, Unet};
use crate::plan::{Plan, PlanOptions, Program, StepValues};
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
    pub fn new(gpu: &Gpu, store: &Store, generator: &Unet, width: u32, height: u32, mode: Mode, options: PlanOptions) -> Result<Translator> {
        let (tape, input, output) = Self::record(store, generator, width, height, mode)?;
        let plan = Plan::new(&tape, store, &[output], gpu.family(), options)?;
        let shape = Shape::new(1, height, width, generator.config().output_nc);
        Ok(Translator { program: plan.prepare(gpu, store)?, input, output, shape })
    }

    /// Plans it without a device.
    ///
    /// # Errors
    /// As [`Translator::new`], but for what needs the device.
    pub fn plan(store: &Store, generator: &Unet, width: u32, height: u32, mode: Mode, family: Family, options: PlanOptions) -> Result<Plan> {
        let (tape, _, output) = Self::record(store, generator, width, height, mode)?;
        Plan::new(&tape, store, &[output], family, options)
    }

    fn record(store: &Store, generator: &Unet, width: u32, height: u32, mode: Mode) -> Result<(Tape, Tensor, Tensor)> {
        let config = generator.config();
        let mut tape = Tape::new();
        tape.scope("input");
        let input = tape.picture_input("input", 1, height, width, config.input_nc);
        let x = tape.picture_to_tensor(input, Shape::new(1, height, width, config.input_nc))?;
        let y = generator.record(&mut tape, store, x, mode)?;
        tape.scope("output");
        let output = tape.tensor_to_picture(y);
        Ok((tape, input, output))
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
