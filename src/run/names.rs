//! Names of the files in a run's folder.

/// Version of the folder's files.
pub(super) const FORMAT: u32 = 1;
/// The options as they were resolved.
pub(super) const OPTIONS: &str = "options.json";
/// The same as a TOML file.
pub(super) const CONFIG: &str = "config.toml";
/// The kernels that the run uses.
pub(super) const TUNING: &str = "tuning.json";
/// Device, memory and data.
pub(super) const INFO: &str = "info.json";
/// Held by the program that trains.
pub(super) const LOCK: &str = ".lock";
/// Where the newest checkpoint stands.
pub(super) const STATE: &str = "latest_state.json";
/// Adam's moments.
pub(super) const MOMENTS: &str = "latest_optimizer.safetensors";
/// Images generated earlier, of models that keep some.
pub(super) const POOLS: &str = "latest_pools.safetensors";
/// Centres of features by label, as [`FeatureCentres`](super::FeatureCentres) writes them.
pub const FEATURES_FILE: &str = "features.safetensors";
/// The checkpoints, a folder each.
pub(super) const FOLDER: &str = "checkpoints";
/// What goes with a checkpoint but is not of its step: the best weights so far.
pub(super) const BEST: &str = "best";
