//! `prepare check`: reports on a folder and its misfits, as a training would find them.

mod folders;
mod sets;

use crate::commands::prepare::work::{Common, bar, each};
use crate::messages::{shown, with_flags};
use crate::options::Reading;
use clap::Args;
use folders::{Folders, Head};
use pixtape::io::picture::{Kind, is_picture};
use pixtape::io::{AnyPicture, Checked, Dataset, DatasetOptions, IndexMap, Listing, Task};
use pixtape::run::Options;
use pixtape::run::options::{Layer, ModelKind};
use pixtape::{Error, Result};
use sets::{Set, What};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Flags of `prepare check`: its own, and those of a training that say how files are read.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct CheckArgs {
    /// The folder to check: what --dataroot of a training names, one above it, or a list of pairs.
    /// With --model, --dataset_mode or --phase only what that training would read is checked.
    #[arg(long)]
    input: PathBuf,
    /// Number of threads [default: number of processors].
    #[arg(long)]
    num_threads: Option<usize>,
    #[command(flatten)]
    reading: Reading,
}

/// What there is to say.
#[derive(Default)]
struct Report {
    layouts: Vec<String>,
    notes: Vec<String>,
    misfits: Vec<String>,
}

pub(crate) fn run(args: &CheckArgs) -> Result<()> {
    let input = &args.input;
    let common = Common { overwrite: false, num_threads: args.num_threads };
    let mut report = Report::default();
    let given = &args.reading.given;
    let exact = ["model", "dataset_mode", "phase"].iter().any(|name| given.gives(name));
    if input.is_file() && is_image(input) {
        one_image(input, &mut report);
    } else if input.is_file() || exact {
        if input.is_dir() {
            describe(&common, input, &mut report)?;
        }
        // As it is said, and what such a training measures itself by.
        let options = options(given, input)?;
        report.check(&common, &options.dataset()?, &options, None);
        let val = options.dataset()?.plain("val");
        if options.data.phase != "val" && input.is_dir() && val.has_phase("val") {
            report.check(&common, &val, &options, None);
        }
    } else {
        let folders = describe(&common, input, &mut report)?;
        for set in sets::of(input, &folders) {
            report.set(&common, given, input, &folders, &set)?;
        }
    }
    report.print(input)
}

/// The options of a training that is told what is given.
fn options(given: &Layer, root: &Path) -> Result<Options> {
    let mut options = Options::from_layers(None, &[given])?;
    options.dataroot = Some(root.into());
    Ok(options)
}

/// Whether a file is an image and not a list of them.
fn is_image(file: &Path) -> bool {
    is_picture(file) || matches!(Kind::of_file(file), Ok(Kind::Read(_) | Kind::Unread(_)))
}

fn one_image(file: &Path, report: &mut Report) {
    match Head::read(file).and_then(|head| AnyPicture::load(file).map(|_| head)) {
        Ok(head) => report.layouts.push(format!("{}: one image, {head}", shown(file))),
        Err(error) => report.misfits.push(with_flags(error)),
    }
}

/// Prints a line on each folder.
fn describe(common: &Common, input: &Path, report: &mut Report) -> Result<Folders> {
    let Listing { files, left_out } = Listing::of(input)?;
    let folders = Folders::read(common, input, files)?;
    if folders.is_empty() && sets::lists(input).is_empty() {
        let ending = left_out.ending();
        return Err(Error::file(input, format!("has no images{ending}")));
    }
    folders.lines(input).for_each(|line| println!("{line}"));
    report.notes.extend(left_out.note());
    report.notes.extend(folders.notes());
    Ok(folders)
}

