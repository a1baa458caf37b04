//! `pixtape train`.

use super::flags::{RunArgs, TrainArgs, Tune};
use super::run_folder::{RunFolder, State};
use super::samples::Samples;
use super::starting::Starting;
use super::tune;
use crate::error::{Error, Result};
use crate::io::checkpoint::TensorFile;
use crate::io::{AlignedDataset, AlignedOptions, Loader};
use crate::nets::UnetConfig;
use crate::plan::PlanOptions;
use crate::train::{LOSS_NAMES, Losses, Pix2Pix, Schedule};
use clap::ArgMatches;
use clap::parser::ValueSource;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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

/// Values that no flag type can refuse.
fn check(args: &TrainArgs) -> Result<()> {
    if args.model != "pix2pix" {
        return Err(Error::Usage(format!("--model {}: this version trains pix2pix", args.model)));
    }
    if args.data.dataset_mode != "aligned" {
        return Err(Error::Usage(format!("--dataset_mode {}: pix2pix takes aligned pairs", args.data.dataset_mode)));
    }
    let positive = [
        ("--lr", args.optim.lr > 0.0 && args.optim.lr.is_finite()),
        ("--beta1", (0.0..1.0).contains(&args.optim.beta1)),
        ("--save_epoch_freq", args.run.save_epoch_freq > 0),
        ("--save_latest_freq", args.run.save_latest_freq > 0),
    ];
    if let Some((flag, _)) = positive.iter().find(|(_, ok)| !ok) {
        return Err(Error::Usage(format!("{flag}: out of range; lr and the frequencies are above 0, beta1 lies in 0 to 1")));
    }
    if args.run.name.is_empty() || args.run.name.contains(['/', '\\']) || args.run.name.starts_with('.') {
        return Err(Error::Usage(format!("--name {:?}: a plain folder name is wanted; --checkpoints_dir says where it lies", args.run.name)));
    }
    Ok(())
}

/// The run's own options, with what the command line gives laid over them.
fn resumed(args: TrainArgs, matches: Option<&ArgMatches>) -> Result<TrainArgs> {
    let internal = |e: serde_json::Error| Error::Internal(e.to_string());
    let mut options = RunFolder::options(&args.folder())?;
    let given = serde_json::to_value(&args).map_err(internal)?;
    // serde's names are the flags' names; clap's identifiers are the fields'.
    let fields = [("netG", "net_g"), ("netD", "net_d"), ("n_layers_D", "n_layers_d"), ("lambda_L1", "lambda_l1")];
    for (name, value) in given.as_object().into_iter().flatten() {
        let id = fields.iter().find(|(n, _)| n == name).map_or(name.as_str(), |(_, id)| id);
        if matches.and_then(|m| m.value_source(id)) == Some(ValueSource::CommandLine) {
            options[name] = value.clone();
        }
    }
    let whole: TrainArgs =
        serde_json::from_value(options).map_err(|e| Error::file(args.folder().join("options.json"), format!("options of another version: {e}")))?;
    let RunArgs { checkpoints_dir, name, max_steps, .. } = args.run;
    Ok(TrainArgs { run: RunArgs { checkpoints_dir, name, max_steps, continue_train: true, ..whole.run }, device: args.device, ..whole })
}

pub(super) fn dataset_options(args: &TrainArgs) -> Result<AlignedOptions> {
    Ok(AlignedOptions {
        root: args.dataroot()?.into(),
        phase: args.data.phase.clone(),
        direction: args.data.direction.parse()?,
        preprocess: args.data.preprocess.parse()?,
        load_size: args.data.load_size,
        crop_size: args.data.crop_size,
        flip: !args.data.no_flip,
        serial_batches: args.data.serial_batches,
        batch_size: args.data.batch_size as usize,
        seed: args.run.seed,
        max_dataset_size: args.data.max_dataset_size,
        input_nc: args.nets.input_nc,
        output_nc: args.nets.output_nc,
        multiple_of: 1 << UnetConfig::downs_of(&args.nets.net_g)?,
    })
}

struct Session<'a> {
    args: &'a TrainArgs,
    dataset: Arc<AlignedDataset>,
    schedule: Schedule,
    trainer: Pix2Pix,
    folder: RunFolder,
    samples: Samples,
    /// Epoch of each step whose losses are still on their way.
    epochs: BTreeMap<u64, u64>,
}

