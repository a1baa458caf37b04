//! `prepare instances`: makes instance maps from label maps.

use crate::commands::prepare::work::{Common, Job, pictures, renamed, run_all};
use crate::options::ReadingArgs;
use clap::{Args, ValueEnum};
use pixtape::io::{Connectivity, IndexMap};
use pixtape::{Error, Result};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Flags of `prepare instances`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct InstancesArgs {
    /// A folder of label maps (gray or palette PNG, TIFF, npy: a class per pixel), or one label
    /// map.
    #[arg(long)]
    input: PathBuf,
    /// Folder for the instance maps.
    #[arg(long)]
    output: PathBuf,
    /// Classes whose connected components are instances: 24-33 or 11,13,24-33; all (but 0) or none.
    /// Instance k of class c gets the number c * 1000 + k; other pixels get the class, as in
    /// Cityscapes.
    #[arg(long, default_value = "all", value_parser = things)]
    things: Things,
    /// Neighbours of a pixel: the 4 that share a side, or 8 with those that share a corner.
    #[arg(long, value_enum, default_value = "8")]
    connectivity: Neighbours,
    /// Components of fewer pixels are no instances: they get the class.
    #[arg(long, value_name = "PIXELS", default_value_t = 1)]
    min_area: u32,
    /// Bits of a number: 16 (PNG) for classes up to 65, 32 (TIFF) for more.
    #[arg(long, value_enum, default_value = "16")]
    bits: Bits,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    common: Common,
}

/// Classes that have instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Things(Vec<RangeInclusive<u32>>);

/// Bits of an instance's number.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bits {
    #[value(name = "16")]
    Sixteen,
    #[value(name = "32")]
    ThirtyTwo,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Neighbours {
    #[value(name = "4")]
    Four,
    #[value(name = "8")]
    Eight,
}

impl Things {
    fn has(&self, class: u32) -> bool {
        self.0.iter().any(|range| range.contains(&class))
    }
}

impl Bits {
    /// As a number.
    pub fn count(self) -> u32 {
        match self {
            Bits::Sixteen => 16,
            Bits::ThirtyTwo => 32,
        }
    }

    /// The format that holds them.
    pub fn extension(self) -> &'static str {
        match self {
            Bits::Sixteen => "png",
            Bits::ThirtyTwo => "tiff",
        }
    }
}

fn things(text: &str) -> std::result::Result<Things, String> {
    let number = |s: &str| s.trim().parse::<u32>().ok().filter(|class| (1..1000).contains(class));
    let range = |part: &str| match part.split_once('-') {
        Some((low, high)) => Some(number(low)?..=number(high)?).filter(|r| !r.is_empty()),
        None => number(part).map(|class| class..=class),
    };
    match text {
        "all" => Ok(Things(vec![1..=999])),
        "none" => Ok(Things(Vec::new())),
        _ => text.split(',').map(range).collect::<Option<Vec<_>>>().map(Things).ok_or_else(|| {
            "classes from 1 to 999, as 24-33 or 11,13,24-33; all, or none (the numbers of class 0 \
             would be those of other classes)"
                .into()
        }),
    }
}

pub(crate) fn run(args: &InstancesArgs) -> Result<()> {
    let reading = args.reading.reading();
    let job = |file: &PathBuf| {
        Job::new(file, renamed(file, &args.input, &args.output, args.bits.extension()))
    };
    let jobs: Vec<Job> = pictures(&args.input, &args.output)?.iter().map(job).collect();
    let connectivity = match args.connectivity {
        Neighbours::Four => Connectivity::Four,
        Neighbours::Eight => Connectivity::Eight,
    };
    let total = AtomicUsize::new(0);
    run_all(&args.common, &jobs, |_, job| {
        let from = &job.from[0];
        let labels = IndexMap::load_as(from, reading)?;
        let (map, count) = labels
            .instances(|class| args.things.has(class), args.min_area, connectivity)
            .map_err(|e| {
                let why = format!("{e}; --things and --min_area leave classes or specks out");
                Error::file(from, why)
            })?;
        total.fetch_add(count, Ordering::Relaxed);
        save(&map, from, &job.to[0], args.bits)
    })?;
    println!("{} instances", total.into_inner());
    Ok(())
}

/// Writes an instance map of `from`.
pub(crate) fn save(map: &IndexMap, from: &Path, to: &Path, bits: Bits) -> Result<()> {
    if map.bits() > bits.count() {
        let largest = map.data.iter().max().copied().unwrap_or(0);
        let why = format!(
            "has instance {largest}, above the 65535 of 16 bits; give --bits 32, which writes TIFF"
        );
        return Err(Error::file(from, why));
    }
    map.save(to, bits.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ranges_and_lists() {
        let has = |text: &str, class| things(text).unwrap().has(class);
        assert!(has("all", 1) && has("all", 999) && !has("all", 0) && !has("none", 7));
        assert!(has("11, 13,24-33", 33) && has("11,13,24-33", 11) && !has("11,13,24-33", 12));
        for bad in ["", "0", "0-3", "5-3", "1000", "a", "1,,2", "-3"] {
            assert!(things(bad).is_err(), "{bad}");
        }
    }
}
