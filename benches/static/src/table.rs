//! What a person reads.

use crate::figures::Figures;
use crate::listing::Loop;
use crate::saved::{Row, TargetRows};
use crate::targets::Target;

const HEADS: [&str; 16] = [
    "uses", "regs", "spill", "wg mem", "waves", "instr", "code", "ms", "loop", "mad", "mad%",
    "/16B", "loads", "scalar", "trips", "hidden",
];

/// Explains the columns, once.
pub const LEGEND: &str = "\
uses: dispatches in a step of pix2pix-256 + cycle_gan-256, batch 1   wg mem, code: bytes
ms: CPU time of the compiler
Hot loop: instructions; mad: multiply-adds; mad%: their share of the instructions; /16B:
multiply-adds per 16 bytes read from workgroup memory; loads: reads from memory; scalar: reads of
parameters; trips: waits for memory with no arithmetic to hide them, one after the other; hidden:
multiply-adds between the issue of a read and the wait for it, the least of all reads";

fn cells(row: &Row) -> Vec<String> {
    let Figures { registers, spills, workgroup, waves, instructions, code, ms, hot } = &row.figures;
    let dot = |n: u32| if n == 0 { "·".to_string() } else { n.to_string() };
    let mut cells = vec![
        format!("{}+{}", row.uses[0], row.uses[4]),
        registers.to_string(),
        dot(*spills),
        dot(*workgroup),
        waves.to_string(),
        instructions.to_string(),
        code.to_string(),
        format!("{ms:.0}"),
    ];
    cells.extend(hot.as_ref().map_or_else(|| vec![String::new(); 8], loop_cells));
    cells
}

fn loop_cells(hot: &Loop) -> Vec<String> {
    let reads = |text: String| if hot.global_reads > 0 { text } else { "-".into() };
    vec![
        hot.instructions.to_string(),
        hot.multiply_adds.to_string(),
        format!("{:.0}%", hot.share()),
        hot.per_read().map_or("-".into(), |n| format!("{n:.1}")),
        hot.global_reads.to_string(),
        hot.scalar_reads.to_string(),
        reads(hot.trips.to_string()),
        reads(hot.hidden.to_string()),
    ]
}

/// One target's kernels.
pub fn print(target: &Target, rows: &TargetRows) {
    println!("\n{}: {}; {}; {}", target.name, target.about, rows.device, rows.driver);
    println!("registers: {}", target.unit());
    let mut lines = vec![(String::new(), HEADS.map(String::from).to_vec())];
    lines.extend(rows.kernels.iter().map(|row| (row.name.clone(), cells(row))));
    let wide = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|at| lines.iter().map(|(_, c)| c[at].chars().count()).max().unwrap_or(0))
        .collect();
    for (name, cells) in lines {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}"));
        println!("{}", format!("{name:wide$}{}", cells.collect::<String>()).trim_end());
    }
}

/// A listing with its hot loop marked.
pub fn listing(text: &str, hot: Option<&Loop>) {
    let Some(hot) = hot else {
        println!("{text}");
        println!("(no loop that multiplies and adds)");
        return;
    };
    for (at, line) in text.lines().enumerate() {
        let mark = if hot.waits.contains(&at) {
            '!'
        } else if hot.reads.contains(&at) {
            '>'
        } else if hot.body.contains(&at) {
            '|'
        } else {
            ' '
        };
        println!("{mark} {line}");
    }
    println!(
        "hot loop: lines {} to {}, {} instructions, {} multiply-adds ({:.0} %), {} reads from \
         memory, {} trips, {} multiply-adds behind the earliest wait",
        hot.lines.0 + 1,
        hot.lines.1 + 1,
        hot.instructions,
        hot.multiply_adds,
        hot.share(),
        hot.global_reads,
        hot.trips,
        hot.hidden
    );
}
