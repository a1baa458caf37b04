//! NVIDIA, as NAK prints it: `block 4 L8 [2, 3] -> {`, instructions with their scheduling behind
//! `//`, and `} -> [5, 6]`, the blocks that follow.

use super::{Code, Instruction, Kind, Wait};
use std::collections::BTreeSet;

pub(super) fn read(text: &str) -> Code {
    let mut code = Code::default();
    // Blocks are numbered in the order they are printed in: first instruction, and what follows.
    let mut blocks: Vec<(usize, Vec<usize>)> = Vec::new();
    for (line, words) in text.lines().enumerate() {
        let words = words.trim();
        if words.starts_with("block") {
            blocks.push((code.instructions.len(), Vec::new()));
        } else if let Some(follow) = words.strip_prefix("} -> [") {
            let numbers = follow.trim_end_matches(']').split(',');
            if let Some(block) = blocks.last_mut() {
                block.1 = numbers.filter_map(|n| n.trim().parse().ok()).collect();
            }
        } else if let Some((instruction, scheduling)) = words.split_once("//") {
            code.instructions.push(read_one(line, instruction, scheduling));
        }
    }
    for (last, (_, follow)) in blocks.iter().enumerate() {
        for &first in follow.iter().filter(|first| **first <= last) {
            let end = |at: usize| blocks.get(at + 1).map_or(code.instructions.len(), |b| b.0);
            let of = |at: usize| blocks[at].0..end(at);
            code.loops.push(body(&blocks, first, last).into_iter().flat_map(of).collect());
        }
    }
    code
}

/// The blocks of the loop that goes back from `last` to `first`: those from which `last` is reached
/// without `first`. What is behind the loop may be printed between them.
fn body(blocks: &[(usize, Vec<usize>)], first: usize, last: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([first]);
    let mut open = vec![last];
    while let Some(at) = open.pop() {
        if found.insert(at) {
            open.extend((0..blocks.len()).filter(|from| blocks[*from].1.contains(&at)));
        }
    }
    found
}

fn read_one(line: usize, words: &str, scheduling: &str) -> Instruction {
    let words = words.trim();
    let words = if words.starts_with('@') {
        words.split_once(char::is_whitespace).map_or("", |(_, rest)| rest)
    } else {
        words
    };
    let operation = words.split_once(" = ").map_or(words, |(_, operation)| operation).trim();
    let op = operation.split_whitespace().next().unwrap_or_default();
    let kind = if op.starts_with("ffma") {
        Kind::MultiplyAdd(1)
    } else if op.starts_with("hfma2") {
        Kind::MultiplyAdd(2)
    } else if op.starts_with("ld.shared") {
        Kind::WorkgroupRead(bytes(op))
    } else if op.starts_with("ld.global") {
        Kind::GlobalRead
    } else if op.starts_with("st.global") {
        Kind::GlobalWrite
    } else if op.starts_with("ldc") {
        Kind::ScalarRead
    } else if op.starts_with("bar.") {
        Kind::Barrier
    } else {
        Kind::Other
    };
    let field = |name: &str| scheduling.split_whitespace().find_map(|word| word.strip_prefix(name));
    let slot = field("wr:").and_then(|n| n.parse().ok());
    let mask = field("wt=").and_then(|mask| u32::from_str_radix(mask, 2).ok());
    Instruction { line, kind, issues: slot, wait: mask.map_or(Wait::None, Wait::Slots) }
}

fn bytes(op: &str) -> u32 {
    let bits = op.split('.').find_map(|part| part.strip_prefix('b')?.parse::<u32>().ok());
    bits.unwrap_or(32) / 8
}
