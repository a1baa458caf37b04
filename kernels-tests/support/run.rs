//! A tape with the values of its operands, run node by node under the checks of
//! `Program::run_checked`.

use super::fill;
use pixtape::ops::{Dispatch, Lowering, Method, Op, Tuning};
use pixtape::store::{Layout, Param};
use pixtape::{
    Backward, Channels, Gpu, Plan, PlanOptions, Program, Result, Shape, StepValues, Store, Tape,
    Tensor,
};
use std::sync::Arc;

/// Layout of a tensor in its buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lay {
    /// Alone.
    Dense,
    /// Among other channels: an offset, and a stride wider than its pixels.
    Strided,
}

/// Channels before and behind a strided tensor. 5 leave padding before it.
const BEFORE: u32 = 5;
const BEHIND: u32 = 3;

/// A parameter and its tensor on the tape.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub param: Param,
    pub tensor: Tensor,
}

/// A tape and a store being filled.
#[derive(Default)]
pub struct Case {
    pub tape: Tape,
    pub store: Store,
    inputs: Vec<(Tensor, Vec<f32>)>,
    values: Vec<(Param, Vec<f32>)>,
    /// Which variants convolutions take, if not those of the rule.
    pub tuning: Option<Tuning>,
    /// Nothing is fused.
    pub plain: bool,
}

impl Case {
    pub fn new() -> Self {
        Case::default()
    }

    /// A host tensor with its logical values, NHWC.
    pub fn input(&mut self, label: &str, shape: Shape, values: &[f32]) -> Tensor {
        assert_eq!(values.len() as u64, shape.elements(), "{label} {shape}");
        let tensor = self.tape.input(label, shape);
        self.inputs.push((tensor, values.to_vec()));
        tensor
    }

    /// A host tensor, or a slice of a larger one whose other channels hold noise.
    pub fn operand(&mut self, label: &str, shape: Shape, values: &[f32], lay: Lay) -> Tensor {
        if lay == Lay::Dense {
            return self.input(label, shape, values);
        }
        let joint =
            Channels::concat(&[BEFORE.into(), shape.c, BEHIND.into()]).expect("at most 4 parts");
        let (own, all) = (shape.c.logical() as usize, joint.logical() as usize);
        let mut larger = fill::reals(shape.pixels() as usize * all, 0x0dd, 100.0, 200.0);
        for (to, from) in larger.chunks_mut(all).zip(values.chunks(own)) {
            to[BEFORE as usize..][..own].copy_from_slice(from);
        }
        let larger = self.input(label, shape.with_channels(joint), &larger);
        self.tape.slice(larger, Channels::new(BEFORE).vec4s(), shape.c).expect("it lies there")
    }

    /// Puts the result of a node into a concatenation, between others. Read the tensor itself, but
    /// keep the returned one.
    pub fn result(&mut self, tensor: Tensor, lay: Lay) -> Tensor {
        if lay == Lay::Dense {
            return tensor;
        }
        let shape = self.tape.shape(tensor);
        let [before, behind] =
            [BEFORE, BEHIND].map(|c| self.tape.fill(shape.with_channels(c), 7.0));
        self.tape.concat(&[before, tensor, behind]).expect("at most 4 parts")
    }

    /// A trainable tensor of the store with its values in public order.
    pub fn param(&mut self, name: &str, layout: Layout, values: &[f32]) -> Parameter {
        assert_eq!(values.len(), layout.elements(), "{name}");
        let param = self.store.param("test", name, layout);
        self.values.push((param.clone(), values.to_vec()));
        let tensor = self.tape.param(&self.store, &param);
        Parameter { param, tensor }
    }

    /// A running statistic of the store.
    pub fn running(&mut self, name: &str, channels: Channels, values: &[f32]) -> Parameter {
        let param = self.store.running("test", name, channels);
        self.values.push((param.clone(), values.to_vec()));
        let tensor = self.tape.param(&self.store, &param);
        Parameter { param, tensor }
    }

    /// Records the derivative of `<y, dy>`: gradients as [`Tape::backward`] returns them.
    pub fn backward(&mut self, y: Tensor, dy: Tensor, wrt: &[Tensor]) -> Vec<Option<Tensor>> {
        self.backward_all(&[(y, dy)], wrt)
    }

    /// Records the derivative of the sum of `<y, dy>`.
    pub fn backward_all(
        &mut self,
        seeds: &[(Tensor, Tensor)],
        wrt: &[Tensor],
    ) -> Vec<Option<Tensor>> {
        let losses: Vec<Tensor> = seeds
            .iter()
            .map(|&(y, dy)| self.tape.push_one(Seed, &[y, dy], Shape::scalar()))
            .collect();
        self.tape.backward(&losses, wrt).expect("it has a derivative")
    }

    /// Plans with guards, prepares, writes all values, runs a checked step.
    pub fn run(self, gpu: &Gpu, keep: &[Tensor]) -> Done {
        self.run_step(gpu, keep, &StepValues { step: 1, seed: 42, ..StepValues::default() })
    }

