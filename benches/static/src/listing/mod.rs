//! Reading a listing: its instructions by kind, its hot loop, and what the loop waits for.

mod amd;
mod nvidia;

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The language of a listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// LLVM's disassembly, as RADV keeps it.
    Amd,
    /// NAK's own text.
    Nvidia,
}

/// What an instruction does, as far as it is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// So many multiply-adds a lane.
    MultiplyAdd(u32),
    /// So many bytes a lane from workgroup memory.
    WorkgroupRead(u32),
    GlobalRead,
    GlobalWrite,
    /// A read of constants or parameters, one for all lanes.
    ScalarRead,
    Barrier,
    Other,
}

/// Which reads from memory an instruction waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    None,
    /// All but so many of the last ones.
    AllBut(usize),
    /// Those that were issued with one of these slots.
    Slots(u32),
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    /// Its line in the listing, from 0.
    pub line: usize,
    pub kind: Kind,
    /// Of what later instructions wait for: its slot, 0 where waiting is by number.
    pub issues: Option<u32>,
    pub wait: Wait,
}

/// A listing's instructions in order, and for each loop the numbers of those in it.
#[derive(Default)]
pub struct Code {
    pub instructions: Vec<Instruction>,
    pub loops: Vec<BTreeSet<usize>>,
}

impl Code {
    /// Reads a listing.
    pub fn read(syntax: Syntax, text: &str) -> Code {
        match syntax {
            Syntax::Amd => amd::read(text),
            Syntax::Nvidia => nvidia::read(text),
        }
    }
}

/// The hot loop, of those that multiply and add and have no such loop inside: the one with the
/// most multiply-adds, weighted by their share of its instructions. (What follows the sum, Adam
/// with its divisions, may be a longer loop of some multiply-adds.)
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Loop {
    pub instructions: u32,
    /// Instructions that are multiply-adds; one may do two.
    pub arithmetic: u32,
    pub multiply_adds: u32,
    /// Bytes a lane reads from workgroup memory.
    pub workgroup_bytes: u32,
    pub global_reads: u32,
    pub scalar_reads: u32,
    pub barriers: u32,
    /// Waits for memory with (almost) no arithmetic before them to hide it: trips to memory, one
    /// after the other, in every round. None is what a kernel should have.
    pub trips: u32,
    /// Multiply-adds between the issue of a read from memory and the wait for it: the least of all
    /// reads.
    pub hidden: u32,
    /// First and last line in the listing.
    #[serde(skip)]
    pub lines: (usize, usize),
    /// All its lines.
    #[serde(skip)]
    pub body: BTreeSet<usize>,
    /// Lines of the reads from memory.
    #[serde(skip)]
    pub reads: BTreeSet<usize>,
    /// Lines of the waits that no arithmetic hides.
    #[serde(skip)]
    pub waits: BTreeSet<usize>,
}

impl Loop {
    /// Multiply-adds of all instructions, in percent.
    pub fn share(&self) -> f64 {
        100.0 * f64::from(self.arithmetic) / f64::from(self.instructions)
    }

    /// Multiply-adds per 16 bytes read from workgroup memory.
    pub fn per_read(&self) -> Option<f64> {
        (self.workgroup_bytes > 0)
            .then(|| 16.0 * f64::from(self.multiply_adds) / f64::from(self.workgroup_bytes))
    }
}

/// A wait hides a read if at least this share of the loop's arithmetic lies between.
const HIDES: u32 = 4;

fn multiply_adds(body: &[Instruction]) -> u32 {
    body.iter().map(|i| if let Kind::MultiplyAdd(n) = i.kind { n } else { 0 }).sum()
}

/// Finds and measures it; `None` where no loop multiplies and adds.
pub fn hot_loop(code: &Code) -> Option<Loop> {
    let body = |l: &BTreeSet<usize>| -> Vec<Instruction> {
        l.iter().map(|at| code.instructions[*at]).collect()
    };
    let busy: Vec<&BTreeSet<usize>> =
        code.loops.iter().filter(|l| multiply_adds(&body(l)) > 0).collect();
    let found = busy
        .iter()
        .filter(|outer| !busy.iter().any(|inner| inner != *outer && inner.is_subset(outer)))
        .max_by_key(|l| {
            let adds = u64::from(multiply_adds(&body(l)));
            (1000 * adds * adds / l.len() as u64, l.len())
        })?;
    Some(measure(&body(found)))
}

fn measure(body: &[Instruction]) -> Loop {
    let count = |kind: Kind| body.iter().filter(|i| i.kind == kind).count() as u32;
    let total = multiply_adds(body);
    let reads = body.iter().enumerate().filter(|(_, i)| i.kind == Kind::GlobalRead);
    let (mut hidden, mut bare) = (total, Vec::new());
    for (at, _) in reads {
        let (under, wait) = until_needed(body, at);
        let under = under.min(total);
        hidden = hidden.min(under);
        if HIDES * under < total
            && let Some(wait) = wait
        {
            bare.push((at, wait));
        }
    }
    Loop {
        instructions: body.len() as u32,
        arithmetic: body.iter().filter(|i| matches!(i.kind, Kind::MultiplyAdd(_))).count() as u32,
        multiply_adds: total,
        workgroup_bytes: body
            .iter()
            .map(|i| if let Kind::WorkgroupRead(bytes) = i.kind { bytes } else { 0 })
            .sum(),
        global_reads: count(Kind::GlobalRead),
        scalar_reads: count(Kind::ScalarRead),
        barriers: count(Kind::Barrier),
        trips: in_a_row(&bare),
        hidden,
        reads: body.iter().filter(|i| i.kind == Kind::GlobalRead).map(|i| i.line).collect(),
        body: body.iter().map(|i| i.line).collect(),
        lines: (body[0].line, body[body.len() - 1].line),
        waits: bare.iter().map(|(_, wait)| body[wait % body.len()].line).collect(),
    }
}

/// How many of these, from the issue of a read to the wait for it, come one after the other: those
/// that overlap are one trip to memory.
fn in_a_row(bare: &[(usize, usize)]) -> u32 {
    let mut by_end = bare.to_vec();
    by_end.sort_by_key(|(_, wait)| *wait);
    let (mut trips, mut free) = (0, 0);
    for (issue, wait) in by_end {
        if issue >= free {
            (trips, free) = (trips + 1, wait);
        }
    }
    trips
}

/// Multiply-adds from the read at `at` to the instruction that waits for it, and that one's number;
/// after the last instruction the first one follows. Branches within the loop are assumed to
/// fall through, as those around loads do for every lane but those at the border.
fn until_needed(body: &[Instruction], at: usize) -> (u32, Option<usize>) {
    let slot = body[at].issues;
    let (mut under, mut younger) = (0, 0);
    for step in 1..=body.len() {
        let next = &body[(at + step) % body.len()];
        let settled = match next.wait {
            Wait::None => false,
            Wait::AllBut(kept) => younger >= kept,
            Wait::Slots(mask) => slot.is_some_and(|slot| mask >> slot & 1 != 0),
        };
        if settled {
            return (under, Some(at + step));
        }
        younger += usize::from(next.issues.is_some());
        if let Kind::MultiplyAdd(n) = next.kind {
            under += n;
        }
    }
    (under, None)
}

#[cfg(test)]
mod tests;
