//! Flags of a training: the device and its kernels.

use crate::options::values::bytes;
use clap::Args;
use pixtape::plan::PlanOptions;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The device and its kernels.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case", next_help_heading = "Device")]
pub(crate) struct DeviceArgs {
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    #[serde(skip)]
    pub adapter: Option<String>,
    /// Refuse to plan more device memory than this (bytes; 500MiB and 2GiB are understood).
    #[arg(long, value_parser = bytes)]
    #[serde(skip)]
    pub memory_limit: Option<u64>,
    /// Which kernels: auto (measured before; on a GPU what is missing is measured first), cache,
    /// now (all measured anew), off (a built-in rule), or a file of `pixtape tune --out`. A
    /// continued run stays with its own.
    #[arg(long, value_parser = tune, value_name = "auto|off|cache|now|FILE")]
    #[serde(skip)]
    pub tune: Option<Tune>,
    /// Need less device memory: make what gradients need of the forward pass again, a part at a
    /// time, instead of keeping it. The results are the same; a step takes up to a third longer.
    #[arg(long)]
    #[serde(skip)]
    pub recompute: bool,
    /// Give every tensor memory of its own (for finding faults).
    #[arg(long, hide = true)]
    #[serde(skip)]
    pub no_reuse: bool,
}

impl DeviceArgs {
    /// How a step is planned.
    pub fn plan(&self) -> PlanOptions {
        PlanOptions {
            memory_limit: self.memory_limit,
            reuse: !self.no_reuse,
            recompute: self.recompute,
            ..PlanOptions::default()
        }
    }
}

/// What `--tune` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Tune {
    /// What is in the cache; before a training on a GPU what is missing is measured.
    #[default]
    Auto,
    /// The built-in rule.
    Off,
    /// What is in the cache.
    Cache,
    /// Everything is measured.
    Now,
    /// What a file says.
    File(PathBuf),
}

pub(crate) fn tune(text: &str) -> std::result::Result<Tune, String> {
    Ok(match text {
        "" => return Err("auto, off, cache, now, or a file".into()),
        "auto" => Tune::Auto,
        "off" => Tune::Off,
        "cache" => Tune::Cache,
        "now" => Tune::Now,
        file => Tune::File(file.into()),
    })
}
