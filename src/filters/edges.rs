//! Images to edge maps: Canny's detector, thinned, without specks. Not HED, which the paper's edge
//! data sets were made with.

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::plan::{Plan, PlanOptions, Program, StepValues};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use std::sync::OnceLock;

/// Iterations of thinning that are recorded at once: lines of maxima are rarely wider than three
/// pixels.
const THINNING: u32 = 4;

/// How edges are found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EdgeOptions {
    /// Standard deviation of the blur before, in pixels; 0: none, at most 4.
    pub sigma: f32,
    /// Least gradient of a weak edge, by Sobel's filters on brightness from 0 to 1: a step of 1
    /// across has 4. Weak edges count where they touch a strong one.
    pub low: f32,
    /// Least gradient of a strong edge.
    pub high: f32,
    /// Fewest pixels of a line that is kept.
    pub min_pixels: u32,
}

impl Default for EdgeOptions {
    fn default() -> Self {
        EdgeOptions { sigma: 1.4, low: 0.1, high: 0.25, min_pixels: 10 }
    }
}

impl EdgeOptions {
    fn check(&self) -> Result<()> {
        if !(0.0..=4.0).contains(&self.sigma) {
            let why = format!("{}: a blur from 0 (none) to 4 pixels", self.sigma);
            return Err(Error::config("sigma", why));
        }
        if !(self.low > 0.0 && self.low <= self.high && self.high.is_finite()) {
            let why = format!(
                "{} and `high` {}: both must be above 0, and low not above high",
                self.low, self.high
            );
            return Err(Error::config("low", why));
        }
        Ok(())
    }
}

/// A program of the filter and its results: the image, the lines before specks are dropped, and
/// whether thinning is complete.
#[derive(Debug)]
struct Pass {
    program: Program,
    input: Tensor,
    picture: Tensor,
    lines: Tensor,
    changed: Tensor,
}

/// An edge filter for images of one size, one at a time: bytes in, bytes out.
#[derive(Debug)]
pub struct EdgeFilter {
    gpu: Gpu,
    options: EdgeOptions,
    size: (u32, u32),
    first: Pass,
    /// Continues thinning; only wide plateaus of the gradient need it.
    further: OnceLock<Pass>,
}

impl EdgeFilter {
    /// Plans and prepares it for images of `width` by `height` and 1 (gray) or 3 (RGB) channels.
    ///
    /// # Errors
    /// [`Error::Usage`] for options out of range or other channels, and what the device reports.
    pub fn new(
        gpu: &Gpu,
        (width, height): (u32, u32),
        channels: u32,
        options: EdgeOptions,
    ) -> Result<EdgeFilter> {
        options.check()?;
        if !matches!(channels, 1 | 3) || width == 0 || height == 0 {
            return Err(Error::Usage(format!(
                "edges of an image of {width}x{height}x{channels}: 1 (gray) or 3 (RGB) channels, \
                 sides above 0"
            )));
        }
        let mut tape = Tape::new();
        tape.scope("edges");
        let input = tape.picture_input("picture", 1, height, width, channels);
        let mut x = tape.picture_to_tensor(input, Shape::new(1, height, width, channels))?;
        if channels == 3 {
            x = tape.luma(x)?;
        }
        if options.sigma > 0.0 {
            x = tape.gaussian_blur(x, options.sigma)?;
        }
        let gradient = tape.sobel(x)?;
        // Values are from -1 to 1 here, twice as far apart.
        let classes = tape.non_maximum(gradient, 2.0 * options.low, 2.0 * options.high)?;
        let edges = tape.components(classes, 2.0, 1)?;
        let first = finish(tape, gpu, input, edges, options.min_pixels)?;
        Ok(EdgeFilter {
            gpu: gpu.clone(),
            options,
            size: (width, height),
            first,
            further: OnceLock::new(),
        })
    }

    /// The program that does it all, but for lines that are still too wide.
    pub fn program(&self) -> &Program {
        &self.first.program
    }

    /// Bytes `[height, width, channels]` to bytes `[height, width]`: black lines (0) on white
    /// (255).
    ///
    /// # Errors
    /// [`Error::Usage`] for too many bytes, and what the device reports.
    pub async fn run(&self, picture: &[u8]) -> Result<Vec<u8>> {
        self.run_from(&self.first, picture).await
    }

    /// A drawing, bytes `[height, width]`, dark lines on a bright ground, to lines of one pixel,
    /// without specks: what [`EdgeFilter::run`] does to the edges that it found.
    ///
    /// # Errors
    /// As [`EdgeFilter::run`].
    pub async fn thin(&self, drawing: &[u8]) -> Result<Vec<u8>> {
        self.run_from(self.further()?, drawing).await
    }

    async fn run_from<'a>(&'a self, mut pass: &'a Pass, bytes: &[u8]) -> Result<Vec<u8>> {
        pass.program.write_bytes(pass.input, bytes)?;
        loop {
            pass.program.step(&StepValues::default())?;
            if pass.program.read(pass.changed).await?[0] == 0.0 {
                break;
            }
            let lines = pass.program.read_bytes(pass.lines).await?;
            pass = self.further()?;
            pass.program.write_bytes(pass.input, &lines)?;
        }
        let mut bytes = pass.program.read_bytes(pass.picture).await?;
        bytes.truncate(self.size.0 as usize * self.size.1 as usize);
        Ok(bytes)
    }

    fn further(&self) -> Result<&Pass> {
        if let Some(known) = self.further.get() {
            return Ok(known);
        }
        let (width, height) = self.size;
        let mut tape = Tape::new();
        tape.scope("thinning");
        let input = tape.picture_input("lines", 1, height, width, 1);
        let x = tape.picture_to_tensor(input, Shape::new(1, height, width, 1))?;
        // Black lines: -1 becomes 1, and 1 is not above 0 any more.
        let edges = tape.scale(x, -1.0);
        let made = finish(tape, &self.gpu, input, edges, self.options.min_pixels)?;
        Ok(self.further.get_or_init(|| made))
    }
}

/// Thinning, specks dropped, black on white.
fn finish(
    mut tape: Tape,
    gpu: &Gpu,
    input: Tensor,
    edges: Tensor,
    min_pixels: u32,
) -> Result<Pass> {
    let before = tape.thin(edges, THINNING)?;
    let thinned = tape.thin(before, 1)?;
    let changed = tape.l1(before, thinned)?;
    let kept = tape.components(thinned, 1.0, min_pixels)?;
    let [picture, lines] = [draw(&mut tape, kept)?, draw(&mut tape, thinned)?];
    let store = Store::new();
    let program =
        Plan::new(&tape, &store, &[picture, lines, changed], gpu.family(), PlanOptions::default())?
            .prepare(gpu, &store)?;
    Ok(Pass { program, input, picture, lines, changed })
}

/// 1 to black, 0 to white.
fn draw(tape: &mut Tape, edges: Tensor) -> Result<Tensor> {
    let shape = tape.shape(edges);
    let (white, lines) = (tape.fill(shape, 1.0), tape.scale(edges, -2.0));
    let picture = tape.add(white, lines)?;
    Ok(tape.tensor_to_picture(picture))
}
