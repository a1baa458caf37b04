//! Kernels to be timed by the page, which has the clock.

use crate::device::Device;
use crate::{Js, told};
use pixtape::ops::{Bind, Dispatch, Lowering, Op};
use pixtape::store::Layout;
use pixtape::{
    Backward, Conv, Gpu, Plan, PlanOptions, Program, Result, Shape, StepValues, Store, Tape, Tensor,
};
use wasm_bindgen::prelude::*;

/// One kernel, ready to run.
#[wasm_bindgen]
pub struct Bench {
    program: Program,
    flop: f64,
    bytes: f64,
}

/// Multiply-adds on one chain per iteration of the loop in `fma.wgsl`.
const TURN: u32 = 16;

/// Chains of multiply-adds on registers: what the device can at most.
#[derive(Debug)]
struct MultiplyAdd {
    chains: u32,
    rounds: u32,
}

impl Op for MultiplyAdd {
    fn name(&self) -> &'static str {
        "fma"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let vec4s = node.outputs[0].shape.vec4s();
        let d = Dispatch::new("fma", "chains").tune("CHAINS", self.chains).bind("y", Bind::Out(0));
        let d = d.u("vec4s", vec4s as u32).u("rounds", self.rounds);
        vec![d.f("a", 0.999).f("b", 0.001).over(vec4s)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("fma", "it is for measuring only")
    }
}

#[wasm_bindgen]
impl Bench {
    /// Multiply-adds on registers, on so many chains.
    pub fn multiply_adds(device: &Device, chains: u32) -> Js<Bench> {
        // A GPU needs many invocations to be busy, a CPU few.
        let (invocations, rounds) =
            if device.gpu.is_software() { (1 << 12, 64) } else { (1 << 19, 64) };
        let shape = Shape::new(1, 1, invocations, 4);
        let flop = 2 * 4 * u64::from(chains * rounds * TURN) * shape.vec4s();
        let mut tape = Tape::new();
        let y = tape.push_one(MultiplyAdd { chains, rounds }, &[], shape);
        Bench::make(&device.gpu, &tape, &Store::new(), y, flop as f64).map_err(told)
    }

    /// Copying `MiB` from buffer to buffer.
    pub fn copy(device: &Device, mebibytes: u32) -> Js<Bench> {
        let mut tape = Tape::new();
        let x = tape.input("x", Shape::new(1, mebibytes, 1024, 256));
        let y = tape.copy(x);
        Bench::make(&device.gpu, &tape, &Store::new(), y, 0.0).map_err(told)
    }

    /// A convolution of 4x4, stride 2, from `ci` channels at a side to `co` at half of it.
    pub fn convolution(device: &Device, side: u32, ci: u32, co: u32) -> Js<Bench> {
        let make = || -> Result<Bench> {
            let (mut store, mut tape) = (Store::new(), Tape::new());
            let weight =
                store.param("net", "weight", Layout::Conv { ci: ci.into(), co, kernel: 4 });
            let x = tape.input("x", Shape::new(1, side, side, ci));
            let w = tape.param(&store, &weight);
            let y = tape.conv2d(x, w, None, Conv::new(4, 2, 1))?;
            let out = u64::from(side / 2) * u64::from(side / 2);
            let flop = 2 * 16 * out * u64::from(ci) * u64::from(co);
            Bench::make(&device.gpu, &tape, &store, y, flop as f64)
        };
        make().map_err(told)
    }

    /// Submits it once.
    pub fn run(&self) -> Js<()> {
        self.program.step(&StepValues::default()).map_err(told)
    }

    /// Floating point operations of a run.
    pub fn flop(&self) -> f64 {
        self.flop
    }

    /// Bytes that a run reads and writes, at least.
    pub fn bytes(&self) -> f64 {
        self.bytes
    }
}

impl Bench {
    fn make(gpu: &Gpu, tape: &Tape, store: &Store, keep: Tensor, flop: f64) -> Result<Bench> {
        let plan = Plan::new(tape, store, &[keep], gpu.family(), PlanOptions::default().on(gpu))?;
        let bytes = plan.cost().bytes as f64;
        Ok(Bench { program: plan.prepare(gpu, store)?, flop, bytes })
    }
}
