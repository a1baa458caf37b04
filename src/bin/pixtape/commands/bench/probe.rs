//! Measured ceilings of a device: multiply-adds on registers, and copying.

use crate::commands::bench::measure::time;
use pixtape::Result;
use pixtape::gpu::Gpu;
use pixtape::ops::{Bind, Dispatch, Lowering, Op};
use pixtape::plan::{Clock, Plan, PlanOptions, Program};
use pixtape::store::Store;
use pixtape::{Backward, Tape, Tensor};
use pixtape::{Channels, Shape};
use std::time::Instant;

/// The ceilings that rows are compared with, measured since they are not published for every
/// device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ceilings {
    /// Multiply-adds, in FLOP per second.
    pub flops: f64,
    /// Copying from buffer to buffer: bytes read and written, per second.
    pub bytes: f64,
    /// How device time is measured.
    pub clock: Clock,
}

impl Ceilings {
    /// Measures both ceilings, each for about `seconds`.
    pub fn measure(gpu: &Gpu, seconds: f64) -> Result<Ceilings> {
        let (flops, clock) = flops(gpu, seconds)?;
        Ok(Ceilings { flops, bytes: bytes(gpu, seconds)?, clock })
    }

    /// The better of two measurements: on a busy machine, one before and one after the rows is
    /// fairer than one.
    pub fn or(self, other: Ceilings) -> Ceilings {
        Ceilings { flops: self.flops.max(other.flops), bytes: self.bytes.max(other.bytes), ..self }
    }
}

fn prepare(gpu: &Gpu, tape: &Tape, keep: Tensor) -> Result<Program> {
    let store = Store::new();
    Plan::new(tape, &store, &[keep], gpu.family(), PlanOptions::default())?.prepare(gpu, &store)
}

/// Bytes to copy: more than the caches of most devices.
const COPIED: Shape = Shape { n: 1, h: 1024, w: 256, c: Channels::new(64) };

/// The faster of a kernel's copy and the driver's own: kernels of a software driver do not reach
/// its memory bandwidth.
fn bytes(gpu: &Gpu, seconds: f64) -> Result<f64> {
    let mut tape = Tape::new();
    let x = tape.input("x", COPIED);
    let y = tape.copy(x);
    let program = prepare(gpu, &tape, y)?;
    let kernel = time(&program, &(0..program.dispatch_count()), seconds / 2.0)?.min;
    Ok(2.0 * COPIED.bytes() as f64 / kernel.min(driver_copy(gpu, seconds / 2.0)?))
}

/// Seconds that the driver needs for the same copy.
fn driver_copy(gpu: &Gpu, seconds: f64) -> Result<f64> {
    const REPEATS: u32 = 4;
    let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let make = |label| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: COPIED.bytes(),
            usage,
            mapped_at_creation: false,
        })
    };
    let (from, to) = gpu.scoped("copy", || (make("copy from"), make("copy to")))?;
    let copy = || -> Result<f64> {
        let start = Instant::now();
        gpu.scoped("copy", || {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            (0..REPEATS)
                .for_each(|_| encoder.copy_buffer_to_buffer(&from, 0, &to, 0, COPIED.bytes()));
            gpu.queue().submit([encoder.finish()]);
        })?;
        gpu.wait("copy")?;
        Ok(start.elapsed().as_secs_f64() / f64::from(REPEATS))
    };
    // The first one also clears the buffers.
    copy()?;
    let (started, mut least) = (Instant::now(), copy()?);
    while started.elapsed().as_secs_f64() < seconds {
        least = least.min(copy()?);
    }
    Ok(least)
}

/// Chains of multiply-adds, one vec4 of `y` per invocation. For measuring only: the result is not
/// used.
#[derive(Debug)]
struct MultiplyAdd {
    chains: u32,
    rounds: u32,
}

/// Multiply-adds on each chain per iteration of the kernel's loop: `TURN` in `fma.wgsl`.
const TURN: u32 = 16;

impl MultiplyAdd {
    fn flop(&self, y: &Shape) -> u64 {
        2 * 4 * u64::from(self.chains * self.rounds * TURN) * y.vec4s()
    }
}

impl Op for MultiplyAdd {
    fn name(&self) -> &'static str {
        "fma"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let vec4s = node.outputs[0].shape.vec4s();
        let d = Dispatch::new("fma", "chains").tune("CHAINS", self.chains).bind("y", Bind::Out(0));
        vec![
            d.u("vec4s", vec4s as u32)
                .u("rounds", self.rounds)
                .f("a", 0.999)
                .f("b", 0.001)
                .over(vec4s),
        ]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("fma", "it is for measuring only")
    }
}

/// The best of several numbers of chains: few do not hide latency, many do not fit the registers.
fn flops(gpu: &Gpu, seconds: f64) -> Result<(f64, Clock)> {
    // A GPU needs many invocations to be busy, a CPU few.
    let (invocations, rounds) = if gpu.is_software() { (1 << 12, 64) } else { (1 << 19, 64) };
    let (mut best, mut clock) = (0.0f64, Clock::Wall);
    for chains in [1, 2, 4, 8] {
        let (op, shape) = (MultiplyAdd { chains, rounds }, Shape::new(1, 1, invocations, 4));
        let flop = op.flop(&shape) as f64;
        let mut tape = Tape::new();
        let y = tape.push_one(op, &[], shape);
        let program = prepare(gpu, &tape, y)?;
        let timing = time(&program, &(0..program.dispatch_count()), seconds / 4.0)?;
        (best, clock) = (best.max(flop / timing.min), timing.clock);
    }
    Ok((best, clock))
}
