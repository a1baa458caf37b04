//! What a run is on disk: its options, its folder with logs and checkpoints, where it stands, and
//! the generators found in it.

mod checkpoints;
mod description;
mod features;
mod folder;
mod frozen;
mod generator;
mod initial;
mod labels;
mod logs;
mod names;
mod opening;
pub mod options;
mod state;

pub use checkpoints::{Found, newest, weights_name};
pub use description::describe;
pub use features::{FeatureBank, FeatureCentres, Look};
pub use folder::{About, RunFolder, lock, refuse_held, write_json};
pub use frozen::load_frozen;
pub use generator::{Checkpoint, Generator};
pub use initial::InitialWeights;
pub use labels::{Encoder, LabelGenerator, LabelInput};
pub use logs::Log;
pub use names::FEATURES_FILE;
pub use opening::Opening;
pub use options::Options;
pub use state::State;

/// The commit this was built from, if the build was told.
pub const COMMIT: Option<&str> = option_env!("PIXTAPE_COMMIT");

/// A training of whichever model the options name.
pub type Trainer = crate::train::Training<crate::train::AnyModel>;
