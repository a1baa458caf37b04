//! You will learn: how a network is recorded, what the tape checks, and how `backward` records
//! the gradient as more operations.
//!
//! Run: `cargo run --release --example 02_tape`
//!
//! Expect: `the slope along the gradient is …, differences say …`

use pixtape::ops::Act;
use pixtape::store::Layout;
use pixtape::{Conv, Gpu, Plan, PlanOptions, Result, Shape, StepValues, Store, Tape};

fn main() -> Result<()> {
    let gpu = pollster::block_on(Gpu::request(&Default::default()))?;

    // Parameters live in the store, by name and in the layout of public files: a 3x3 convolution
    // from 3 to 8 channels, and its bias.
    let mut store = Store::new();
    let weight = store.param("net", "weight", Layout::Conv { ci: 3.into(), co: 8, kernel: 3 });
    let bias = store.param("net", "bias", Layout::Vector(8.into()));

    let mut tape = Tape::new();
    let x = tape.input("x", Shape::new(1, 8, 8, 3));
    let (w, b) = (tape.param(&store, &weight), tape.param(&store, &bias));

    // The scope is the first part of the labels: errors and reports name the place.
    tape.scope("net/first");
    let refused = tape.conv2d(x, w, None, Conv::new(11, 1, 0)).unwrap_err();
    println!("a mistake is reported where it is made: {refused}");

    let h = tape.conv2d(x, w, Some(b), Conv::new(3, 2, 1))?;
    println!("{} becomes {}", tape.shape(x), tape.shape(h));
    let y = tape.act(h, Act::Tanh);
    tape.scope("loss");
    let loss = tape.mse(y, 0.5);

    let forward = tape.nodes().len();
    tape.backward(&[loss], &[w, b])?;
    println!("{forward} operations forward, and for the gradient:");
    for node in &tape.nodes()[forward..] {
        println!("  {}", node.label);
    }

    let program = Plan::new(&tape, &store, &[loss], gpu.family(), PlanOptions::default())?
        .prepare(&gpu, &store)?;
    program.write(x, &wave(3 * 64, 0.7))?;
    store.write(&gpu, bias.value, &bias.layout, &[0.0; 8])?;

    // The loss at given weights. Gradients of parameters are written into the store.
    let values = wave(weight.layout.elements(), 0.3);
    let at = |values: &[f32]| -> Result<f64> {
        store.write(&gpu, weight.value, &weight.layout, values)?;
        program.step(&StepValues::default())?;
        Ok(pollster::block_on(program.read(loss))?[0].into())
    };
    at(&values)?;
    let gradient = pollster::block_on(store.read(
        &gpu,
        weight.gradient.expect("it is trainable"),
        &weight.layout,
    ))?;

    // Move a little along the gradient, both ways: the loss changes by its length.
    let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let by = 0.02;
    let moved = |way: f64| {
        values
            .iter()
            .zip(&gradient)
            .map(|(v, g)| v + (way * by * f64::from(*g) / length) as f32)
            .collect::<Vec<_>>()
    };
    let slope = (at(&moved(1.0))? - at(&moved(-1.0))?) / (2.0 * by);
    println!("the slope along the gradient is {length:.4}, differences say {slope:.4}");
    assert!((slope - length).abs() < 0.01 * length);
    Ok(())
}

/// Some numbers between -0.5 and 0.5.
fn wave(count: usize, pace: f32) -> Vec<f32> {
    (0..count).map(|i| (pace * i as f32).sin() / 2.0).collect()
}
