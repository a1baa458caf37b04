//! You will learn: how one operation runs, from a shape to numbers, and that it computes its
//! formula.
//!
//! Run: `cargo run --release --example 01_one_kernel`
//!
//! Expect: `100 values of leaky_relu agree with the loop on the CPU`
//!
//! Everything here works in five stages: record, differentiate, plan, encode, submit. This example
//! needs four of them.

use pixtape::ops::Act;
use pixtape::{Gpu, Plan, PlanOptions, Result, Shape, StepValues, Store, Tape};

const SLOPE: f32 = 0.2;

fn main() -> Result<()> {
    // A device: the best adapter.
    let gpu = pollster::block_on(Gpu::request(&Default::default()))?;
    println!("on {}", gpu.name());

    // Record. A tape knows shapes, [images, rows, columns, channels], but no values; nothing runs
    // yet.
    let mut tape = Tape::new();
    let shape = Shape::new(1, 4, 5, 5);
    let x = tape.input("x", shape);
    let y = tape.act(x, Act::LeakyRelu(SLOPE));

    // Plan: buffers and dispatches. Tensors that the host reads must be named, the others may share
    // memory.
    let store = Store::new();
    let plan = Plan::new(&tape, &store, &[y], gpu.family(), PlanOptions::default())?;
    println!("{plan}");

    // Create buffers and pipelines, once.
    let program = plan.prepare(&gpu, &store)?;

    // A step: write values, submit, read values. Channels are padded to whole vec4s on the device;
    // write and read convert.
    let values: Vec<f32> = (0..shape.elements()).map(|i| i as f32 * 0.5 - 25.0).collect();
    program.write(x, &values)?;
    program.step(&StepValues::default())?;
    let got = pollster::block_on(program.read(y))?;

    // The same in a loop. One multiplication rounds the same way everywhere, so results are equal.
    for (x, y) in values.iter().zip(&got) {
        let expected = if *x > 0.0 { *x } else { SLOPE * x };
        assert_eq!(*y, expected, "leaky_relu({x})");
    }
    println!("{} values of leaky_relu agree with the loop on the CPU", got.len());
    Ok(())
}
