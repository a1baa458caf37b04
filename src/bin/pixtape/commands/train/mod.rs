//! `pixtape train` and `pixtape resume`: from options to a session with its observers.

mod options;

pub(crate) use options::{dataset_options, given, has_option, resolved};

use crate::commands::tune::{self, Tuned};
use crate::device::starting::Starting;
use crate::messages::with_flags;
use crate::options::{TalkArgs, TrainArgs, TrainCommand, Tune};
use crate::outputs::json::JsonLines;
use crate::outputs::report::Live;
use crate::outputs::tensorboard::Board;
use crate::outputs::terminal::{self, Terminal, Warnings};
use clap::ArgMatches;
use options::{check, of_files, resumed};
use pixtape::gpu::Gpu;
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::{Dataset, DatasetOptions};
use pixtape::plan::PlanOptions;
use pixtape::run::{About, Opening, Trainer};
use pixtape::session::{Session, SessionOptions};
use pixtape::train::AnyModel;
use pixtape::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Trains.
pub(crate) fn run(command: TrainCommand, matches: Option<&ArgMatches>) -> Result<()> {
    let TrainCommand { train, talk } = command;
    let mut args = options(train, matches)?;
    let opening = opening(&args)?;
    let dataset = Arc::new(scan(dataset_options(&args)?)?);
    args.resolve(&dataset);
    let (args, config) = (&args, args.config(dataset.image_size())?);
    let init = initial_weights(args, &opening)?;
    let gpu = crate::device::gpu(args.device.adapter.as_deref())?;
    let tuned = tuned(args, &gpu, &config, &opening)?;
    let mut starting = Starting::new(&gpu);
    let plan_options = tuned.options(args.device.plan());
    let mut trainer = Trainer::with_progress(&gpu, config, plan_options, &mut |done, total| {
        starting.show(done, total)
    })?;
    load_initial(&mut trainer, &init, &args.model)?;
    let about = recorded(args, &trainer)?;
    let folder = opening.open(&mut trainer, about)?;
    let mut session = Session::with_progress(
        trainer,
        dataset.clone(),
        folder,
        args.optim.schedule()?,
        settings(args),
        tuned.options(PlanOptions::default()),
        &mut |done, total| starting.show(done, total),
    )?;
    drop(starting);
    observe(&mut session, args, &talk, &dataset, &tuned)?;
    // A second Ctrl-C, or a handler that cannot be set, ends the program at once.
    let stop = session.stop_flag();
    let _ = ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    session.run().map(drop)
}

/// The options of the run: given ones over those of the run that is resumed, or over the model's
/// defaults.
fn options(mut args: TrainArgs, matches: Option<&ArgMatches>) -> Result<TrainArgs> {
    if args.run.continue_train {
        args = resumed(args, matches)?;
    } else {
        args.model_defaults(|id| given(matches, id));
    }
    check(&args, matches)?;
    if !args.unpaired() && given(matches, "pool_size") {
        eprintln!("note: --pool_size has no meaning for --model {} and is ignored", args.model);
    }
    Ok(args)
}

/// The run's folder, before anything is written to it.
fn opening(args: &TrainArgs) -> Result<Opening> {
    let (path, overwrite) = (args.folder(), args.run.overwrite);
    let opening = if args.run.continue_train {
        Opening::resume(&path, overwrite)?
    } else {
        Opening::create(&path, overwrite)?
    };
    opening.notes().iter().for_each(|note| eprintln!("note: {}", with_flags(note)));
    Ok(opening)
}

