//! A program of one pass of a convolution, and values to run it on.

use crate::error::Result;
use crate::gpu::Gpu;
use crate::ops::{Convolution, Fused, Problem, Tuning};
use crate::plan::{Plan, PlanOptions, Program};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use std::sync::Arc;
use std::time::Instant;

/// Bytes of operands as they lie on the device, between -1 and 1; lanes without a channel are zero.
pub(super) fn operands(shapes: &[Shape]) -> Vec<Vec<u8>> {
    const TABLE: u32 = 1 << 14;
    let bytes = |(stream, shape): (u32, &Shape)| {
        let table: Vec<f32> = (0..TABLE)
            .map(|i| crate::rng::random(i, stream, 0, 0)[0] as i32 as f32 / 2_147_483_648.0)
            .collect();
        let (width, places) = (shape.c.physical() as usize, shape.c.places().collect::<Vec<_>>());
        let mut all = vec![0f32; shape.bytes() as usize / 4];
        // An odd table never falls into step with the rows.
        let mut values = table[1..].iter().cycle();
        for pixel in all.chunks_mut(width) {
            for place in &places {
                pixel[*place as usize] = *values.next().expect("it cycles");
            }
        }
        bytemuck::cast_slice(&all).to_vec()
    };
    (0..).zip(shapes).map(bytes).collect()
}

/// A program of one pass.
pub(super) struct Single {
    program: Program,
    output: Tensor,
}

impl Single {
    /// Makes it. `values` are the operands', then that of the fused mask if there is one.
    pub fn new(
        gpu: &Gpu,
        problem: &Problem,
        tuning: Tuning,
        fused: Fused,
        values: &[Vec<u8>],
    ) -> Result<Single> {
        let Problem { inputs: [a, b], output, border, .. } = *problem;
        let shapes = [a, b, output];
        let used = if fused.mask.is_some() { 3 } else { 2 };
        let mut tape = Tape::new();
        let inputs: Vec<Tensor> =
            shapes[..used].iter().map(|shape| tape.input("operand", *shape)).collect();
        let result = tape.push_one(
            Convolution { fused: Fused { border, ..fused }, ..Convolution::of(problem) },
            &inputs,
            output,
        );
        let store = Store::new();
        let options =
            PlanOptions { fuse: false, tuning: Some(Arc::new(tuning)), ..PlanOptions::default() };
        let program =
            Plan::new(&tape, &store, &[result], gpu.family(), options)?.prepare(gpu, &store)?;
        for (tensor, bytes) in inputs.iter().zip(values) {
            program.write_bytes(*tensor, bytes)?;
        }
        Ok(Single { program, output: result })
    }

    /// Runs it some times over and returns the seconds that one run takes.
    pub fn run(&self, repeats: usize) -> Result<f64> {
        let gpu = self.program.gpu();
        let start = Instant::now();
        gpu.scoped("tuning", || {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            (0..repeats)
                .for_each(|_| self.program.encode(&mut encoder, 0..self.program.dispatch_count()));
            gpu.submit(encoder);
        })?;
        gpu.wait("tuning")?;
        Ok(start.elapsed().as_secs_f64() / repeats as f64)
    }

    /// What it computed.
    pub fn result(&self) -> Result<Vec<f32>> {
        pollster::block_on(self.program.read(self.output))
    }
}
