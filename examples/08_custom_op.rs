//! You will learn: how to add an operation of your own, with a kernel in WGSL and a gradient,
//! without touching the crate.
//!
//! Run: `cargo run --release --example 08_custom_op`
//!
//! Expect: `the slope along the gradient is …, differences say …`

use pixtape::ops::{Bind, Dispatch, Lowering, Op, Operand};
use pixtape::{Backward, Gpu, Plan, PlanOptions, Result, Shape, StepValues, Store, Tape, Tensor};

const KERNEL: &str = include_str!("08_custom_op.wgsl");

/// `y = log(1 + exp(x))`, element by element: same shape as `x`.
#[derive(Debug)]
struct Softplus;

/// `dx = dy / (1 + exp(-x))`. Inputs: `x`, `dy`.
#[derive(Debug)]
struct SoftplusBackward;

/// The parameter block, in the order of `Params`.
fn params(d: Dispatch, x: &Operand, y: &Operand, dy: &Operand) -> Dispatch {
    let vec4s = x.shape.vec4s();
    d.u("vec4s", vec4s as u32)
        .u("width", x.shape.c.vec4s())
        .view("x", x)
        .view("y", y)
        .view("dy", dy)
        .parts(&x.shape)
        .over(vec4s)
}

impl Op for Softplus {
    fn name(&self) -> &'static str {
        "softplus"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, y) = (&node.inputs[0], &node.outputs[0]);
        let d = Dispatch::of_text("softplus", KERNEL, "softplus")
            .bind("x", Bind::In(0))
            .bind("y", Bind::Out(0));
        vec![params(d, x, y, x)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        let (x, dy) = (b.inputs[0], b.dy());
        let shape = b.tape.shape(x);
        let dx = b.tape.push_one(SoftplusBackward, &[x, dy], shape);
        b.give(0, dx);
        Ok(())
    }
}

impl Op for SoftplusBackward {
    fn name(&self) -> &'static str {
        "softplus_bwd"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let (x, dy, dx) = (&node.inputs[0], &node.inputs[1], &node.outputs[0]);
        let d = Dispatch::of_text("softplus", KERNEL, "softplus_bwd")
            .bind("x", Bind::In(0))
            .bind("dy", Bind::In(1))
            .bind("dx", Bind::Out(0));
        vec![params(d, x, dx, dy)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse("softplus_bwd", "no second derivative was written for it")
    }
}

fn softplus(tape: &mut Tape, x: Tensor) -> Tensor {
    let shape = tape.shape(x);
    tape.push_one(Softplus, &[x], shape)
}

fn main() -> Result<()> {
    let gpu = pollster::block_on(Gpu::request(&Default::default()))?;
    let (mut tape, store) = (Tape::new(), Store::new());
    let x = tape.input("x", Shape::new(1, 8, 8, 6));
    let y = softplus(&mut tape, x);
    let loss = tape.mse(y, 0.5);
    let dx = tape.backward(&[loss], &[x])?[0].expect("the loss depends on x");
    let program = Plan::new(&tape, &store, &[loss, dx], gpu.family(), PlanOptions::default())?
        .prepare(&gpu, &store)?;

    let count = 8 * 8 * 6;
    let wave = |step: f32| -> Vec<f32> { (0..count).map(|i| (i as f32 * step).sin()).collect() };
    let (values, direction) = (wave(0.7), wave(0.3));
    let at = |values: &[f32]| -> Result<f64> {
        program.write(x, values)?;
        program.step(&StepValues::default())?;
        Ok(pollster::block_on(program.read(loss))?[0].into())
    };
    at(&values)?;
    let gradient = pollster::block_on(program.read(dx))?;
    let slope: f64 =
        gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
    let moved =
        |by: f32| -> Vec<f32> { values.iter().zip(&direction).map(|(v, d)| v + by * d).collect() };
    let difference = (at(&moved(0.01))? - at(&moved(-0.01))?) / 0.02;
    println!("the slope along the gradient is {slope:.5}, differences say {difference:.5}");
    assert!((slope - difference).abs() < 1e-3 * slope.abs().max(0.01), "they differ");
    Ok(())
}
