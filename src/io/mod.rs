//! Files around the engine: images, datasets, a prefetching loader, weights, metrics, atomic
//! writing.
//!
//! An image is interleaved (HWC), of 8 bits, 16 bits or floats, with any number of channels; a
//! batch is the same with a leading batch axis (NHWC). 8-bit values become floats on the device,
//! others here.

pub mod append;
pub mod aside;
pub mod checkpoint;
pub mod dataset;
pub mod file;
pub mod index_map;
pub mod kmeans;
pub mod lab;
pub mod label_edit;
pub mod limits;
pub mod loader;
pub mod matching;
pub mod metrics;
pub mod palette;
pub mod picture;
pub mod text;
#[cfg(not(target_arch = "wasm32"))]
pub mod tuning;
pub mod weights;

pub use append::Append;
pub use aside::{abandon_unfinished, create_dir, write_aside, write_aside_with};
pub use dataset::{
    Checked, Dataset, DatasetOptions, Direction, Frame, LabelSet, Mask, Misfit, PlaneData,
    Preprocess, Presence, Sample, Size, Task,
};
pub use index_map::{Connectivity, IndexHeader, IndexMap, Region, instance_number};
pub use label_edit::LabelEdit;
pub use loader::{Batch, Loader};
pub use matching::{matched_by_order, matched_files};
pub use picture::{
    AnyPicture, Depth, Header, Kind, LeftOut, Listing, Loaded, NoData, Picture, Reading,
    list_pictures, name_key,
};
pub use text::read_text;
