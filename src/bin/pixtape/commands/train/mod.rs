//! `pixtape train`: setting up.

mod diverged;
mod options;
mod progress;
mod session;
mod validation;
mod watch;

pub(crate) use options::{dataset_options, given, has_option, resolved};
pub(crate) use progress::peak_memory;

use crate::commands::tune;
use crate::device::starting::Starting;
use crate::messages::with_flags;
use crate::options::{TrainCommand, Tune};
use crate::outputs::tensorboard::Board;
use crate::samples::Samples;
use clap::ArgMatches;
use options::{COMMIT, about, check, resumed};
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::{Dataset, DatasetOptions};
use pixtape::plan::PlanOptions;
use pixtape::run::Trainer;
use pixtape::run::{About, RunFolder, lock, newest, refuse_held};
use pixtape::train::{Description, Model};
use pixtape::tune::Identity;
use pixtape::{Error, Result};
use progress::Progress;
use serde_json::{Map, Value, json};
use session::Session;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use validation::Validation;
use watch::{Seen, Watch};

/// Set by Ctrl-C: finish the step, save, stop.
static STOP: AtomicBool = AtomicBool::new(false);

/// Opens the pictures, with a bar while many headers are read.
pub(crate) fn scan(options: DatasetOptions) -> Result<Dataset> {
    let bar = progress::scan();
    let dataset = Dataset::open_with(options, &|done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    dataset
}

/// What a dataset's pictures are, for people.
fn described(dataset: &Dataset) -> String {
    let ([a, b], [deep_a, deep_b], (w, h)) =
        (dataset.channels(), dataset.depths(), dataset.frame().content);
    if let Some([inputs, targets]) = dataset.heaps() {
        return format!(
            "{inputs} and {targets} pictures of {w}x{h}, {a} channels of {deep_a} and {b} of \
             {deep_b}"
        );
    }
    format!("{} pairs of {w}x{h}, {a} channels of {deep_a} to {b} of {deep_b}", dataset.len())
}

/// Trains.
pub(crate) fn run(command: TrainCommand, matches: Option<&ArgMatches>) -> Result<()> {
    let TrainCommand { train: args, talk } = command;
    let mut progress = Progress::new(&talk);
    let mut args = args;
    if args.run.continue_train {
        args = resumed(args, matches)?;
    } else {
        args.model_defaults(|id| given(matches, id));
    }
    check(&args, matches)?;
    if !args.unpaired() && given(matches, "pool_size") {
        eprintln!("note: --pool_size has no meaning for --model {} and is ignored", args.model);
    }
    let path = args.folder();
    let held = if args.run.continue_train { Some(lock(&path)?) } else { None };
    let found = if args.run.continue_train { newest(&path)? } else { None };
    match &found {
        Some(found) => found.refused.iter().for_each(|e| {
            eprintln!("note: {}; resuming from step {} instead", with_flags(e), found.state.step)
        }),
        None if args.run.continue_train && !args.run.overwrite && has_weights(&path) => {
            let message = "holds weights but no checkpoint to go on from; start another run from \
                           them with --init_G and --init_D, or replace them with --overwrite";
            return Err(Error::file(path, message));
        }
        None if args.run.continue_train => {
            eprintln!("note: {}: no checkpoint yet, the run begins anew", path.display())
        }
        None => {}
    }
    let mut schedule = args.optim.schedule()?;
    if let Some(found) = &found {
        schedule.state = found.state.schedule;
    }
    let dataset = Arc::new(scan(dataset_options(&args)?)?);
    args.resolve(&dataset);
    let args = args;
    let config = args.config(dataset.image_size())?;
    let model = config.describe();
    if !args.run.continue_train {
        refuse_held(&path, args.run.overwrite)?;
    }
    let init = args
        .nets
        .init()
        .filter(|_| found.is_none())
        .map(|(net, file)| Ok((net, TensorFile::read(file)?)))
        .collect::<Result<Vec<_>>>()?;

    let gpu = crate::device::gpu(args.device.adapter.as_deref())?;
    let plan_options = args.device.plan();
    // Refuses what does not fit before anything is measured.
    let loads =
        pixtape::tune::problems(&Trainer::plan(&config, gpu.family(), plan_options.clone())?);
    let tuned = match &found {
        Some(_) => tune::of_run(&gpu, &loads, &path, args.device.tune.is_some())?,
        None => {
            tune::resolve(&gpu, &loads, args.device.tune.as_ref().unwrap_or(&Tune::Auto), true)?
        }
    };
    let mut starting = Starting::new(&gpu);
    let mut trainer =
        Trainer::with_progress(&gpu, config, tuned.options(plan_options), &mut |done, total| {
            starting.show(done, total)
        })?;
    for (net, file) in &init {
        let network = trainer.networks().into_iter().find(|(name, ..)| name == net);
        let (_, weights, _) = network.ok_or_else(|| {
            Error::Usage(format!("--init_{net}: --model {} has no such network", args.model))
        })?;
        file.load_into(&gpu, trainer.store(), weights)?;
    }
    trainer.restart_average()?;
    let about = About {
        options: resolved(&args)?,
        files: about(&args, &gpu, dataset.image_size())?,
        config: crate::options::config::text(&resolved(&args)?)?,
        correlations: !model.paired,
        keep: args.run.keep as usize,
    };
    let mut folder = match (&found, held) {
        (Some(found), Some(held)) => {
            // Before the folder is touched: a net that does not fit leaves it as it was.
            found.load(&mut trainer)?;
            RunFolder::open(&path, found, about, held)?
        }
        (_, held) => {
            let folder = RunFolder::create(
                &path,
                args.run.overwrite || args.run.continue_train,
                about,
                held,
            )?;
            folder.save_tuning(&tune::used(trainer.program()))?;
            folder
        }
    };
    let samples = Samples::new(
        &trainer,
        &args,
        &dataset,
        tuned.options(PlanOptions::default()),
        &mut |done, total| starting.show(done, total),
    )?;
    drop(starting);
    let validation = match args.run.val_freq {
        0 => None,
        // Without pairs there is nothing to measure against.
        _ if !model.paired => None,
        _ => Validation::open(&dataset, &folder.validation.read()?).unwrap_or_else(|e| {
            eprintln!("note: val/ is not used for validation: {}", with_flags(e));
            None
        }),
    };
    let first = trainer.steps();
    let board = if args.run.tensorboard {
        Some(Board::open(&path.join("tensorboard"), first)?)
    } else {
        None
    };
    let memory = trainer.program().plan().memory();
    let info = info(&trainer, &dataset);
    let text = format!(
        "{} on {} ({} kernels)\ndata: {}\nkernels: {tuned}\nplan: {memory}{}{}",
        args.nets.net_g,
        gpu.name(),
        gpu.family(),
        described(&dataset),
        again(&trainer),
        chance(&model)
    );
    progress.say("start", &text, info.clone());
    if !model.paired && args.data.direction == "BtoA" {
        let message = format!(
            "A in names of this run (G_A, real_A) is what comes from {}B/",
            args.data.phase
        );
        progress.say("note", &format!("note: {message}"), json!({ "message": message }));
    }
    dataset.notes().iter().map(with_flags).for_each(|note| {
        progress.say("note", &format!("note: {note}"), json!({ "message": note }))
    });
    (progress.images, progress.print_freq, progress.device_bytes, progress.model) = (
        trainer.common().pictures.into(),
        args.run.print_freq,
        memory.total(),
        Some(model.clone()),
    );
    // A second Ctrl-C, or a handler that cannot be set, ends the program at once.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    let position =
        found.as_ref().map_or((args.optim.epoch_count, 0), |f| (f.state.epoch, f.state.batch));
    let (watch, saved) = (watch(model, &mut folder)?, found.map(|f| f.state.step));
    let (epochs, recent) = (BTreeMap::new(), VecDeque::new());
    let bad = None;
    let (args, page) = (&args, crate::outputs::report::Live::new(folder.path()));
    Session {
        args,
        dataset,
        schedule,
        trainer,
        folder,
        samples,
        validation,
        watch,
        board,
        page,
        progress,
        info,
        position,
        epochs,
        recent,
        bad,
        saved,
    }
    .run()
}

/// The levels of chance of a model's losses, for people.
fn chance(model: &Description) -> String {
    let levels = model.chance_by_name();
    if levels.is_empty() {
        return levels;
    }
    format!(
        "\nlosses where D cannot tell real from fake (chance): {levels}; losses are shown with \
         their weights"
    )
}

/// What `--recompute` costs, for people.
fn again(trainer: &Trainer) -> String {
    let plan = trainer.program().plan();
    let (all, again) = (plan.cost().flop as f64 / 1e9, plan.recomputed().flop as f64 / 1e9);
    if again > 0.0 {
        format!("; {again:.1} of {all:.1} GFLOP a step are activations made again")
    } else {
        String::new()
    }
}

/// Whether a folder holds weights of networks.
fn has_weights(folder: &Path) -> bool {
    let mut names = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned());
    names.any(|name| name.contains("_net_") && name.ends_with(".safetensors"))
}

