//! What the device can do at best: multiply-adds on registers, and copying.

use super::time;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::{Bind, Dispatch, Lowering, Op};
use crate::plan::{Plan, PlanOptions, Program};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Backward, Tape, Tensor};

/// Measured ceilings: what rows are held against, since nobody publishes them for every device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ceilings {
    /// Multiply-adds, in FLOP a second.
    pub flops: f64,
    /// Copying from buffer to buffer, bytes read and written, a second.
    pub bytes: f64,
}

impl Ceilings {
    /// Measures both, each for about `seconds`.
    pub fn measure(gpu: &Gpu, seconds: f64) -> Result<Ceilings> {
        Ok(Ceilings { flops: flops(gpu, seconds)?, bytes: bytes(gpu, seconds)? })
    }
}

fn prepare(gpu: &Gpu, tape: &Tape, keep: Tensor) -> Result<Program> {
    let store = Store::new();
    Plan::new(tape, &store, &[keep], gpu.family(), PlanOptions::default())?.prepare(gpu, &store)
}

/// Copies 64 MiB: more than caches hold, on most devices.
fn bytes(gpu: &Gpu, seconds: f64) -> Result<f64> {
    let shape = Shape::new(1, 1024, 256, 64);
    let mut tape = Tape::new();
    let x = tape.input("x", shape);
    let y = tape.copy(x);
    let program = prepare(gpu, &tape, y)?;
    Ok(2.0 * shape.bytes() as f64 / time(&program, &(0..program.dispatch_count()), seconds)?.min)
}

/// Chains of multiply-adds, `y` a vec4 an invocation. Only for measuring: it computes nothing of use.
#[derive(Debug)]
struct MultiplyAdd {
    chains: u32,
    rounds: u32,
}

/// Multiply-adds on each chain in a turn of the kernel's loop: `TURN` in `fma.wgsl`.
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
        vec![d.u("vec4s", vec4s as u32).u("rounds", self.rounds).f("a", 0.999).f("b", 0.001).over(vec4s)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("fma", "it is for measuring only")
    }
}

/// The best of several numbers of chains: few hide no latency, many do not fit the registers.
fn flops(gpu: &Gpu, seconds: f64) -> Result<f64> {
    // A GPU needs many invocations to fill it; a CPU is full with few, and slower.
    let (invocations, rounds) = if gpu.is_software() { (1 << 12, 64) } else { (1 << 19, 64) };
    let mut best: f64 = 0.0;
    for chains in [1, 2, 4, 8] {
        let (op, shape) = (MultiplyAdd { chains, rounds }, Shape::new(1, 1, invocations, 4));
        let flop = op.flop(&shape) as f64;
        let mut tape = Tape::new();
        let y = tape.push_one(op, &[], shape);
        let program = prepare(gpu, &tape, y)?;
        best = best.max(flop / time(&program, &(0..program.dispatch_count()), seconds / 4.0)?.min);
    }
    Ok(best)
}