impl Report {
    /// Checks a set that was found in the folder.
    fn set(
        &mut self,
        common: &Common,
        given: &Layer,
        input: &Path,
        folders: &Folders,
        set: &Set,
    ) -> Result<()> {
        let model = match &set.what {
            What::Maps(folder) => {
                self.layouts.push(format!("{}: maps of indices", shown(folder)));
                self.maps(common, &folders.below(folder, input));
                return Ok(());
            }
            What::Labels { .. } => ModelKind::Pix2PixHd,
            _ => ModelKind::Pix2Pix,
        };
        let word = Layer::of(&[("model", &model.to_string())])?;
        let mut options = Options::from_layers(None, &[&word, &given.of_model(model)])?;
        options.dataroot = Some(set.root.clone());
        if set.what.is_of_images() {
            options.hd.label_nc = 0;
        }
        let mut data = DatasetOptions { phase: set.phase.clone(), ..options.dataset()? };
        if let (What::Labels { features, .. }, Task::Labels(labels)) = (&set.what, &mut data.task) {
            labels.features |= features;
            if labels.classes > 0 && !given.gives("label_nc") {
                // Whatever labels there are: the line on the set says how many.
                labels.classes = u32::MAX;
            }
        }
        if ["val", "test"].contains(&set.phase.as_str()) {
            data = data.plain(&set.phase);
        }
        self.check(common, &data, &options, Some((folders, input, set)));
        Ok(())
    }

    /// Checks what a training with these options would read.
    fn check(
        &mut self,
        common: &Common,
        data: &DatasetOptions,
        options: &Options,
        found: Option<(&Folders, &Path, &Set)>,
    ) {
        // Each file is read once: there is nothing to keep.
        let once = DatasetOptions { cache: 0, ..data.clone() };
        let Checked { misfits, advice, dataset, .. } = match Dataset::check(once, &|_, _| ()) {
            Ok(checked) => checked,
            Err(error) => return self.misfits.push(with_flags(error)),
        };
        let progress = bar(dataset.len());
        let more = dataset.verify(common.threads(), &|done, all| {
            progress.set_length(all as u64);
            progress.set_position(done as u64);
        });
        progress.finish_and_clear();
        let text = match found {
            Some((folders, input, set)) => sets::text(folders, input, set, &dataset),
            None => format!("{}: {}", options.model, dataset.summary()),
        };
        self.layouts.push(text);
        let misfits: Vec<_> = misfits.iter().chain(&more).collect();
        self.misfits.extend(
            misfits.iter().map(|m| with_flags(format!("{}: {}", shown(&m.path), m.message))),
        );
        // With misfits that is no wonder.
        if let Err(error) = dataset.fills_a_batch()
            && misfits.is_empty()
        {
            self.misfits.push(with_flags(error));
        }
        let left_out = dataset.left_out().note();
        let notes = dataset.notes().into_iter().filter(|note| Some(note) != left_out.as_ref());
        self.notes.extend(notes.chain(advice).map(with_flags));
        let data = &options.data;
        self.notes.push(format!(
            "read as train --model {} --dataset_mode {} --preprocess {} --load_size {} --crop_size \
             {} would; such flags are flags of this command too",
            options.model, data.dataset_mode, data.preprocess, data.load_size, data.crop_size
        ));
    }

    /// Decodes maps that belong to no images.
    fn maps(&mut self, common: &Common, files: &[PathBuf]) {
        let found: Mutex<Vec<(usize, String)>> = Mutex::default();
        let done = each(common, files.len(), |at| {
            if let Err(error) = IndexMap::load(&files[at]) {
                let mut found = found.lock().unwrap_or_else(|e| e.into_inner());
                found.push((at, with_flags(error)));
            }
            Ok(())
        });
        debug_assert!(done.is_ok());
        let mut found = found.into_inner().unwrap_or_else(|e| e.into_inner());
        found.sort();
        self.misfits.extend(found.into_iter().map(|(_, misfit)| misfit));
    }

    fn print(mut self, input: &Path) -> Result<()> {
        self.layouts.iter().for_each(|l| println!("layout: {l}"));
        let mut said = std::collections::HashSet::new();
        self.notes.retain(|note| said.insert(note.clone()));
        self.notes.iter().for_each(|n| println!("note: {}", with_flags(n)));
        self.misfits.iter().for_each(|m| println!("misfit: {m}"));
        if self.misfits.is_empty() {
            println!("no misfits");
            return Ok(());
        }
        Err(Error::file(input, format!("{} misfit(s), listed above", self.misfits.len())))
    }
}