/// Watchers that stand where those of the run's log stood.
fn watch(model: Description, folder: &mut RunFolder) -> Result<Watch> {
    let said = folder
        .events
        .read()?
        .iter()
        .filter_map(|row| row["kind"].as_str().map(String::from))
        .collect();
    let generators: Vec<_> = model.generators.iter().map(|generator| generator.name).collect();
    let mut watch = Watch::new(model.clone(), said);
    for row in folder.losses()? {
        let number = |name: &str| row[name].as_u64().unwrap_or(0);
        watch.losses(Seen::new(&model, number("step"), number("epoch"), |name| row[name].as_f64()));
    }
    for row in folder.correlations()? {
        let found: Vec<f64> =
            generators.iter().map(|name| row[*name].as_f64().unwrap_or(f64::NAN)).collect();
        watch.correlations(row["step"].as_u64().unwrap_or(0), &found);
    }
    Ok(watch)
}

/// What a page about the run wants to know.
fn info(trainer: &Trainer, dataset: &Dataset) -> Value {
    let gpu = trainer.program().gpu();
    let (identity, memory) = (Identity::of(gpu), trainer.program().plan().memory());
    let parameters = trainer.networks().into_iter().map(|(net, weights, _)| {
        let count: usize =
            weights.params().filter(|p| p.gradient.is_some()).map(|p| p.layout.elements()).sum();
        (net.to_string(), Value::from(count))
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": COMMIT,
        "adapter": identity.adapter,
        "driver": identity.driver,
        "kernels": identity.family,
        "parameters": Map::from_iter(parameters),
        "memory": {
            "parameters": memory.parameters, "gradients": memory.gradients, "moments": memory.moments, "running": memory.running,
            "activations": memory.activations, "inputs": memory.inputs, "uniforms": memory.uniforms, "total": memory.total(),
        },
        "data": {
            "pairs": dataset.len(), "width": dataset.image_size().0, "height": dataset.image_size().1,
            "batch_size": trainer.common().pictures, "batches_per_epoch": dataset.batches_per_epoch(),
        },
        "process_peak_bytes": peak_memory(),
    })
}
