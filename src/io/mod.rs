//! Files around the engine: pictures, folders of pairs, a prefetching loader, metrics, safe writing.
//!
//! A picture is 8-bit, interleaved (HWC), one or three channels; a batch is the same with a leading
//! batch axis (NHWC). Values become floats on the device, not here.

pub mod aside;
pub mod cache_dir;
pub mod checkpoint;
pub mod dataset;
pub mod limits;
pub mod loader;
pub mod metrics;
pub mod picture;
#[cfg(not(target_arch = "wasm32"))]
pub mod tuning;
pub mod weights;

pub use aside::{create_dir, write_aside, write_aside_with};
pub use cache_dir::cache_dir;
pub use dataset::{AlignedDataset, AlignedOptions, Direction, Preprocess, Sample};
pub use loader::{Batch, Loader};
pub use picture::{Picture, list_pictures};
