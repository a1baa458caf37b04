//! `pixtape bench kernels`: every operation at the layers of the real networks, those on maps, and
//! one fixed layer for which figures are quoted.

use crate::commands::bench::compare::Old;
use crate::commands::bench::flags::KernelsArgs;
use crate::commands::bench::maps::{self, Maps};
use crate::commands::bench::measure::{Device, check_seconds, time, warm_trainer};
use crate::commands::bench::probe::Ceilings;
use crate::commands::bench::problem::{self, Measured, dense, variant};
use crate::commands::bench::roofline;
use crate::commands::bench::table::{self, Row, Skipped};
use crate::messages::with_flags;
use crate::options::Preset;
use indicatif::{ProgressBar, ProgressStyle};
use pixtape::gpu::{Gpu, MAX_BINDING};
use pixtape::ops::{Pass, Problem};
use pixtape::plan::{Plan, PlanNode, PlanOptions, Program};
use pixtape::run::Trainer;
use pixtape::{Conv, Shape};
use pixtape::{Error, Result};
use regex_lite::Regex;
use std::collections::BTreeMap;

/// Networks whose training steps are measured.
const NETS: [Preset; 3] = [Preset::Pix2Pix256, Preset::Pix2Pix128, Preset::CycleGan256];

/// The rows to measure.
struct Group {
    net: Option<&'static str>,
    batch: u32,
    /// Convolutions with their names, and their number per step.
    problems: Vec<(String, Problem, usize)>,
    /// Other nodes of the network's plan.
    nodes: BTreeMap<usize, (String, usize)>,
}

/// Runs `bench kernels`.
pub(crate) fn run(args: &KernelsArgs) -> Result<()> {
    check_seconds(args.seconds)?;
    let only = args
        .only
        .as_deref()
        .map(|text| {
            Regex::new(text).map_err(|e| {
                Error::Usage(
                    format!("--only {text}: not a regular expression: {e}").replace('\n', " "),
                )
            })
        })
        .transpose()?;
    let wanted = |net: Option<&str>, name: &str| {
        only.as_ref().is_none_or(|r| {
            r.is_match(name) || net.is_some_and(|net| r.is_match(&format!("{net} {name}")))
        })
    };
    // Find mistakes before minutes of measuring.
    if let Some(path) = &args.svg {
        roofline::check_path(path)?;
    }
    let mut old = args.compare.as_deref().map(Old::read).transpose()?;
    if let Some(old) = &mut old {
        old.retain(|key| {
            wanted(None, key) || key.split_once(' ').is_some_and(|(_, name)| wanted(None, name))
        });
    }
    let gpu = Device { adapter: args.adapter.clone(), family: args.family }.open()?;
    let (groups, mut skipped) = groups(&gpu, args, &wanted)?;
    let count: usize = groups.iter().map(|g| g.problems.len() + g.nodes.len()).sum();
    if count == 0 && skipped.is_empty() {
        return Err(Error::Usage(format!(
            "--only {}: no row matches; leave it out to see all",
            args.only.as_deref().unwrap_or_default()
        )));
    }
    let style =
        ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}").expect("a valid template");
    let bar = ProgressBar::new(count as u64).with_style(style);
    bar.set_message("ceilings");
    let ceilings = Ceilings::measure(&gpu, args.seconds)?;
    let mut rows = Vec::new();
    for group in groups {
        rows.extend(measure(&gpu, args.seconds, group, &bar, &mut skipped)?);
    }
    bar.set_message("ceilings");
    let ceilings = ceilings.or(Ceilings::measure(&gpu, args.seconds)?);
    bar.finish_and_clear();
    let mut report = table::json(&gpu, &args.batch_size, ceilings, &rows, &skipped);
    let comparison = old.map(|old| old.against(&report));
    if args.json {
        if let Some(comparison) = &comparison {
            report["compared"] = comparison.json();
        }
        println!("{report:#}");
    } else {
        table::print(&gpu, ceilings, &rows, &skipped);
        comparison.inspect(|c| c.print());
    }
    if let Some(path) = &args.svg {
        roofline::write(path, &gpu, ceilings, &rows)?;
    }
    Ok(())
}

