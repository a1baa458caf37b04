//! `pixtape train`: setting up.

mod options;
mod progress;
mod session;

pub(super) use options::dataset_options;
pub(super) use progress::peak_memory;

use super::flags::{TrainArgs, Tune};
use super::run_folder::RunFolder;
use super::samples::Samples;
use super::starting::Starting;
use super::tune;
use crate::error::{Error, Result};
use crate::io::AlignedDataset;
use crate::io::checkpoint::TensorFile;
use crate::plan::PlanOptions;
use crate::train::{Pix2Pix, Schedule};
use clap::ArgMatches;
use options::{check, resumed};
use session::Session;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by Ctrl-C: finish the step, save, stop.
static STOP: AtomicBool = AtomicBool::new(false);

/// Trains.
pub(super) fn run(args: TrainArgs, matches: Option<&ArgMatches>) -> Result<()> {
    let args = if args.run.continue_train { resumed(args, matches)? } else { args };
    check(&args)?;
    let state = if args.run.continue_train { Some(RunFolder::state(&args.folder())?) } else { None };
    let schedule = Schedule {
        policy: args.optim.lr_policy.parse()?,
        lr: args.optim.lr,
        n_epochs: args.optim.n_epochs,
        n_epochs_decay: args.optim.n_epochs_decay,
        lr_decay_iters: args.optim.lr_decay_iters,
    };
    let options = dataset_options(&args)?;
    let dataset = Arc::new(AlignedDataset::open(options.clone())?);
    let config = args.config(dataset.image_size())?;
    if args.folder().join("options.json").exists() && !args.run.continue_train && !args.run.overwrite {
        return Err(Error::file(args.folder(), "holds a run already; go on with --continue_train, replace it with --overwrite, or choose another --name"));
    }
    let init: Vec<(usize, TensorFile)> = [(0, &args.nets.init_g), (1, &args.nets.init_d)]
        .into_iter()
        .filter_map(|(at, file)| file.as_ref().map(|f| TensorFile::read(f).map(|t| (at, t))))
        .collect::<Result<_>>()?;

    let gpu = super::gpu(args.device.adapter.as_deref())?;
    let plan_options = PlanOptions { memory_limit: args.device.memory_limit, reuse: !args.device.no_reuse, ..PlanOptions::default() };
    // Refuses what does not fit before anything is measured.
    let loads = crate::tune::problems(&Pix2Pix::plan(&config, gpu.family(), plan_options.clone())?);
    let tuned = match &state {
        Some(_) => tune::of_run(&gpu, &loads, &args.folder(), args.device.tune.is_some())?,
        None => tune::resolve(&gpu, &loads, args.device.tune.as_ref().unwrap_or(&Tune::Auto), true)?,
    };
    let mut starting = Starting::new(&gpu);
    let mut trainer = Pix2Pix::with_progress(&gpu, config, tuned.options(plan_options), &mut |done, total| starting.show(done, total))?;
    for (at, file) in &init {
        file.load_into(&gpu, trainer.store(), trainer.networks()[*at].1)?;
    }
    let folder = match &state {
        Some(state) => {
            RunFolder::load(&args.folder(), &mut trainer, state)?;
            RunFolder::open(&args.folder(), state.step)?
        }
        None => {
            let folder = RunFolder::create(&args.folder(), args.run.overwrite, &serde_json::to_value(&args).map_err(|e| Error::Internal(e.to_string()))?)?;
            folder.save_tuning(&tune::used(trainer.program()))?;
            folder
        }
    };
    let samples = Samples::new(&trainer, &args, &options, tuned.options(PlanOptions::default()), &mut |done, total| starting.show(done, total))?;
    drop(starting);
    println!("{} on {} ({} kernels), {} pairs", args.nets.net_g, gpu.name(), gpu.family(), dataset.len());
    println!("kernels: {tuned}");
    println!("plan: {}", trainer.program().plan().memory());
    // A second Ctrl-C, or a handler that cannot be set, ends the program at once.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    Session { args: &args, dataset, schedule, trainer, folder, samples, epochs: BTreeMap::new() }.run(state.as_ref())
}
