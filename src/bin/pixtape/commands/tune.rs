//! `pixtape tune`, and `--tune` of the other commands.

use crate::device::environment::{cache_dir, forced};
use crate::messages::with_flags;
use crate::options::{FamilyName, Training};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pixtape::gpu::Gpu;
use pixtape::io::Dataset;
use pixtape::io::tuning::{Cached, TuningFile, clear, list};
use pixtape::ops::Tuning;
use pixtape::plan::PlanOptions;
use pixtape::run::options::Tune;
use pixtape::run::{Options, RunFolder, Trainer};
use pixtape::tune::{Identity, Load, Report, measure, problems};
use pixtape::{Error, Result};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Flags of `tune`: those of a training, and a few more.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case", mut_arg("tune", |a| a.hide(true)), mut_arg("continue_train", |a| a.hide(true)))]
pub(crate) struct TuneArgs {
    /// List the stored choices.
    #[arg(long, conflicts_with = "clear")]
    pub list: bool,
    /// Delete the stored choices.
    #[arg(long)]
    pub clear: bool,
    /// Measure again what is stored already.
    #[arg(long)]
    pub again: bool,
    /// Write the choices to a file, for --tune FILE.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Approximate limit in seconds for measuring; the default depends on the kind of device.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Convolution tile: subgroup, register, workgroup; the device's own by default.
    #[arg(long)]
    pub family: Option<FamilyName>,
    /// The training.
    #[command(flatten)]
    pub train: Training,
}

/// Default seconds for measuring: software drivers, GPUs.
const BUDGET: [f64; 2] = [80.0, 18.0];

/// The kernels of a plan, and the origin of the choice.
#[derive(Debug)]
pub(crate) struct Tuned {
    tuning: Arc<Tuning>,
    /// Number of layers with a known or measured choice, and of all layers.
    known: usize,
    all: usize,
    source: &'static str,
}

impl Tuned {
    /// Options of a plan that uses these kernels.
    pub fn options(&self, options: PlanOptions) -> PlanOptions {
        PlanOptions { tuning: Some(self.tuning.clone()), ..options }
    }
}

impl fmt::Display for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known {
            0 => f.write_str("built-in rule"),
            known if known == self.all => write!(f, "all {known} passes {}", self.source),
            known => write!(
                f,
                "{known} of {} passes {}, the others by the built-in rule",
                self.all, self.source
            ),
        }
    }
}

/// The kernels that `--tune` selects for the problems of a plan. `measures`: missing ones may be
/// measured on a GPU.
pub(crate) fn resolve(gpu: &Gpu, loads: &[Load], wish: &Tune, measures: bool) -> Result<Tuned> {
    let mut tuning = Tuning::on(gpu).force(forced()?);
    let (file, source) = match wish {
        Tune::Off => (None, ""),
        Tune::File(path) => {
            let file = TuningFile::read(path)?;
            let family = gpu.family().to_string();
            if file.identity.family != family {
                let message = format!(
                    "is for {} kernels, {} takes {family}; make one here with pixtape tune --out",
                    file.identity.family,
                    gpu.name()
                );
                return Err(Error::file(path, message));
            }
            (Some(file), "from the file")
        }
        _ if tuning.is_forced() => (None, ""),
        Tune::Now => (measured(gpu, loads, budget(gpu))?.map(|(file, _)| file), "as measured"),
        Tune::Auto | Tune::Cache => {
            let mut file = cached(gpu);
            let left = missing(file.as_ref(), loads, &tuning);
            if *wish == Tune::Auto && measures && !gpu.is_software() && !left.is_empty() {
                let new = measured(gpu, &left, budget(gpu))?.map(|(file, _)| file);
                let entries = new.into_iter().flat_map(|f| f.entries);
                file.get_or_insert_with(|| TuningFile::new(Identity::of(gpu)))
                    .entries
                    .extend(entries);
            }
            (file, "as measured")
        }
    };
    let known = loads
        .iter()
        .filter(|l| file.as_ref().is_some_and(|f| f.apply(&l.problem, &mut tuning)))
        .count();
    Ok(Tuned { tuning: Arc::new(tuning), known, all: loads.len(), source })
}

