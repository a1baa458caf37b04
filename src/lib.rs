//! Trains and runs pix2pix and CycleGAN on any GPU: hand-written WGSL kernels on [`wgpu`], a tape
//! that differentiates by recording more operations, and no framework.
//!
//! The command line program of the same name is built on this library and on nothing else. What it
//! does, how fast it is and how to install it is in the
//! [README](https://github.com/pixtape/pixtape#readme); this page is for programs that embed the
//! library.
//!
//! # From a net to numbers
//!
//! 1. **Record**: a [`Tape`] takes operations on [`Shape`]s. Nothing runs, but everything is
//!    checked. Parameters live in a [`Store`], which outlives steps.
//! 2. **Differentiate**: [`Tape::backward`] records the gradient as more operations.
//! 3. **Plan**: a [`Plan`] decides on order, kernels and memory, without a device.
//! 4. **Prepare**: [`Plan::prepare`] compiles kernels and allocates every buffer, once, on a
//!    [`Gpu`]. The result is a [`Program`].
//! 5. **Step**: [`Program::step`] submits. Or [`Program::encode`] appends the work to an encoder of
//!    yours.
//!
//! ```
//! # fn main() -> pixtape::Result<()> {
//! #     match example() { Err(pixtape::Error::Adapter(_)) => Ok(()), done => done }
//! # }
//! # fn example() -> pixtape::Result<()> {
//! use pixtape::gpu::Request;
//! use pixtape::store::Layout;
//! use pixtape::{Conv, Gpu, Plan, PlanOptions, Shape, StepValues, Store, Tape};
//!
//! let mut store = Store::new();
//! let weight = store.param("net", "weight", Layout::Conv { ci: 3.into(), co: 4, kernel: 3 });
//!
//! let mut tape = Tape::new();
//! let x = tape.input("x", Shape::new(1, 8, 8, 3));
//! let w = tape.param(&store, &weight);
//! let y = tape.conv2d(x, w, None, Conv::new(3, 1, 1))?;
//! let loss = tape.mse(y, 1.0);
//! tape.backward(&[loss], &[w])?; // the gradient goes into the store, beside the weight
//!
//! let gpu = pollster::block_on(Gpu::request(&Request::default()))?;
//! let plan = Plan::new(&tape, &store, &[loss], gpu.family(), PlanOptions::default())?;
//! let program = plan.prepare(&gpu, &store)?;
//! program.write(x, &[0.5; 8 * 8 * 3])?;
//! program.step(&StepValues::default())?;
//! // All weights are still 0, and so is y.
//! assert_eq!(pollster::block_on(program.read(loss))?, [1.0]);
//! # Ok(())
//! # }
//! ```
//!
//! # Training and translating
//!
//! [`train::Pix2Pix`] and [`train::CycleGan`] put all that together: [`train::Training`] shows a
//! step. [`train::Translator`] runs a generator. `examples/` in the repository teaches both in
//! order, from one kernel to a training.
//!
//! # In a program with a device of its own
//!
//! [`Gpu::from_parts`] takes your [`wgpu::Device`] and queue (the crate re-exports [`wgpu`], so
//! that versions agree). It works within WebGPU's default limits, requires no feature, installs no
//! handler, and submits only in calls that say so. What fails is an [`Error`] and never a panic in
//! your frame: each call to the device runs in an error scope. [`host::TextureTranslator`] takes a
//! generator from texture to texture in your encoder, all at once or in slices of a frame's time;
//! [`train::Training::encode`] appends a training step. Several networks share the memory of a step
//! through a [`plan::Scratch`].
//!
//! # In a browser
//!
//! The library compiles to `wasm32-unknown-unknown` with `default-features = false`, with or
//! without `io`. There, waiting means awaiting: [`train::Training::submit`] and
//! [`losses`](train::Training::losses) take the place of `step` and `finish`, and what the device
//! reports late is returned by the next call as [`Error::Uncaptured`].
//!
//! # Features
//!
//! - none: the engine, networks, models and their training.
//! - `io`: images, datasets, a prefetching loader, weights of several formats, checkpoints, and
//!   what a run is on disk ([`io`], [`run`]).
//! - `cli` (default): the command line program.
//!
//! The library prints nothing and reads no environment variables, except those of wgpu (`WGPU_…`)
//! when it looks for an adapter.
//!
//! # Results
//!
//! The same program on the same device gives the same bits every time. Devices differ by rounding.
//! Memory is allocated when a program is prepared; steps allocate none.
// Links to `io` and `run` only lead somewhere with the features.
#![cfg_attr(not(feature = "io"), allow(rustdoc::broken_intra_doc_links))]

mod error;
pub mod filters;
pub mod gpu;
pub mod host;
#[cfg(feature = "io")]
pub mod io;
pub mod nets;
pub mod ops;
pub mod picture;
pub mod plan;
pub mod rng;
#[cfg(all(feature = "io", not(target_arch = "wasm32")))]
pub mod run;
#[cfg(all(feature = "io", not(target_arch = "wasm32")))]
pub mod session;
mod shader;
mod shape;
pub mod store;
mod tape;
#[doc(hidden)]
pub mod testing;
pub mod train;
pub mod tune;

pub use error::{Error, Result, printable, printable_report};
pub use gpu::Gpu;
pub use plan::{Plan, PlanOptions, Program, StepValues};
pub use shape::{Channels, Conv, MAX_PARTS, Shape};
pub use store::Store;
pub use tape::{Backward, Info, Node, Source, Tape, Tensor};
/// The version of wgpu that devices, queues and encoders have to come from.
pub use wgpu;

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
