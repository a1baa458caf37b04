//! `pixtape bench kernels`: every operation at the real layers of the nets, and one fixed layer whose results are checked first.

use super::probe::Ceilings;
use super::{Timing, about, preset, round, time, warm_trainer};
use crate::app::flags::BenchArgs;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::ops::{Conv2dBackwardW, Conv2dBackwardX, Cost, Value as Word};
use crate::plan::{Plan, PlanNode, PlanOptions};
use crate::shape::{Conv, Shape};
use crate::store::Store;
use crate::tape::Tape;
use crate::train::Pix2Pix;
use indicatif::{ProgressBar, ProgressStyle};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Nets whose layers make the rows.
const NETS: [&str; 2] = ["pix2pix-256", "pix2pix-128"];

/// A measured row.
struct Row {
    name: String,
    cost: Cost,
    timing: Timing,
    /// Times in a step of the net, and share of that step.
    uses: Option<(&'static str, usize, f64)>,
}

/// Measures.
pub(super) fn run(gpu: &Gpu, args: &BenchArgs) -> Result<()> {
    let only = args
        .only
        .as_deref()
        .map(|text| Regex::new(text).map_err(|e| Error::Usage(format!("--only {text}: no regular expression: {e}").replace('\n', " "))))
        .transpose()?;
    let wanted = |name: &str| only.as_ref().is_none_or(|r| r.is_match(name));
    let fixed: Vec<Fixed> = Fixed::ALL.into_iter().filter(|f| wanted(f.name())).collect();
    let mut layers = Vec::new();
    for net in NETS {
        let plan = Pix2Pix::plan(&preset(net, args.batch_size)?, gpu.family(), PlanOptions::default())?;
        let found: BTreeMap<usize, (String, usize)> = distinct(&plan).into_iter().filter(|(_, (name, _))| wanted(name)).collect();
        layers.push((net, found));
    }
    let count = fixed.len() + layers.iter().map(|(_, l)| l.len()).sum::<usize>();
    if count == 0 {
        return Err(Error::Usage(format!("--only {}: no row has such a name; leave it out to see them all", args.only.as_deref().unwrap_or_default())));
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}").expect("a valid template");
    let bar = ProgressBar::new(count as u64).with_style(style);
    bar.set_message("ceilings");
    let ceilings = Ceilings::measure(gpu, args.seconds)?;
    let mut rows = Vec::new();
    for row in fixed {
        bar.set_message(row.name());
        rows.push(row.measure(gpu, args.seconds)?);
        bar.inc(1);
    }
    for (net, layers) in layers.into_iter().filter(|(_, l)| !l.is_empty()) {
        bar.set_message(format!("{net}: preparing"));
        let (trainer, _) = warm_trainer(gpu, preset(net, args.batch_size)?)?;
        let program = trainer.program();
        let step = time(program, &(0..program.dispatch_count()), args.seconds)?.median;
        let mut of_net = Vec::new();
        for (node, (name, uses)) in layers {
            bar.set_message(name.clone());
            let timing = time(program, &program.node_ranges()[node], args.seconds)?;
            let share = uses as f64 * timing.median / step;
            of_net.push(Row { name, cost: program.plan().nodes()[node].cost, timing, uses: Some((net, uses, share)) });
            bar.inc(1);
        }
        of_net.sort_by(|a, b| b.uses.map(|u| u.2).unwrap_or_default().total_cmp(&a.uses.map(|u| u.2).unwrap_or_default()));
        rows.extend(of_net);
    }
    bar.finish_and_clear();
    if args.json {
        println!("{:#}", json(gpu, args, ceilings, &rows));
    } else {
        print(gpu, ceilings, &rows);
    }
    Ok(())
}

fn rates(row: &Row) -> (f64, f64) {
    (row.cost.flop as f64 / row.timing.median, row.cost.bytes as f64 / row.timing.median)
}

fn print(gpu: &Gpu, ceilings: Ceilings, rows: &[Row]) {
    println!(
        "{} ({} kernels): {:.1} GFLOP/s of multiply-adds, {:.1} GB/s copying (bytes read and written)",
        gpu.name(),
        gpu.family(),
        ceilings.flops / 1e9,
        ceilings.bytes / 1e9
    );
    let mut net = Some("");
    for row in rows {
        let now = row.uses.map(|u| u.0);
        if now != net {
            println!("\n{}", now.map_or("fixed layer, results checked".into(), |n| format!("layers of {n}; share: of a step, all layers of that shape")));
            println!(
                "{:>10} {:>10} {:>9} {:>6} {:>8} {:>6} {:>7} {:>5}  operation",
                "median ms", "best ms", "GFLOP/s", "% peak", "GB/s", "% copy", "% step", "times"
            );
            net = now;
        }
        let (flops, bytes) = rates(row);
        let (share, times) = row.uses.map_or((String::new(), String::new()), |(_, n, share)| (format!("{:.1}", 100.0 * share), n.to_string()));
        println!(
            "{:>10.4} {:>10.4} {:>9.1} {:>6.1} {:>8.2} {:>6.1} {share:>7} {times:>5}  {}",
            1e3 * row.timing.median,
            1e3 * row.timing.min,
            flops / 1e9,
            100.0 * flops / ceilings.flops,
            bytes / 1e9,
            100.0 * bytes / ceilings.bytes,
            row.name
        );
    }
}

fn json(gpu: &Gpu, args: &BenchArgs, ceilings: Ceilings, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let (flops, bytes) = rates(row);
        let mut value = json!({
            "name": row.name,
            "median_ms": round(1e3 * row.timing.median),
            "min_ms": round(1e3 * row.timing.min),
            "flop": row.cost.flop,
            "bytes": row.cost.bytes,
            "gflops": round(flops / 1e9),
            "of_peak": round(flops / ceilings.flops),
            "gbs": round(bytes / 1e9),
            "of_copy": round(bytes / ceilings.bytes),
        });
        match row.uses {
            None => value["checked"] = true.into(),
            Some((net, uses, share)) => {
                value["net"] = net.into();
                value["uses"] = uses.into();
                value["share"] = round(share).into();
            }
        }
        value
    };
    json!({
        "about": about(gpu),
        "batch_size": args.batch_size,
        "fma_gflops": round(ceilings.flops / 1e9),
        "copy_gbs": round(ceilings.bytes / 1e9),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// The first node of every operation and shape that computes something, with its row's name and how often there is one like it.
fn distinct(plan: &Plan) -> BTreeMap<usize, (String, usize)> {
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows: BTreeMap<usize, (String, usize)> = BTreeMap::new();
    for (at, node) in plan.nodes().iter().enumerate().filter(|(_, n)| !n.dispatches.is_empty()) {
        let name = name(plan, node);
        let at = *first.entry(name.clone()).or_insert(at);
        rows.entry(at).or_insert((name, 0)).1 += 1;
    }
    rows
}

/// `conv2d [1,128,128,64] -> [1,64,64,128] k4 s2 p1`: what goes in but the weights, and what comes out.
fn name(plan: &Plan, node: &PlanNode) -> String {
    let shape = |t: &crate::Tensor| plan.shapes[t.index()].to_string().replace(' ', "");
    let gradient = node.op.ends_with("_bwd_w");
    let inputs: Vec<String> = node.inputs.iter().take(if gradient { 2 } else { 1 }).map(shape).collect();
    let output = node.outputs.first().map(shape).unwrap_or_default();
    let words = |name: &str| {
        node.dispatches[0].params.iter().filter(|(n, _)| n.starts_with(name)).filter_map(|(_, v)| if let Word::U(v) = v { Some(*v) } else { None }).max()
    };
    // The data side names its strides by direction, and one of them is 1.
    let conv = match (words("kernel"), words("stride"), words("pad")) {
        (Some(k), Some(s), Some(p)) => format!(" k{k} s{s} p{p}"),
        _ => String::new(),
    };
    format!("{} {} -> {output}{conv}", node.op, inputs.join(" ")).replace("  ", " ")
}

/// The layer that figures are quoted for: 64 to 128 channels, kernel 4, stride 2, from 128 x 128.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fixed {
    Forward,
    BackwardX,
    BackwardW,
}

const CONV: Conv = Conv::new(4, 2, 1);
const CI: u32 = 64;
const CO: u32 = 128;
const SIDE: u32 = 128;

impl Fixed {
    const ALL: [Fixed; 3] = [Fixed::Forward, Fixed::BackwardX, Fixed::BackwardW];

    fn name(self) -> &'static str {
        match self {
            Fixed::Forward => "conv2d 64->128 k4 s2 @128",
            Fixed::BackwardX => "conv2d_bwd_x 64->128 k4 s2 @128",
            Fixed::BackwardW => "conv2d_bwd_w 64->128 k4 s2 @128",
        }
    }

    fn measure(self, gpu: &Gpu, seconds: f64) -> Result<Row> {
        let x = Shape::new(1, SIDE, SIDE, CI);
        let y = Shape::new(1, SIDE / 2, SIDE / 2, CO);
        let w = Shape::new(CONV.taps(), 1, CI, CO);
        // The two operands and the result; the operands' numbers as everywhere: x, w, dy.
        let (operands, result) = match self {
            Fixed::Forward => ([(x, 0), (w, 1)], y),
            Fixed::BackwardX => ([(y, 2), (w, 1)], x),
            Fixed::BackwardW => ([(x, 0), (y, 2)], w),
        };
        let mut tape = Tape::new();
        let inputs = operands.map(|(shape, _)| tape.input("operand", shape));
        let output = match self {
            Fixed::Forward => tape.conv2d(inputs[0], inputs[1], None, CONV)?,
            Fixed::BackwardX => tape.push_one(Conv2dBackwardX(CONV), &inputs, result),
            Fixed::BackwardW => tape.push_one(Conv2dBackwardW { conv: CONV, accumulate: false }, &inputs, result),
        };
        let store = Store::new();
        let program = Plan::new(&tape, &store, &[output], gpu.family(), PlanOptions::default())?.prepare(gpu, &store)?;
        let values = operands.map(|(shape, stream)| {
            let value = |i| crate::rng::random(i, stream, 0, 0)[0] as i32 as f32 / 2_147_483_648.0;
            (0..shape.elements() as u32).map(value).collect::<Vec<f32>>()
        });
        for (tensor, values) in inputs.iter().zip(&values) {
            program.write(*tensor, values)?;
        }
        program.submit(0..program.dispatch_count())?;
        let got = pollster::block_on(program.read(output))?;
        self.check(&got, &values)?;
        let timing = time(&program, &(0..program.dispatch_count()), seconds)?;
        Ok(Row { name: self.name().into(), cost: program.plan().nodes()[0].cost, timing, uses: None })
    }

    /// Holds a few hundred results against sums in f64.
    fn check(self, got: &[f32], values: &[Vec<f32>; 2]) -> Result<()> {
        const STEP: usize = 1009;
        let terms = match self {
            Fixed::Forward => CONV.taps() * CI,
            Fixed::BackwardX => 4 * CO,
            Fixed::BackwardW => SIDE * SIDE / 4,
        };
        // Terms are products of two numbers uniform in -1 to 1.
        let allowed = 8.0 / 16_777_216.0 * f64::from(terms);
        for (at, value) in got.iter().enumerate().step_by(STEP) {
            let want = self.reference(at, values);
            let off = (f64::from(*value) - want).abs();
            // NaN is not within.
            if off.partial_cmp(&allowed).is_none_or(std::cmp::Ordering::is_gt) {
                return Err(Error::Internal(format!(
                    "{}: element {at} is {value}, not {want} (allowed {allowed:.1e}); pixtape devices --check says more",
                    self.name()
                )));
            }
        }
        Ok(())
    }

    fn reference(self, at: usize, values: &[Vec<f32>; 2]) -> f64 {
        let (ci, co, side, out) = (CI as usize, CO as usize, SIDE as usize, SIDE as usize / 2);
        // The pixel of x under a tap of a pixel of y.
        let under = |y: usize, tap: usize| (2 * y + tap).checked_sub(1).filter(|p| *p < side);
        let product = |i: usize, j: usize| f64::from(values[0][i]) * f64::from(values[1][j]);
        let taps = || (0..16).map(|tap| (tap / 4, tap % 4, tap));
        let mut sum = 0.0;
        match self {
            Fixed::Forward => {
                let (oy, ox, o) = (at / co / out, at / co % out, at % co);
                for (ky, kx, tap) in taps() {
                    if let (Some(y), Some(x)) = (under(oy, ky), under(ox, kx)) {
                        sum += (0..ci).map(|i| product((y * side + x) * ci + i, (tap * ci + i) * co + o)).sum::<f64>();
                    }
                }
            }
            Fixed::BackwardX => {
                let (y, x, i) = (at / ci / side, at / ci % side, at % ci);
                for (ky, kx, tap) in taps() {
                    let over = |p: usize, k: usize| (p + 1).checked_sub(k).filter(|d| d % 2 == 0 && d / 2 < out).map(|d| d / 2);
                    if let (Some(oy), Some(ox)) = (over(y, ky), over(x, kx)) {
                        sum += (0..co).map(|o| product((oy * out + ox) * co + o, (tap * ci + i) * co + o)).sum::<f64>();
                    }
                }
            }
            Fixed::BackwardW => {
                let (tap, i, o) = (at / co / ci, at / co % ci, at % co);
                for (oy, ox) in (0..out * out).map(|p| (p / out, p % out)) {
                    if let (Some(y), Some(x)) = (under(oy, tap / 4), under(ox, tap % 4)) {
                        sum += product((y * side + x) * ci + i, (oy * out + ox) * co + o);
                    }
                }
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Family;

    #[test]
    fn rows_are_named_by_operation_shapes_and_kernel_and_count_every_node() {
        for family in [Family::Subgroup(8), Family::Workgroup] {
            let plan = Pix2Pix::plan(&preset("pix2pix-256", 1).unwrap(), family, PlanOptions::default()).unwrap();
            let rows = distinct(&plan);
            let names: Vec<&str> = rows.values().map(|(name, _)| name.as_str()).collect();
            for name in [
                "conv2d [1,128,128,64] -> [1,64,64,128] k4 s2 p1",
                "conv2d_bwd_w [1,128,128,64] [1,64,64,128] -> [16,1,64,128] k4 s2 p1",
                "conv_transpose2d [1,128,128,128] -> [1,256,256,3] k4 s2 p1",
            ] {
                assert!(names.contains(&name), "{name} is not in {names:#?}");
            }
            let all = plan.nodes().iter().filter(|n| !n.dispatches.is_empty()).count();
            assert_eq!(rows.values().map(|(_, n)| n).sum::<usize>(), all);
            assert!(rows.len() < all);
        }
    }
}