/// The kernels that a run started with; `given`: the command line asks for others.
pub(crate) fn of_run(gpu: &Gpu, loads: &[Load], run: &Path, given: bool) -> Result<Tuned> {
    if given {
        eprintln!("note: --tune is ignored: a resumed run keeps its kernels");
    }
    let file = RunFolder::tuning(run)?;
    let family = gpu.family().to_string();
    if let Some(other) = file.as_ref().filter(|f| f.identity.family != family) {
        eprintln!(
            "note: the run's kernels are {}, this device takes {family}: the built-in rule chooses",
            other.identity.family
        );
    }
    let file = file.filter(|f| f.identity.family == family);
    let rule = file.as_ref().map_or_else(|| Tuning::on(gpu), |f| f.rule(gpu));
    let mut tuning = rule.force(forced()?);
    let known = loads
        .iter()
        .filter(|l| file.as_ref().is_some_and(|f| f.apply(&l.problem, &mut tuning)))
        .count();
    Ok(Tuned { tuning: Arc::new(tuning), known, all: loads.len(), source: "from the run" })
}

/// The choices in the cache. A broken file counts as missing.
fn cached(gpu: &Gpu) -> Option<TuningFile> {
    TuningFile::cached(&cache_dir()?, &Identity::of(gpu)).unwrap_or_else(|e| {
        eprintln!("note: {}; it is not used", with_flags(e));
        None
    })
}

fn missing(file: Option<&TuningFile>, loads: &[Load], tuning: &Tuning) -> Vec<Load> {
    let known = |l: &Load| file.is_some_and(|f| f.apply(&l.problem, &mut tuning.clone()));
    loads.iter().filter(|l| !known(l)).copied().collect()
}

fn budget(gpu: &Gpu) -> Duration {
    Duration::from_secs_f64(BUDGET[usize::from(!gpu.is_software())])
}

/// Measures, reports, and adds to the cache.
fn measured(gpu: &Gpu, loads: &[Load], budget: Duration) -> Result<Option<(TuningFile, Report)>> {
    if loads.is_empty() {
        return Ok(None);
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} measuring kernels\n{msg}")
        .expect("a valid template");
    let bar = ProgressBar::new(loads.len() as u64).with_style(style);
    let report = measure(gpu, loads, &Tuning::on(gpu), budget, &mut |done, _, name| {
        bar.set_position(done as u64);
        bar.set_message(name.to_string());
    })?;
    bar.finish_and_clear();
    for failure in &report.failed {
        eprintln!("note: not chosen: {failure}");
    }
    let mut file = TuningFile::new(Identity::of(gpu));
    file.add(&report);
    let kept = match cache_dir().map(|folder| file.store(&folder)) {
        None => "not stored: there is no cache folder; PIXTAPE_CACHE_DIR names one".into(),
        Some(Ok(path)) => format!("stored in {}", path.display()),
        Some(Err(e)) => format!("not stored: {}", with_flags(e)),
    };
    let left =
        if report.left > 0 { format!(", {} not reached", report.left) } else { String::new() };
    eprintln!("measured {} passes in {:.1} s{left}; {kept}", report.choices.len(), report.seconds);
    Ok(Some((file, report)))
}

