//! `pixtape train` and `pixtape resume`: from options to a session with its observers.

mod args;
mod asked;

pub(crate) use args::{ResumeArgs, TrainCommand};

use crate::commands::tune::{self, Tuned};
use crate::device::starting::Starting;
use crate::messages::with_flags;
use crate::outputs::Lenient;
use crate::outputs::json::JsonLines;
use crate::outputs::report::Live;
use crate::outputs::tensorboard::Board;
use crate::outputs::terminal::{self, Terminal, Warnings};
use args::TalkArgs;
use indicatif::ProgressBar;
use pixtape::Result;
use pixtape::gpu::Gpu;
use pixtape::io::{Dataset, DatasetOptions, Direction};
use pixtape::nets::GeneratorKind;
use pixtape::plan::PlanOptions;
use pixtape::run::options::{Layer, ModelKind, Tune};
use pixtape::run::{About, InitialWeights, Opening, Options, Trainer, load_frozen};
use pixtape::session::{Session, SessionOptions};
use pixtape::train::AnyModel;
use std::sync::Arc;

/// Flags of the weights that a new run starts from.
const INITIAL: [&str; 8] =
    ["init_G", "init_D", "init_G_A", "init_G_B", "init_D_A", "init_D_B", "init_E", "load_pretrain"];

/// Trains.
pub(crate) fn run(mut command: TrainCommand) -> Result<()> {
    let (options, given) = command.options()?;
    start(options, &given, &command.talk)
}

/// Resumes a run.
pub(crate) fn resume(mut args: ResumeArgs) -> Result<()> {
    let (options, given) = args.options()?;
    start(options, &given, &args.command.talk)
}

fn start(mut options: Options, given: &[Layer], talk: &TalkArgs) -> Result<()> {
    options.check_run()?;
    // Upstream has the flag for all models, and its pix2pix has no pool either.
    let poolless = matches!(options.model, ModelKind::Pix2Pix | ModelKind::Colorization);
    if poolless && given.iter().any(|layer| layer.gives("pool_size")) {
        eprintln!("note: --pool_size does not apply to --model {} and is ignored", options.model);
    }
    let opening = opening(&options)?;
    let dataset = Arc::new(scan(options.dataset()?)?);
    let config = options.resolve(&dataset)?;
    let args = &options;
    // A resumed run has its own weights.
    let initial = match opening.found() {
        Some(_) => {
            let unused = |flag: &str| given.iter().any(|layer| layer.gives(flag));
            INITIAL.into_iter().filter(|flag| unused(flag)).for_each(|flag| {
                eprintln!("note: --{flag} is ignored: a resumed run has its own weights");
            });
            InitialWeights::default()
        }
        None => InitialWeights::read(args)?,
    };
    let gpu = crate::device::gpu(args.device.adapter.as_deref())?;
    let tuned = tuned(args, &gpu, &config, &opening)?;
    let mut starting = Starting::new(&gpu);
    let plan_options = tuned.options(args.plan());
    let mut trainer = Trainer::with_progress(&gpu, config, plan_options, &mut |done, total| {
        starting.show(done, total)
    })?;
    load_frozen(args, &trainer)?;
    let notes = initial.load(&trainer)?;
    let about = About::new(args, &trainer)?;
    let folder = opening.open(&mut trainer, about)?;
    let mut session = Session::with_progress(
        trainer,
        dataset.clone(),
        folder,
        args.schedule(),
        SessionOptions::from(args),
        tuned.options(PlanOptions::default()),
        &mut |done, total| starting.show(done, total),
    )?;
    drop(starting);
    notes.into_iter().chain(args.notes()).for_each(|note| session.note(note));
    let bar = observe(&mut session, args, talk, &dataset, &tuned)?;
    let answering = asked::listen(&mut session, bar);
    let ended = session.run()?;
    if ended.interrupted {
        answering.ended();
    }
    Ok(())
}

/// The run's folder, before anything is written to it.
fn opening(args: &Options) -> Result<Opening> {
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

/// The kernels: a resumed run's own, or those that `--tune` says.
fn tuned(args: &Options, gpu: &Gpu, config: &AnyModel, opening: &Opening) -> Result<Tuned> {
    // Refuses what does not fit before anything is measured.
    let plan = Trainer::plan(config, gpu.family(), args.plan().on(gpu))?;
    let loads = pixtape::tune::problems(&plan);
    let given = args.device.tune.as_ref();
    match opening.found() {
        Some(_) => tune::of_run(gpu, &loads, opening.path(), given.is_some()),
        None => tune::resolve(gpu, &loads, given.unwrap_or(&Tune::Auto), true),
    }
}

/// Adds what shows the session to people and programs; returns the bar, where there is one.
fn observe(
    session: &mut Session<'_>,
    args: &Options,
    talk: &TalkArgs,
    dataset: &Dataset,
    tuned: &Tuned,
) -> Result<Option<ProgressBar>> {
    if !session.trainer().description().paired && args.data.direction == Direction::BtoA {
        session.note(format!(
            "A in names of this run (G_A, real_A) is what comes from {}B/",
            args.data.phase
        ));
    }
    let folder = session.folder().path().to_path_buf();
    if args.run.tensorboard {
        let board = Board::open(&folder.join("tensorboard"), session.trainer().steps())?;
        session.observe(Lenient::new(board));
    }
    session.observe(Lenient::new(Live::new(&folder)));
    session.observe(Warnings);
    match (talk.json, talk.quiet) {
        (true, _) => session.observe(JsonLines::new(args.run.print_freq)),
        (_, true) => {}
        _ => {
            let opening = opening_text(session, args.nets.net_g, dataset, tuned);
            let terminal = Terminal::new(opening, args.run.print_freq);
            let bar = terminal.bar();
            session.observe(terminal);
            return Ok(bar);
        }
    }
    Ok(None)
}

/// What is trained, on what, and what the losses mean.
fn opening_text(
    session: &Session<'_>,
    net: GeneratorKind,
    dataset: &Dataset,
    tuned: &Tuned,
) -> String {
    let trainer = session.trainer();
    let (gpu, plan) = (trainer.program().gpu(), trainer.program().plan());
    let mut text = format!(
        "{net} on {} ({} kernels)\ndata: {}\nkernels: {tuned}\nplan: {}",
        gpu.name(),
        gpu.family(),
        dataset.summary(),
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