/// The rows of every network and batch size that match and fit, and those that do not fit.
fn groups(
    gpu: &Gpu,
    args: &KernelsArgs,
    wanted: &dyn Fn(Option<&str>, &str) -> bool,
) -> Result<(Vec<Group>, Vec<Skipped>)> {
    let limit = args
        .memory_limit
        .map(|bytes| bytes.0)
        .or_else(|| gpu.is_software().then(free_memory).flatten());
    let options = PlanOptions { memory_limit: limit, ..PlanOptions::default() };
    let (mut groups, mut skipped) = (
        vec![Group { net: None, batch: 1, problems: fixed(wanted), nodes: BTreeMap::new() }],
        Vec::new(),
    );
    for &batch in &args.batch_size {
        for preset in NETS {
            let net = preset.name();
            let plan = match Trainer::plan(&preset.config(batch)?, gpu.family(), options.clone()) {
                Err(e @ (Error::MemoryLimit { .. } | Error::Limit { .. })) => {
                    skipped.push(Skipped {
                        what: format!("{net}, batch {batch}"),
                        why: with_flags(e),
                    });
                    continue;
                }
                plan => plan?,
            };
            let mut group =
                Group { net: Some(net), batch, problems: Vec::new(), nodes: BTreeMap::new() };
            for (at, (name, uses)) in
                distinct(&plan).into_iter().filter(|(_, (name, _))| wanted(Some(net), name))
            {
                match plan.problem(&plan.nodes()[at]) {
                    Some(problem) => group.problems.push((name, problem, uses)),
                    None => drop(group.nodes.insert(at, (name, uses))),
                }
            }
            groups.push(group);
        }
    }
    match Maps::record()?.plan(gpu.family(), options) {
        Err(e @ (Error::MemoryLimit { .. } | Error::Limit { .. })) => {
            skipped.push(Skipped { what: maps::NET.into(), why: with_flags(e) });
        }
        plan => groups.push(of_maps(&plan?, wanted)),
    }
    for group in &mut groups {
        group.problems.retain(|(name, problem, _)| {
            let (all, largest) = problem::bytes(problem);
            let why = match limit {
                _ if largest > MAX_BINDING => format!(
                    "a tensor of {largest} bytes; {MAX_BINDING} can be bound on every adapter"
                ),
                Some(limit) if all > limit => format!("needs {all} bytes, the limit is {limit}"),
                _ => return true,
            };
            skipped.push(Skipped { what: name.clone(), why });
            false
        });
    }
    Ok((groups, skipped))
}

/// The rows of operations on maps.
fn of_maps(plan: &Plan, wanted: &dyn Fn(Option<&str>, &str) -> bool) -> Group {
    let net = Some(maps::NET);
    let mut nodes = distinct(plan);
    // Not those that only begin a gradient.
    nodes.retain(|at, (name, _)| plan.nodes()[*at].cost.bytes > 1 << 20 && wanted(net, name));
    Group { net, batch: 1, problems: Vec::new(), nodes }
}

/// Available memory of the system, if known: a software adapter does not report how much it has.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib: u64 = text
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    // Images, staging and the program itself need some as well.
    Some((kib << 10) / 10 * 9)
}

fn fixed(wanted: &dyn Fn(Option<&str>, &str) -> bool) -> Vec<(String, Problem, usize)> {
    let (x, y) = (Shape::new(1, 128, 128, 64), Shape::new(1, 64, 64, 128));
    let problem = |pass| Problem::of_layer(pass, x, y, Conv::new(4, 2, 1));
    let named = Pass::of_layer(false)
        .map(problem)
        .map(|p| (format!("{} 64->128 k4 s2 @128", p.pass.name()), p, 1));
    named.into_iter().filter(|(name, ..)| wanted(None, name)).collect()
}

