//! NVIDIA, as NAK prints it: `block 4 L8 [2, 3] -> {`, instructions with their scheduling behind
//! `//`, and `} -> [5, 6]`, the blocks that follow.

use super::{Code, Instruction, Kind, Wait};

pub(super) fn read(text: &str) -> Code {
    let mut code = Code::default();
    let mut starts = Vec::new();
    for (line, words) in text.lines().enumerate() {
        let words = words.trim();
        if words.starts_with("block") {
            starts.push(code.instructions.len());
        } else if let Some(follow) = words.strip_prefix("} -> [") {
            let last = code.instructions.len().saturating_sub(1);
            let numbers = follow.trim_end_matches(']').split(',');
            let targets = numbers.filter_map(|n| n.trim().parse::<usize>().ok());
            // Blocks are numbered in the order they are printed in.
            let starts = &starts;
            code.loops.extend(targets.filter_map(|t| Some((*starts.get(t)?, last))));
        } else if let Some((instruction, scheduling)) = words.split_once("//") {
            code.instructions.push(read_one(line, instruction, scheduling));
        }
    }
    code
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