impl Session<'_> {
    fn run(mut self, state: Option<&State>) -> Result<()> {
        let per_epoch = self.dataset.batches_per_epoch() as u64;
        let last_epoch = self.args.optim.n_epochs + self.args.optim.n_epochs_decay;
        let total = self.args.run.max_steps.unwrap_or(u64::MAX).min(per_epoch.saturating_mul(last_epoch));
        let (first_epoch, first_batch) = state.map_or((1, 0), |s| (s.epoch, s.batch));
        if self.trainer.steps() >= total {
            println!("nothing to do: {} of {total} steps are done; raise --n_epochs or --max_steps", self.trainer.steps());
            return Ok(());
        }
        let mut loader = Loader::new(self.dataset.clone(), first_epoch, first_batch, self.args.data.num_threads)?;
        let bar = progress(total, self.trainer.steps());
        let (started, first) = (Instant::now(), self.trainer.steps());
        let mut latest = String::new();
        let mut since_save = 0;
        let mut position = (first_epoch, first_batch);
        let mut data_wait = Duration::ZERO;
        while self.trainer.steps() < total && !STOP.load(Ordering::SeqCst) {
            let start = Instant::now();
            let batch = loader.next()?;
            let waited = start.elapsed();
            data_wait += waited;
            let losses = self.trainer.step(&batch.input, &batch.target, self.schedule.at(batch.epoch))?;
            let step = self.trainer.steps();
            self.epochs.insert(step, batch.epoch);
            if let Some(text) = self.log(&losses)? {
                latest = text;
            }
            self.folder.log_time(step, start.elapsed().as_secs_f64(), waited.as_secs_f64())?;
            let done = (step - first) as f64;
            bar.set_message(format!("epoch {} · {:.3} s/step · {latest}", batch.epoch, started.elapsed().as_secs_f64() / done));
            bar.set_position(step);
            let images = u64::from(self.args.data.batch_size);
            if bar.is_hidden() && (step * images) % self.args.run.print_freq.max(1) < images {
                println!(
                    "(epoch: {}, step: {step}, {:.3} s/step, data: {:.3} s) {latest}",
                    batch.epoch,
                    started.elapsed().as_secs_f64() / done,
                    data_wait.as_secs_f64() / done
                );
            }
            since_save += images;
            let epoch_ends = batch.index as u64 + 1 == per_epoch;
            position = if epoch_ends { (batch.epoch + 1, 0) } else { (batch.epoch, batch.index + 1) };
            if epoch_ends {
                self.end_of_epoch(batch.epoch)?;
            }
            let save_epoch = epoch_ends && batch.epoch.is_multiple_of(self.args.run.save_epoch_freq);
            if (save_epoch || since_save >= self.args.run.save_latest_freq) && step < total {
                self.save(position)?;
                since_save = 0;
            }
        }
        if let Some(text) = self.drain()? {
            latest = text;
        }
        self.save(position)?;
        pollster::block_on(self.samples.write(self.args.nets.output_nc, &self.folder.path().join("samples/latest.png")))?;
        bar.finish_and_clear();
        self.report(started, first, data_wait, &latest, total);
        Ok(())
    }

    fn end_of_epoch(&mut self, epoch: u64) -> Result<()> {
        self.drain()?;
        let grid = self.folder.path().join(format!("samples/epoch{epoch:03}.png"));
        pollster::block_on(self.samples.write(self.args.nets.output_nc, &grid))?;
        if epoch.is_multiple_of(self.args.run.save_epoch_freq) {
            pollster::block_on(self.folder.save_epoch(&self.trainer, epoch))?;
        }
        Ok(())
    }

    /// Logs losses that have come back; returns the last ones as text.
    fn log(&mut self, losses: &[Losses]) -> Result<Option<String>> {
        for row in losses {
            let epoch = self.epochs.remove(&row.step).unwrap_or(0);
            if let Some((name, value)) = LOSS_NAMES.iter().zip(row.values).find(|(_, v)| !v.is_finite()) {
                return Err(Error::Usage(format!(
                    "{name} is {value} at step {} of {}: training has diverged and stops here, the last checkpoint stays; lower --lr, or look at the pictures of that step",
                    row.step,
                    self.folder.path().display()
                )));
            }
            self.folder.log_losses(row, epoch)?;
        }
        let text = |row: &Losses| LOSS_NAMES.iter().zip(row.values).map(|(n, v)| format!("{n}: {v:.3}")).collect::<Vec<_>>().join(" ");
        Ok(losses.last().map(text))
    }

    fn drain(&mut self) -> Result<Option<String>> {
        let rest = self.trainer.finish()?;
        self.log(&rest)
    }

    fn save(&mut self, position: (u64, usize)) -> Result<()> {
        self.drain()?;
        pollster::block_on(self.folder.save_latest(&self.trainer, position))
    }

    fn report(&self, started: Instant, first: u64, data_wait: Duration, latest: &str, total: u64) {
        let (done, seconds) = (self.trainer.steps() - first, started.elapsed().as_secs_f64());
        println!(
            "{} steps in {seconds:.1} s: {:.3} s/step, waited {:.3} s/step for data; {latest}",
            done,
            seconds / done.max(1) as f64,
            data_wait.as_secs_f64() / done.max(1) as f64
        );
        if let Some(peak) = peak_memory() {
            println!("process memory peak {:.0} MiB", peak as f64 / f64::from(1 << 20));
        }
        println!("saved in {}", self.folder.path().display());
        if self.trainer.steps() < total {
            println!(
                "stopped at step {} of {total}; go on with: pixtape train --checkpoints_dir {} --name {} --continue_train",
                self.trainer.steps(),
                self.args.run.checkpoints_dir.display(),
                self.args.run.name
            );
        }
    }
}

fn progress(total: u64, at: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {eta} left\n{msg}").expect("a valid template");
    ProgressBar::new(total).with_position(at).with_style(style)
}

/// The most memory this process has used, in bytes, where the system tells.
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}
