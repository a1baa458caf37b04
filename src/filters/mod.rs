//! Filters of images on the device, without anything trained.

mod edges;
mod ops;

pub use edges::{EdgeFilter, EdgeOptions};
pub use ops::{Components, GaussianBlur, Luma, NonMaximum, OPS, Sobel, Thin};