/// Measures a group. What does not fit the device's memory is skipped with the reason.
fn measure(
    gpu: &Gpu,
    seconds: f64,
    group: Group,
    bar: &ProgressBar,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<Row>> {
    let Group { net, batch, problems, nodes } = group;
    let mut rows = Vec::new();
    let mut shares = BTreeMap::new();
    if let Some(net) = net.filter(|_| !(problems.is_empty() && nodes.is_empty())) {
        bar.set_message(format!("{net}, batch {batch}: preparing"));
        match of_net(gpu, seconds, (net, batch), nodes, bar) {
            Ok((found, all)) => (rows, shares) = (found, all),
            Err(e @ (Error::OutOfMemory { .. } | Error::Limit { .. })) => {
                skipped.push(Skipped {
                    what: format!("the step of {net}, batch {batch}, except convolutions"),
                    why: with_flags(e),
                });
            }
            Err(e) => return Err(e),
        }
    }
    for (name, problem, uses) in problems {
        bar.set_message(name.clone());
        match problem::measure(&problem, gpu, seconds) {
            Ok(measured) => rows.push(Row {
                net,
                batch,
                op: problem.pass.name(),
                share: shares.get(&name).copied(),
                name,
                checked: true,
                uses,
                measured,
            }),
            Err(e @ (Error::OutOfMemory { .. } | Error::Limit { .. })) => {
                skipped.push(Skipped { what: name, why: with_flags(e) })
            }
            Err(e) => return Err(e),
        }
        bar.inc(1);
    }
    if net.is_some() {
        let time = |row: &Row| row.uses as f64 * row.measured.timing.median;
        rows.sort_by(|a, b| {
            b.share
                .unwrap_or_default()
                .total_cmp(&a.share.unwrap_or_default())
                .then(time(b).total_cmp(&time(a)))
        });
    }
    Ok(rows)
}

/// Measures nodes within a training step, and the share of each name; or those of the operations on
/// maps, which are no step.
fn of_net(
    gpu: &Gpu,
    seconds: f64,
    (net, batch): (&'static str, u32),
    nodes: BTreeMap<usize, (String, usize)>,
    bar: &ProgressBar,
) -> Result<(Vec<Row>, BTreeMap<String, f64>)> {
    let Some(preset) = NETS.into_iter().find(|preset| net == preset.name()) else {
        let program = Maps::record()?.program(gpu)?;
        let shares = BTreeMap::new();
        return Ok((of_nodes(&program, seconds, (net, batch), nodes, &shares, bar)?, shares));
    };
    let (trainer, _) = warm_trainer(gpu, preset.config(batch)?, PlanOptions::default())?;
    let program = trainer.program();
    let plan = program.plan();
    let times = program.time_nodes()?.seconds;
    let step: f64 = times.iter().sum();
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    for (node, seconds) in plan.nodes().iter().zip(&times).filter(|(n, _)| n.dispatches() > 0) {
        *shares.entry(name(plan, node)).or_default() += seconds / step;
    }
    Ok((of_nodes(program, seconds, (net, batch), nodes, &shares, bar)?, shares))
}

/// Measures nodes of a program.
fn of_nodes(
    program: &Program,
    seconds: f64,
    (net, batch): (&'static str, u32),
    nodes: BTreeMap<usize, (String, usize)>,
    shares: &BTreeMap<String, f64>,
    bar: &ProgressBar,
) -> Result<Vec<Row>> {
    let plan = program.plan();
    let mut rows = Vec::new();
    for (at, (name, uses)) in nodes {
        bar.set_message(name.clone());
        let node = &plan.nodes()[at];
        let measured = Measured {
            timing: time(program, &program.node_ranges()[at], seconds)?,
            cost: node.cost,
            variant: variant(node),
        };
        rows.push(Row {
            net: Some(net),
            batch,
            op: node.op,
            share: shares.get(&name).copied(),
            name,
            checked: false,
            uses,
            measured,
        });
        bar.inc(1);
    }
    Ok(rows)
}

/// The first node of every operation and shape that computes something, with its row's name and the
/// number of such nodes.
fn distinct(plan: &Plan) -> BTreeMap<usize, (String, usize)> {
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows: BTreeMap<usize, (String, usize)> = BTreeMap::new();
    for (at, node) in plan.nodes().iter().enumerate().filter(|(_, n)| n.dispatches() > 0) {
        let name = name(plan, node);
        let at = *first.entry(name.clone()).or_insert(at);
        rows.entry(at).or_insert((name, 0)).1 += 1;
    }
    rows
}

/// Operands and results of a node; for a convolution without the weights.
fn name(plan: &Plan, node: &PlanNode) -> String {
    if let Some(problem) = plan.problem(node) {
        return problem::name(&problem);
    }
    let [inputs, outputs] = plan.shapes_of(node);
    let shape = |shapes: &[Shape]| shapes.first().map(dense).unwrap_or_default();
    format!("{} {} -> {}", node.op, shape(&inputs), shape(&outputs)).replace("  ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixtape::gpu::Family;

    #[test]
    fn rows_are_named_by_operation_shapes_and_kernel_and_count_every_node() {
        for family in [Family::Subgroup(8), Family::Workgroup] {
            let plan = Trainer::plan(
                &Preset::Pix2Pix256.config(1).unwrap(),
                family,
                PlanOptions::default(),
            )
            .unwrap();
            let rows = distinct(&plan);
            let names: Vec<&str> = rows.values().map(|(name, _)| name.as_str()).collect();
            for name in [
                "conv2d [1,128,128,64] -> [1,64,64,128] k4 s2 p1",
                "conv2d_bwd_w [1,128,128,64] [1,64,64,128] -> [16,1,64,128] k4 s2 p1",
                "conv_transpose2d [1,128,128,128] -> [1,256,256,3] k4 s2 p1",
            ] {
                assert!(names.contains(&name), "{name} is not in {names:#?}");
            }
            let all = plan.nodes().iter().filter(|n| n.dispatches() > 0).count();
            assert_eq!(rows.values().map(|(_, n)| n).sum::<usize>(), all);
            assert!(rows.len() < all);
        }
    }

    #[test]
    fn cycle_gan_has_its_convolutions_and_what_stands_between_them() {
        let plan = Trainer::plan(
            &Preset::CycleGan256.config(1).unwrap(),
            Family::Workgroup,
            PlanOptions::default(),
        )
        .unwrap();
        let rows = distinct(&plan);
        let uses = |name: &str| rows.values().find(|(n, _)| n == name).map_or(0, |(_, uses)| *uses);
        // Six passes of two ends, and of nine blocks of two layers, which read their maps through
        // the padding.
        assert_eq!(uses("conv2d [1,256,256,3] -> [1,256,256,64] k7 s1 p3 reflect"), 6, "{rows:#?}");
        assert_eq!(uses("conv2d [1,64,64,256] -> [1,64,64,256] k3 s1 p1 reflect"), 108);
        assert_eq!(uses("conv_transpose2d [1,64,64,256] -> [1,128,128,128] k3 s2 p1 op1"), 6);
        assert!(
            rows.values().any(|(name, _)| name.starts_with("resample2d_bwd_relu "))
                && rows.values().any(|(name, _)| name.starts_with("pool "))
        );
    }
}
