//! What a run is on disk: its folder with options, logs and checkpoints, and where it stands.

mod checkpoints;
pub mod config;
mod folder;
mod logs;
mod names;
mod opening;
mod state;

pub use checkpoints::{Found, newest, weights_name};
pub use folder::{About, RunFolder, lock, refuse_held, write_json};
pub use logs::Log;
pub use opening::Opening;
pub use state::State;

/// The commit this was built from, if the build was told.
pub const COMMIT: Option<&str> = option_env!("PIXTAPE_COMMIT");

/// A training of whichever model the options name.
pub type Trainer = crate::train::Training<crate::train::AnyModel>;
