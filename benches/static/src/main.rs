//! What real GPU compilers make of pixtape's kernels, on a machine without a GPU. `benches/static/run`
//! builds and starts this; see the README beside it.

mod args;
mod device;
mod figures;
mod kernels;
mod listing;
mod saved;
mod spirv;
mod table;
mod targets;
mod worker;

use args::Args;
use clap::Parser;
use figures::Figures;
use kernels::Used;
use saved::{Row, Saved, TargetRows};
use std::process::ExitCode;
use targets::{Mesa, TARGETS, Target};

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
    let mut failed = Vec::new();
    let mut found = Vec::new();
    for target in targets {
        match worker::ask(target, args.root.as_deref(), &kernels, &names) {
            Err(message) => println!("SKIPPED: {}: {message}", target.name),
            Ok(answer) => {
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
                let rows = TargetRows {
                    target: target.name.into(),
                    device: answer.device,
                    driver: answer.driver,
                    kernels: rows,
                };
                if !args.quiet {
                    table::print(target, &rows);
                }
                found.push(rows);
            }
        }
    }
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
    Ok(u8::from(!failed.is_empty()))
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
