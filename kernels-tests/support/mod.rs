//! What the kernel tests share: the device, values to fill tensors with, a comparer with one
//! tolerance table, a checked run.
//!
//! ```text
//! let Some(gpu) = support::gpu() else { return };
//! let mut case = Case::new();
//! let x = case.input("x", Shape::new(1, 5, 7, 3), &values);      // host tensor with its values
//! let w = case.param("w", layout, &weights);                     // stored, public layout; case.tape.param(…) is w.tensor
//! let y = case.tape.conv2d(x, w.tensor, None, conv)?;
//! let dx = case.backward(y, dy, &[x, w.tensor])[0];              // any dy, no loss needed
//! let done = case.run(gpu, &[y]);                                // Program::run_checked with guards
//! done.read(y); done.gradient(&w); done.value(&w);
//! ```
// Every test target takes what it needs.
#![allow(dead_code, unused_imports)]

pub mod cases;
pub mod compare;
pub mod conv;
pub mod device;
pub mod edges;
pub mod env;
pub mod fill;
pub mod random_net;
pub mod reference;
pub mod run;
pub mod weights;

pub use cases::{each, parts, shapes};
pub(crate) use compare::{assert_close, assert_exact};
pub use compare::{rounding, trust};
pub use device::{families, family, gpu, reducers};
pub use env::{plan_options, request, with_gradients};
pub use fill::{bits, integers, normals, reals};
pub use reference::{directional, dot, wide};
pub use run::{Case, Done, Lay, Parameter};
