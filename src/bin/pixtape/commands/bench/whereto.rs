//! The time of a step by operation, by layer, and by part of the step.

use crate::commands::bench::measure::round;
use pixtape::ops::Cost;
use pixtape::plan::{Clock, PlanNode, Program};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Time and cost of some nodes of a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    name: String,
    seconds: f64,
    nodes: usize,
    cost: Cost,
}

/// The three tables, each sorted by time, longest first.
#[derive(Debug)]
pub(crate) struct WhereTo {
    operations: Vec<Part>,
    layers: Vec<Part>,
    parts: Vec<Part>,
    clock: Clock,
}

/// Rows in the table by layer.
const LAYERS: usize = 20;
/// Number of rounds; the minimum of each node counts.
const ROUNDS: usize = 3;

/// `G/down3 forward`, `real D/c1 backward`, `G update`: the label's scope and the pass.
fn layer(label: &str, op: &str) -> String {
    let scope = label.rsplit_once('/').map_or("", |(scope, _)| scope);
    let way = match (op, scope.ends_with('\'')) {
        ("adam", _) => "update",
        (_, true) => "backward",
        _ => "forward",
    };
    format!("{} {way}", scope.trim_end_matches('\''))
}

/// `G forward`, `real D backward`: the network and the pass.
fn part(label: &str, op: &str) -> String {
    let layer = layer(label, op);
    let (scope, way) = layer.rsplit_once(' ').unwrap_or((&layer, ""));
    format!("{} {way}", scope.split('/').next().unwrap_or_default())
}

fn group(nodes: &[PlanNode], seconds: &[f64], name: impl Fn(&PlanNode) -> String) -> Vec<Part> {
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    for (node, seconds) in nodes.iter().zip(seconds).filter(|(n, _)| n.dispatches() > 0) {
        let name = name(node);
        let part = parts.entry(name.clone()).or_insert(Part {
            name,
            seconds: 0.0,
            nodes: 0,
            cost: Cost::default(),
        });
        part.seconds += seconds;
        part.nodes += 1;
        part.cost = Cost {
            flop: part.cost.flop + node.cost.flop,
            bytes: part.cost.bytes + node.cost.bytes,
        };
    }
    let mut parts: Vec<Part> = parts.into_values().collect();
    parts.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    parts
}

impl WhereTo {
    /// Runs the step node by node.
    pub fn measure(program: &Program) -> pixtape::Result<WhereTo> {
        let nodes = program.plan().nodes();
        let mut least = vec![f64::INFINITY; nodes.len()];
        let mut clock = Clock::Wall;
        for _ in 0..ROUNDS {
            let times = program.time_nodes()?;
            clock = times.clock;
            least
                .iter_mut()
                .zip(times.seconds)
                .for_each(|(least, seconds)| *least = least.min(seconds));
        }
        Ok(WhereTo {
            operations: group(nodes, &least, |n| n.op.into()),
            layers: group(nodes, &least, |n| layer(&n.label, n.op)),
            parts: group(nodes, &least, |n| part(&n.label, n.op)),
            clock,
        })
    }

    pub fn print(&self) {
        let total: f64 = self.operations.iter().map(|p| p.seconds).sum();
        let how = match self.clock {
            Clock::Timestamps => "by the device's timestamps, one pass per node",
            Clock::Wall => "by the wall clock: each node is waited for, which adds its own cost",
        };
        println!(
            "\nwhere the time goes: {:.3} ms node by node (minimum of {ROUNDS} rounds), \
             {how}",
            1e3 * total
        );
        for (title, parts, most) in [
            ("operation", &self.operations, usize::MAX),
            ("part of the step", &self.parts, usize::MAX),
            ("layer", &self.layers, LAYERS),
        ] {
            println!(
                "\n{:>6} {:>10} {:>6} {:>9} {:>8}  {title}",
                "%", "ms", "nodes", "GFLOP/s", "GB/s"
            );
            for part in parts.iter().take(most) {
                let (flops, bytes) =
                    (part.cost.flop as f64 / part.seconds, part.cost.bytes as f64 / part.seconds);
                let share = 100.0 * part.seconds / total;
                println!(
                    "{share:>6.1} {:>10.3} {:>6} {:>9.1} {:>8.2}  {}",
                    1e3 * part.seconds,
                    part.nodes,
                    flops / 1e9,
                    bytes / 1e9,
                    part.name
                );
            }
            if parts.len() > most {
                let rest = &parts[most..];
                let (seconds, nodes) =
                    rest.iter().fold((0.0, 0), |(s, n), p| (s + p.seconds, n + p.nodes));
                println!(
                    "{:>6.1} {:>10.3} {nodes:>6} {:>9} {:>8}  {} more",
                    100.0 * seconds / total,
                    1e3 * seconds,
                    "",
                    "",
                    rest.len()
                );
            }
        }
    }

    /// Adds the tables to a report.
    pub fn json(&self, report: &mut Value) {
        let table = |kind: &str, parts: &[Part]| -> Value {
            let row = |p: &Part| {
                json!({
                    kind: p.name, "ms": round(1e3 * p.seconds), "nodes": p.nodes,
                    "flop": p.cost.flop, "bytes": p.cost.bytes,
                })
            };
            parts.iter().map(row).collect()
        };
        report["clock"] = self.clock.to_string().into();
        report["operations"] = table("op", &self.operations);
        report["parts"] = table("part", &self.parts);
        report["layers"] = table("layer", &self.layers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_layer_way_and_part() {
        for (label, op, want, of) in [
            ("G/down3/conv2d", "conv2d", "G/down3 forward", "G forward"),
            ("real D/c1'/conv2d_bwd_w", "conv2d_bwd_w", "real D/c1 backward", "real D backward"),
            ("G/adam", "adam", "G update", "G update"),
            ("loss'/scale", "scale", "loss backward", "loss backward"),
        ] {
            assert_eq!((layer(label, op).as_str(), part(label, op).as_str()), (want, of));
        }
    }
}
