//! What real GPU compilers make of pixtape's kernels, on a machine without a GPU.
//! `benches/static/run` builds and starts this; see the README beside it.

mod args;
mod budget;
mod device;
mod figures;
mod kernels;
mod listing;
#[cfg(test)]
mod locks;
mod saved;
mod spirv;
mod table;
mod targets;
mod worker;

use args::Args;
use budget::Budget;
use clap::Parser;
use figures::Figures;
use kernels::Used;
use saved::{Row, Saved, TargetRows};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use targets::{Mesa, TARGETS, Target};
use worker::Answer;

/// Nothing could be compiled here: no driver.
const NO_DRIVER: u8 = 3;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("benches/static: {message}");
            ExitCode::from(2)
        }
    }
}

/// The targets that the command line names.
fn targets(args: &Args) -> Result<Vec<&'static Target>, String> {
    if args.target.is_empty() {
        let wanted = |t: &&Target| args.all || t.mesa == Mesa::Installed;
        return Ok(TARGETS.iter().filter(wanted).collect());
    }
    let find = |name: &String| {
        let known = || TARGETS.map(|t| t.name).join(", ");
        TARGETS
            .iter()
            .find(|t| t.name == name)
            .ok_or_else(|| format!("no target {name:?}; there are {}", known()))
    };
    args.target.iter().map(find).collect()
}

/// The kernels that the command line names.
fn kernels(names: &[String]) -> Result<Vec<Used>, String> {
    let mut all = kernels::all().map_err(|e| e.to_string())?;
    all.retain(|k| names.is_empty() || names.iter().any(|name| k.name.contains(name.as_str())));
    if all.is_empty() {
        return Err(format!("no kernel's name contains {}; see --list", names.join(" or ")));
    }
    Ok(all)
}

fn run(args: &Args) -> Result<u8, String> {
    let names = args.isa.as_ref().map_or(args.kernels.clone(), |one| vec![one.clone()]);
    let kernels = kernels(&names)?;
    if args.worker.is_some() {
        return worker::work(&kernels).map(|()| 0);
    }
    let targets = targets(args)?;
    if args.list {
        for target in &TARGETS {
            println!("{:10}  {}; {:?}", target.name, target.about, target.mesa);
        }
        kernels.iter().for_each(|k| println!("{}", k.name));
        return Ok(0);
    }
    if args.isa.is_some() {
        return isa(args, targets[0], &kernels);
    }
    let (found, failed) = compile(args, &targets, &kernels, &names);
    if found.is_empty() {
        return Ok(NO_DRIVER);
    }
    if !args.quiet {
        println!("\n{}", table::LEGEND);
    }
    let saved = Saved::new(found);
    if let Some(path) = &args.compare {
        saved.compare(&Saved::read(path)?);
    }
    if let Some(path) = &args.json {
        saved.write(path)?;
    }
    for message in &failed {
        println!("FAILED: {message}");
    }
    if !failed.is_empty() {
        return Ok(1);
    }
    let all = names.is_empty();
    if args.write_budget {
        return write_budget(&saved, all).map(|()| 0);
    }
    if args.budget { hold(&saved, all) } else { Ok(0) }
}

/// Compiles the kernels for the targets: what came out, and what was refused.
fn compile(
    args: &Args,
    targets: &[&Target],
    kernels: &[Used],
    names: &[String],
) -> (Vec<TargetRows>, Vec<String>) {
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for target in targets {
        let answer = match worker::ask(target, args.root.as_deref(), kernels, names) {
            Ok(answer) => answer,
            Err(message) => {
                println!("SKIPPED: {}: {message}", target.name);
                continue;
            }
        };
        let mut rows = Vec::new();
        for (used, compiled) in kernels.iter().zip(&answer.kernels) {
            match compiled {
                Err(message) => failed.push(format!("{}: {message}", target.name)),
                Ok(compiled) => rows.push(Row {
                    name: used.name.clone(),
                    uses: used.uses,
                    figures: Figures::of(target, compiled),
                }),
            }
        }
        let (target_name, Answer { device, driver, .. }) = (target.name.into(), answer);
        let rows = TargetRows { target: target_name, device, driver, kernels: rows };
        if !args.quiet {
            table::print(target, &rows);
        }
        found.push(rows);
    }
    (found, failed)
}

/// Beside this crate's sources.
fn budget_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("budget.toml")
}

fn hold(saved: &Saved, all: bool) -> Result<u8, String> {
    let verdict = Budget::read(&budget_file())?.check(&saved.targets, all);
    for message in &verdict.skipped {
        println!("SKIPPED: {message}");
    }
    for message in &verdict.exceeded {
        println!("OVER BUDGET: {message}");
    }
    if !verdict.exceeded.is_empty() {
        println!(
            "{} over budget. If it is deliberate: benches/static/run --write-budget, in the same \
             commit",
            verdict.exceeded.len()
        );
        return Ok(1);
    }
    println!("within the budget: {} kernels", verdict.held);
    Ok(if verdict.held == 0 { NO_DRIVER } else { 0 })
}

fn write_budget(saved: &Saved, all: bool) -> Result<(), String> {
    if !all {
        return Err("--write-budget is for all kernels; leave the names out".into());
    }
    let path = budget_file();
    let old = if path.exists() { Budget::read(&path)? } else { Budget::default() };
    std::fs::write(&path, old.renewed(&saved.targets))
        .map_err(|e| format!("{}: {e}", path.display()))
}

/// Prints listings.
fn isa(args: &Args, target: &Target, kernels: &[Used]) -> Result<u8, String> {
    let names: Vec<String> = args.isa.iter().cloned().collect();
    let answer = worker::ask(target, args.root.as_deref(), kernels, &names)?;
    for (used, compiled) in kernels.iter().zip(answer.kernels) {
        let compiled = compiled?;
        println!("\n{} on {} ({})", used.name, answer.device, answer.driver);
        if target.syntax().is_none() {
            return Err(format!("Mesa's driver for {} keeps no listing", target.name));
        }
        let hot = Figures::of(target, &compiled).hot;
        table::listing(&compiled.listing, hot.as_ref());
    }
    Ok(0)
}
