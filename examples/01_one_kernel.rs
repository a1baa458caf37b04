//! You will learn: how one operation runs, from a shape to numbers, and that it does what its
//! formula says. Run: `cargo run --release --example 01_one_kernel` Expect:
//! `100 values of leaky_relu agree with the loop on the CPU`
//!
//! Five words say how everything here works: record, differentiate, plan, encode, submit. This
//! example needs four of them.

use pixtape::ops::Act;
use pixtape::{Gpu, Plan, PlanOptions, Result, Shape, StepValues, Store, Tape};

const SLOPE: f32 = 0.2;

fn main() -> Result<()> {
    // A device: the best adapter, or the one that PIXTAPE_ADAPTER names.
    let gpu = pollster::block_on(Gpu::request(&Default::default()))?;
    println!("on {}", gpu.name());

    // Record. A tape knows shapes, [pictures, rows, columns, channels], and no values; nothing runs
    // yet.
    let mut tape = Tape::new();
    let shape = Shape::new(1, 4, 5, 5);
    let x = tape.input("x", shape);
    let y = tape.act(x, Act::LeakyRelu(SLOPE));

    // Plan: which buffers, which dispatches. What the host wants to read has to be named, the rest
    // may share memory.
    let store = Store::new();
    let plan = Plan::new(&tape, &store, &[y], gpu.family(), PlanOptions::default())?;
    println!("{plan}");

    // Make buffers and pipelines, once.
    let program = plan.prepare(&gpu, &store)?;

    // A step: values in, submit, values out. Channels are padded to whole vec4s on the device;
    // write and read see to that.
    let values: Vec<f32> = (0..shape.elements()).map(|i| i as f32 * 0.5 - 25.0).collect();
    program.write(x, &values)?;
    program.step(&StepValues::default())?;
    let got = pollster::block_on(program.read(y))?;

    // The same in a loop. One multiplication rounds the same way everywhere, so equal means equal.
    for (x, y) in values.iter().zip(&got) {
        let expected = if *x > 0.0 { *x } else { SLOPE * x };
        assert_eq!(*y, expected, "leaky_relu({x})");
    }
    println!("{} values of leaky_relu agree with the loop on the CPU", got.len());
    Ok(())
}
