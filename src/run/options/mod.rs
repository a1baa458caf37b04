//! The options of a training, typed.
//!
//! One [table](flags) declares each option once: its name, type, default by model, help, range and
//! the models it belongs to. Command lines, TOML files, options.json, help and refusals read it. A
//! source of values is a [`Layer`]; layers over the defaults of a model are [`Options`], and the
//! facts of a dataset make a configuration of them.
//!
//! ```no_run
//! use pixtape::io::Dataset;
//! use pixtape::run::{Options, options::ModelKind};
//! use pixtape::train::GanMode;
//!
//! let mut options = Options::new(ModelKind::Pix2Pix);
//! options.dataroot = Some("datasets/facades".into());
//! options.optim.gan_mode = GanMode::Lsgan;
//! let dataset = Dataset::open(options.dataset()?)?;
//! let config = options.resolve(&dataset)?;
//! # Ok::<(), pixtape::Error>(())
//! ```

mod choice;
mod config;
mod file;
mod flag;
mod group;
mod layers;
mod model;
mod models;
mod place;
mod table;
#[cfg(test)]
mod tests;
mod values;

pub use choice::{Choice, DatasetMode, ModelKind, NetD, OnOff};
pub use file::written;
pub use flag::{Kept, Opposite, Row, Set, Step};
pub use layers::Layer;
pub use table::{
    DataOptions, DeviceOptions, Flag, HdOptions, NetworkOptions, OptimiserOptions, Options,
    RunOptions, flags,
};
pub use values::{Bytes, Tune};

impl Default for Options {
    /// The defaults of pix2pix.
    fn default() -> Self {
        Options::new(ModelKind::Pix2Pix)
    }
}
