//! Filters of pictures on the device, without anything trained.

mod edges;

pub use edges::{EdgeFilter, EdgeOptions};
