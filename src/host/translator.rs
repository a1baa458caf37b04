//! A generator from texture to texture.

use super::slices::{Slice, Slices};
use super::textures::{Image, Textures};
use super::view::{Use, View};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::nets::{Generator, Mode};
use crate::plan::{Plan, PlanOptions, Program, Scratch, StepValues};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use std::time::Duration;

/// A generator in a host's frames: it reads a texture and draws into another, in the host's
/// encoder.
///
/// Textures may be [`Rgba8Unorm`](wgpu::TextureFormat::Rgba8Unorm), `Rgba8UnormSrgb`, `Bgra8Unorm`,
/// `Bgra8UnormSrgb` or `Rgba16Float`, of any size: other sizes than the network's are resampled as
/// Pillow's `BILINEAR` does. Values are those of an image file, sRGB: views with an sRGB format are
/// encoded and decoded on the way, and `Rgba16Float` holds 0 to 1 as 8 bits would hold 0 to 255.
/// Views may change from call to call. Networks of one channel read the luma (BT.601) and draw
/// grey; where there is no alpha in the output, it is 1.
///
/// Nothing here submits or waits, except [`measure`](Self::measure).
///
/// ```no_run
/// # use pixtape::{Gpu, Store, PlanOptions, wgpu, nets::{Generator, Mode}, ops::NormMode};
/// # fn frame(gpu: &Gpu, store: &Store, generator: &Generator, camera: &wgpu::TextureView,
/// #          screen: &wgpu::TextureView, encoder: &mut wgpu::CommandEncoder) -> pixtape::Result<()> {
/// use pixtape::host::{Slice, TextureTranslator};
/// use std::time::Duration;
///
/// let mode = Mode::run(NormMode::Instance, false);
/// let options = PlanOptions::default();
/// let mut net = TextureTranslator::new(gpu, store, generator, (256, 256), mode, options)?;
///
/// // All of it in this frame:
/// net.encode(encoder, camera, screen)?;
///
/// // Or four milliseconds of it a frame, until the image has been drawn:
/// net.measure()?;
/// if net.encode_slice(encoder, camera, screen, Duration::from_millis(4))? == Slice::Drawn {
///     println!("a new image");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TextureTranslator {
    program: Program,
    textures: Textures,
    input: Tensor,
    output: Tensor,
    slices: Slices,
    /// Memory that is shared, and the number there.
    scratch: Option<(Scratch, u64)>,
}

impl TextureTranslator {
    /// Plans and prepares a generator for maps of `size` (width, height), on the weights in
    /// `store`.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for sizes that the generator does not take, and what
    /// the device reports.
    pub fn new(
        gpu: &Gpu,
        store: &Store,
        generator: &Generator,
        (width, height): (u32, u32),
        mode: Mode,
        options: PlanOptions,
    ) -> Result<TextureTranslator> {
        Self::make(gpu, store, generator, (width, height), mode, options, None)
    }

    /// The same in memory that other networks use too, by turns: see [`Plan::prepare_sharing`].
    ///
    /// # Errors
    /// As [`TextureTranslator::new`], and [`Error::Usage`](crate::Error::Usage) for memory of
    /// another device.
    pub fn sharing(
        gpu: &Gpu,
        store: &Store,
        generator: &Generator,
        size: (u32, u32),
        mode: Mode,
        options: PlanOptions,
        scratch: &Scratch,
    ) -> Result<TextureTranslator> {
        Self::make(gpu, store, generator, size, mode, options, Some(scratch))
    }

    fn make(
        gpu: &Gpu,
        store: &Store,
        generator: &Generator,
        (width, height): (u32, u32),
        mode: Mode,
        options: PlanOptions,
        scratch: Option<&Scratch>,
    ) -> Result<TextureTranslator> {
        let mut tape = Tape::new();
        let input =
            tape.input("input", Shape::new(1, height, width, generator.config().input_nc()));
        let output = generator.record(&mut tape, store, input, mode)?;
        let plan = Plan::new(&tape, store, &[output], gpu.family(), options.on(gpu))?;
        let program = match scratch {
            Some(scratch) => plan.prepare_sharing(gpu, store, scratch)?,
            None => plan.prepare(gpu, store)?,
        };
        program.set_step(&StepValues::default());
        let slices = Slices::new(program.estimated_seconds());
        let textures = Textures::new(gpu);
        let scratch = scratch.map(|scratch| (scratch.clone(), scratch.number()));
        Ok(TextureTranslator { program, textures, input, output, slices, scratch })
    }