/// Runs `tune`.
pub(crate) fn run(args: &TuneArgs) -> Result<()> {
    if args.list {
        return show();
    }
    if args.clear {
        let count = cache_dir().map_or(Ok(0), |folder| clear(&folder))?;
        println!("{count} {} removed", if count == 1 { "file" } else { "files" });
        return Ok(());
    }
    if let Some(seconds) = args.seconds.filter(|s| !(*s > 0.0 && s.is_finite())) {
        return Err(Error::Usage(format!("--seconds {seconds}: expected a time above 0")));
    }
    let mut train = Options::from_layers(None, &[&args.train.given])?;
    let config = match &train.dataroot {
        Some(_) => train.resolve(&Dataset::open(train.dataset()?)?)?,
        None => train.resolve_without_data()?,
    };
    let gpu =
        crate::device::gpu_with(train.device.adapter.as_deref(), args.family.map(Into::into))?;
    let loads = problems(&Trainer::plan(&config, gpu.family(), train.plan().on(&gpu))?);
    let rule = Tuning::on(&gpu);
    let mut file = cached(&gpu).unwrap_or_else(|| TuningFile::new(Identity::of(&gpu)));
    let left = if args.again { loads.clone() } else { missing(Some(&file), &loads, &rule) };
    let budget = args.seconds.map_or(budget(&gpu), Duration::from_secs_f64);
    if let Some((new, _)) = measured(&gpu, &left, budget)? {
        file.entries.extend(new.entries);
    }
    print(&gpu, &loads, &file, &rule);
    if let Some(path) = &args.out {
        file.entries.retain(|problem, _| loads.iter().any(|l| l.problem.to_string() == *problem));
        file.write(path)?;
        println!("written to {}", path.display());
    }
    Ok(())
}

/// Prints the choices with their times and those of the built-in rule, sorted by their share of a
/// step.
fn print(gpu: &Gpu, loads: &[Load], file: &TuningFile, rule: &Tuning) {
    println!("{} ({} kernels)", gpu.name(), gpu.family());
    println!(
        "{:>9} {:>9} {:>6} {:>5}  {:<28} {:<28} problem",
        "ms", "rule's ms", "gain", "uses", "variant", "rule's"
    );
    let (mut sum, mut rule_sum, mut unknown) = (0.0, 0.0, 0);
    for load in loads {
        let Some(entry) = file
            .entries
            .get(&load.problem.to_string())
            .filter(|e| e.variant.fits(&load.problem, gpu.family()))
        else {
            unknown += 1;
            continue;
        };
        let ms = |ns: Option<u64>| ns.map(|ns| ns as f64 / 1e6);
        let (time, rule_time) = (ms(entry.time), ms(entry.rule_time));
        if let (Some(time), Some(rule_time)) = (time, rule_time) {
            sum += load.uses as f64 * time;
            rule_sum += load.uses as f64 * rule_time;
        }
        let number = |ms: Option<f64>| ms.map_or("-".into(), |ms| format!("{ms:.4}"));
        let gain = time.zip(rule_time).map_or("-".into(), |(t, r)| format!("{:.2}x", r / t));
        let chosen = entry.variant.to_string();
        let rules = Some(rule.choose(&load.problem).to_string())
            .filter(|r| *r != chosen)
            .unwrap_or("the same".into());
        println!(
            "{:>9} {:>9} {gain:>6} {:>5}  {chosen:<28} {rules:<28} {}",
            number(time),
            number(rule_time),
            load.uses,
            load.problem
        );
    }
    if sum > 0.0 {
        println!(
            "convolutions of a step: {sum:.3} ms, by the rule {rule_sum:.3} ms ({:.2}x)",
            rule_sum / sum
        );
    }
    if unknown > 0 {
        println!(
            "{unknown} of {} passes not measured: the built-in rule chooses; a larger --seconds \
             reaches them",
            loads.len()
        );
    }
}

/// Runs `tune --list`.
fn show() -> Result<()> {
    let all = cache_dir().map_or_else(Vec::new, |folder| list(&folder));
    for Cached { path, written, file } in &all {
        let date = written.map_or("?".into(), date);
        match file {
            Ok(file) => println!(
                "{date}  {:>4} passes  {}\n    {}",
                file.entries.len(),
                file.identity,
                path.display()
            ),
            Err(e) => println!("{date}  broken: {e}"),
        }
    }
    if all.is_empty() {
        println!("nothing is stored");
    }
    Ok(())
}

/// Day of the Gregorian calendar, UTC.
fn date(time: SystemTime) -> String {
    let days = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs() / 86_400);
    let (mut year, mut day) = (1970, days);
    let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02}", month + 1, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        let on =
            |days: u64| date(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * days + 86_399));
        assert_eq!(
            [on(0), on(58), on(59), on(11_016), on(20_781)],
            ["1970-01-01", "1970-02-28", "1970-03-01", "2000-02-29", "2026-11-24"]
        );
    }
}