/// Opens a dataset, with a bar while many headers are read.
pub(crate) fn scan(options: DatasetOptions) -> Result<Dataset> {
    let bar = terminal::scan();
    let dataset = Dataset::open_with(options, &|done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    dataset
}

/// The files of `--init_G` and the like, by network; a resumed run has its own weights.
fn initial_weights(args: &TrainArgs, opening: &Opening) -> Result<Vec<(&'static str, TensorFile)>> {
    let files = args.nets.init().filter(|_| opening.found().is_none());
    files.map(|(net, file)| Ok((net, TensorFile::read(file)?))).collect()
}

fn load_initial(
    trainer: &mut Trainer,
    init: &[(&'static str, TensorFile)],
    model: &str,
) -> Result<()> {
    let gpu = trainer.program().gpu().clone();
    for (net, file) in init {
        let network = trainer.networks().into_iter().find(|(name, ..)| name == net);
        let (_, weights, _) = network.ok_or_else(|| {
            Error::Usage(format!("--init_{net}: --model {model} has no such network"))
        })?;
        file.load_into(&gpu, trainer.store(), weights)?;
    }
    trainer.restart_average()
}

/// The kernels: a resumed run's own, or those that `--tune` says.
fn tuned(args: &TrainArgs, gpu: &Gpu, config: &AnyModel, opening: &Opening) -> Result<Tuned> {
    // Refuses what does not fit before anything is measured.
    let plan = Trainer::plan(config, gpu.family(), args.device.plan())?;
    let loads = pixtape::tune::problems(&plan);
    let given = args.device.tune.as_ref();
    match opening.found() {
        Some(_) => tune::of_run(gpu, &loads, opening.path(), given.is_some()),
        None => tune::resolve(gpu, &loads, given.unwrap_or(&Tune::Auto), true),
    }
}

/// What the run's folder and files record of the run.
fn recorded(args: &TrainArgs, trainer: &Trainer) -> Result<About> {
    let (options, keep) = (resolved(args)?, args.run.keep as usize);
    let config = crate::options::config::text(&options)?;
    Ok(About { config, keep, ..About::new(options, of_files(args)?, trainer) })
}

fn settings(args: &TrainArgs) -> SessionOptions {
    SessionOptions {
        first_epoch: args.optim.epoch_count,
        epochs: args.optim.n_epochs + args.optim.n_epochs_decay,
        max_steps: args.run.max_steps,
        threads: args.data.num_threads,
        save_epoch_freq: args.run.save_epoch_freq,
        save_latest_freq: args.run.save_latest_freq,
        save_by_iter: args.run.save_by_iter,
        val_freq: args.run.val_freq,
        early_stop: args.run.early_stop,
    }
}

/// Adds what shows the session to people and programs.
fn observe(
    session: &mut Session<'_>,
    args: &TrainArgs,
    talk: &TalkArgs,
    dataset: &Dataset,
    tuned: &Tuned,
) -> Result<()> {
    if !session.trainer().description().paired && args.data.direction == "BtoA" {
        session.note(format!(
            "A in names of this run (G_A, real_A) is what comes from {}B/",
            args.data.phase
        ));
    }
    let folder = session.folder().path().to_path_buf();
    if args.run.tensorboard {
        session.observe(Board::open(&folder.join("tensorboard"), session.trainer().steps())?);
    }
    session.observe(Live::new(&folder));
    session.observe(Warnings);
    match (talk.json, talk.quiet) {
        (true, _) => session.observe(JsonLines::new(args.run.print_freq)),
        (_, true) => {}
        _ => {
            let opening = opening_text(session, &args.nets.net_g, dataset, tuned);
            session.observe(Terminal::new(opening, args.run.print_freq));
        }
    }
    Ok(())
}

/// What is trained, on what, and what the losses mean.
fn opening_text(session: &Session<'_>, net: &str, dataset: &Dataset, tuned: &Tuned) -> String {
    let trainer = session.trainer();
    let (gpu, plan) = (trainer.program().gpu(), trainer.program().plan());
    let mut text = format!(
        "{net} on {} ({} kernels)\ndata: {}\nkernels: {tuned}\nplan: {}",
        gpu.name(),
        gpu.family(),
        described(dataset),
        plan.memory()
    );
    let [all, again] = [plan.cost(), plan.recomputed()].map(|cost| cost.flop as f64 / 1e9);
    if again > 0.0 {
        text += &format!("; {again:.1} of {all:.1} GFLOP per step recompute activations");
    }
    let levels = trainer.description().chance_by_name();
    if !levels.is_empty() {
        text += &format!(
            "\nlosses where D cannot tell real from fake (chance): {levels}; losses are shown with \
             their weights"
        );
    }
    text
}

/// A dataset in words.
fn described(dataset: &Dataset) -> String {
    let ([a, b], [deep_a, deep_b], (w, h)) =
        (dataset.channels(), dataset.depths(), dataset.frame().content);
    if let Some([inputs, targets]) = dataset.unpaired_counts() {
        return format!(
            "{inputs} and {targets} images of {w}x{h}, {a} channels of {deep_a} and {b} of \
             {deep_b}"
        );
    }
    format!("{} pairs of {w}x{h}, {a} channels of {deep_a} to {b} of {deep_b}", dataset.len())
}
