#![doc = include_str!("../README.md")]

mod error;
pub mod filters;
pub mod gpu;
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
pub mod shader;
mod shape;
pub mod store;
mod tape;
pub mod train;
pub mod tune;

pub use error::{Error, Result};
pub use gpu::Gpu;
pub use plan::{Plan, PlanOptions, Program, StepValues};
pub use shape::{Channels, Conv, MAX_PARTS, Shape};
pub use store::Store;
pub use tape::{Backward, Info, Node, Source, Tape, Tensor};
