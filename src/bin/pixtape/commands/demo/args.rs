//! Flags of `demo`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// What to show.
    #[arg(long, value_enum, default_value = "labels")]
    pub task: TaskName,
    /// The task that a model is best known for: pix2pix (labels), cycle_gan (zebra) or pix2pixHD
    /// (streets).
    #[arg(long, value_enum, conflicts_with = "task")]
    pub model: Option<DemoModel>,
    /// Folder for the images and the page.
    #[arg(long, default_value = "demo")]
    pub out: PathBuf,
    /// Seed of images and weights.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Steps to train, instead of what fits the device.
    #[arg(long)]
    pub steps: Option<u64>,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

impl DemoArgs {
    /// The task that is asked for, by its name or by that of a model.
    pub fn task(&self) -> TaskName {
        match self.model {
            None => self.task,
            Some(DemoModel::Pix2Pix) => TaskName::Labels,
            Some(DemoModel::CycleGan) => TaskName::Zebra,
            Some(DemoModel::Pix2PixHd) => TaskName::Streets,
        }
    }
}

/// What people translate images for.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[value(rename_all = "snake_case")]
pub(crate) enum TaskName {
    /// Label maps to facades.
    Labels,
    /// Black-and-white photographs to colour.
    Colorize,
    /// Edges to photographs, and sketches.
    Edges,
    /// Views from the air to street maps.
    Map,
    /// Street maps to views from the air.
    Aerial,
    /// Day to night.
    Night,
    /// Poses and clothes to dressed figures.
    Pose,
    /// Captions of a small vocabulary to houses.
    Text,
    /// Photographs to paintings and back, without pairs.
    Paintings,
    /// Horses to zebras and back, without pairs.
    Zebra,
    /// Maps of labels and instances to streets, in several looks.
    Streets,
}

/// A model of the family.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[value(rename_all = "snake_case")]
pub(crate) enum DemoModel {
    #[value(name = "pix2pix")]
    Pix2Pix,
    CycleGan,
    #[value(name = "pix2pixHD")]
    Pix2PixHd,
}