    /// The same with step values of one's own.
    pub fn run_step(self, gpu: &Gpu, keep: &[Tensor], values: &StepValues) -> Done {
        let done = self.prepare(gpu, keep);
        done.step(values);
        done
    }

    /// Everything but the step.
    pub fn prepare(mut self, gpu: &Gpu, keep: &[Tensor]) -> Done {
        // An unused parameter behind the others in every page: nothing may write there.
        let guard = self.store.param("test", "guard", Layout::Vector(GUARD.into()));
        let plan = Plan::new(
            &self.tape,
            &self.store,
            keep,
            gpu.family(),
            PlanOptions {
                guards: true,
                tuning: self.tuning.take().map(Arc::new),
                fuse: !self.plain,
                ..crate::support::plan_options()
            },
        );
        let program =
            plan.and_then(|p| p.prepare(gpu, &self.store)).unwrap_or_else(|e| panic!("{e}"));
        for (tensor, values) in &self.inputs {
            match program.write(*tensor, values) {
                // A tensor that no live node reads is no tensor of the plan.
                Ok(()) | Err(pixtape::Error::Usage(_)) => (),
                Err(e) => panic!("{e}"),
            }
        }
        for (param, values) in &self.values {
            self.store.write(gpu, param.value, &param.layout, values).unwrap();
        }
        for id in [Some(guard.value), guard.gradient].into_iter().flatten() {
            self.store.write(gpu, id, &guard.layout, &[GUARD as f32; GUARD as usize]).unwrap();
        }
        Done { gpu: gpu.clone(), tape: self.tape, store: self.store, program, guard }
    }
}

const GUARD: u32 = 64;

/// A case on its device.
pub struct Done {
    pub gpu: Gpu,
    pub tape: Tape,
    pub store: Store,
    pub program: Program,
    guard: Param,
}

impl Done {
    /// A checked step; also looks at the guard behind the parameters.
    #[track_caller]
    pub fn step(&self, values: &StepValues) {
        if let Err(e) = pollster::block_on(self.program.run_checked(values)) {
            panic!("{e}");
        }
        for id in [Some(self.guard.value), self.guard.gradient].into_iter().flatten() {
            let words =
                pollster::block_on(self.store.read(&self.gpu, id, &self.guard.layout)).unwrap();
            assert!(
                words.iter().all(|w| *w == GUARD as f32),
                "something was written behind the last parameter"
            );
        }
    }

    /// The tolerance row of its convolutions; `None` if they are exact on integers.
    pub fn filtered(&self) -> Option<&'static str> {
        let methods =
            self.program.plan().nodes().iter().filter_map(|n| n.variant()).map(|v| v.method);
        methods
            .filter(|m| !m.is_exact())
            .max_by_key(|m| *m as usize)
            .map(|m| if m == Method::Winograd6 { "winograd6" } else { "winograd5" })
    }

    /// Logical values of a kept tensor, NHWC.
    pub fn read(&self, tensor: Tensor) -> Vec<f32> {
        pollster::block_on(self.program.read(tensor)).unwrap()
    }

    /// Values of a parameter or statistic in public order.
    pub fn value(&self, p: &Parameter) -> Vec<f32> {
        pollster::block_on(self.store.read(&self.gpu, p.param.value, &p.param.layout)).unwrap()
    }

    /// The gradient of a parameter in public order.
    pub fn gradient(&self, p: &Parameter) -> Vec<f32> {
        pollster::block_on(self.store.read(
            &self.gpu,
            p.param.gradient.expect("trainable"),
            &p.param.layout,
        ))
        .unwrap()
    }

    /// Whether the padding of a parameter's value (and, if it has them, gradient and moments) is
    /// zero on the device.
    pub fn padding_is_zero(&self, p: &Parameter) -> bool {
        let places = p.param.layout.places();
        let ids = [Some(p.param.value), p.param.gradient]
            .into_iter()
            .flatten()
            .chain(p.param.moments.into_iter().flatten());
        ids.into_iter().all(|id| {
            let (buffer, offset) = self.store.on_device(&self.gpu, id).unwrap();
            let bytes = pollster::block_on(pixtape::gpu::read_buffer(
                &self.gpu,
                &buffer,
                offset,
                p.param.layout.shape().bytes(),
                "padding",
            ))
            .unwrap();
            let mut words: Vec<f32> =
                bytes.chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            places.iter().for_each(|place| words[*place as usize] = 0.0);
            words.iter().all(|w| *w == 0.0)
        })
    }
}

/// The inner product of its operands, of which only the derivative is ever planned: it passes the
/// second operand on as the gradient of the first.
#[derive(Debug)]
struct Seed;

impl Op for Seed {
    fn name(&self) -> &'static str {
        "seed"
    }

    fn lower(&self, _: &Lowering<'_>) -> Vec<Dispatch> {
        unreachable!("its value is not kept")
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let dy = b.inputs[1];
        b.give(0, dy);
        Ok(())
    }
}