    /// The program of the network.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Compiles what reading and drawing into textures of these formats takes, which otherwise
    /// their first frame does.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for numbers of channels that no texture has, and what
    /// the device reports.
    pub fn warm(&self, from: wgpu::TextureFormat, to: wgpu::TextureFormat) -> Result<()> {
        let channels = |tensor| self.program.memory(tensor).map(|memory| memory.shape.c.logical());
        self.textures.warm(from, channels(self.input)?, to, channels(self.output)?)
    }

    /// Decides the dropout mask, where there is one: takes effect with the next submission.
    pub fn set_seed(&self, seed: u64, number: u32) {
        let seed = crate::rng::fold_seed(seed);
        self.program.set_step(&StepValues { step: number, seed, ..StepValues::default() });
    }

    /// Appends a whole translation: reads `from`, draws all of `to`. A picture that
    /// [`encode_slice`](Self::encode_slice) has begun is dropped.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for a view that cannot be read or drawn into, before
    /// anything is appended; what the device reports.
    pub fn encode<'a>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        from: impl Into<View<'a>>,
        to: impl Into<View<'a>>,
    ) -> Result<()> {
        self.restart();
        self.encode_slice(encoder, from, to, Duration::MAX).map(drop)
    }

    /// Appends as much of a translation as the device does in `budget`, at least one dispatch:
    /// the first call of a picture reads `from`, the last one draws into `to`. The result has the
    /// same bits as that of [`encode`](Self::encode).
    ///
    /// How long dispatches take is estimated for slow adapters at first: call
    /// [`measure`](Self::measure) once, or [`took`](Self::took) after each frame.
    ///
    /// # Errors
    /// As [`encode`](Self::encode). A view that is refused changes nothing: the next call goes on
    /// with the picture. With shared memory also [`Error::Usage`](crate::Error::Usage) while
    /// another network is in the middle of a picture.
    pub fn encode_slice<'a>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        from: impl Into<View<'a>>,
        to: impl Into<View<'a>>,
        budget: Duration,
    ) -> Result<Slice> {
        let (from, to) = (from.into(), to.into());
        from.check(Use::Read)?;
        to.check(Use::Draw)?;
        let slice = self.append(encoder, from, to, budget);
        // Also where it failed: others may go on.
        if !self.slices.is_under_way() {
            self.release();
        }
        slice
    }

    /// Appends the next slice of views that were checked.
    fn append(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        from: View<'_>,
        to: View<'_>,
        budget: Duration,
    ) -> Result<Slice> {
        if !self.slices.is_under_way() {
            if let Some((scratch, number)) = &self.scratch {
                scratch.begin(*number)?;
            }
            let memory = self.program.memory(self.input)?;
            self.textures.load(encoder, from, Image { memory: &memory })?;
        }
        let range = self.slices.next(budget);
        self.program.encode(encoder, range);
        if self.slices.is_under_way() {
            return Ok(Slice::Part { done: self.slices.done() });
        }
        let memory = self.program.memory(self.output)?;
        self.textures.store(encoder, Image { memory: &memory }, to)?;
        Ok(Slice::Drawn)
    }

    /// Drops a picture that was begun: the next call reads another.
    pub fn restart(&mut self) {
        self.slices.restart();
        self.release();
    }

    /// Leaves the memory that is shared to others.
    fn release(&self) {
        if let Some((scratch, number)) = &self.scratch {
            scratch.end(*number);
        }
    }

    /// Tells how long the device took for the last slice, as the host has measured: later slices
    /// are sized by it.
    pub fn took(&mut self, time: Duration) {
        self.slices.took(time);
    }

    /// Runs the network once and measures each of its dispatches, which later slices are sized by.
    /// Submits and waits. Drops a picture that was begun.
    ///
    /// # Errors
    /// What the device reports.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn measure(&mut self) -> Result<Duration> {
        self.restart();
        let each: Vec<_> = (0..self.program.dispatch_count()).map(|at| at..at + 1).collect();
        let seconds = self.program.time(&each, 1)?.seconds;
        let all = seconds.iter().sum();
        self.slices.measured(seconds);
        Ok(Duration::from_secs_f64(all))
    }
}

impl Drop for TextureTranslator {
    fn drop(&mut self) {
        self.release();
    }
}
