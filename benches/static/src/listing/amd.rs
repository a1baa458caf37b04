//! AMD: blocks `BB4:`, one instruction a line, its bytes behind a semicolon.

use super::{Code, Instruction, Kind, Wait};
use std::collections::HashMap;

pub(super) fn read(text: &str) -> Code {
    let mut code = Code::default();
    let (mut blocks, mut branches) = (HashMap::new(), Vec::new());
    for (line, words) in text.lines().enumerate() {
        let words = words.split(';').next().unwrap_or_default().trim();
        if let Some(block) = block(words.trim_end_matches(':')).filter(|_| words.ends_with(':')) {
            blocks.insert(block, code.instructions.len());
        } else if let Some((op, arguments)) =
            words.split_once(char::is_whitespace).or((!words.is_empty()).then_some((words, "")))
        {
            if op.contains("branch")
                && let Some(target) = block(arguments.trim())
            {
                branches.push((code.instructions.len(), target));
            }
            code.instructions.push(instruction(line, op, arguments));
        }
    }
    code.loops = branches
        .into_iter()
        .filter_map(|(at, target)| Some((*blocks.get(&target)?, at)))
        .filter(|(first, last)| first <= last)
        .map(|(first, last)| (first..=last).collect())
        .collect();
    code
}

fn block(word: &str) -> Option<u32> {
    word.strip_prefix("BB")?.parse().ok()
}

fn instruction(line: usize, op: &str, arguments: &str) -> Instruction {
    let memory = ["buffer_", "global_", "flat_", "scratch_"].iter().any(|p| op.starts_with(p));
    let kind = if is_fma(op) {
        // `v_dual_fmac_f32 … :: v_dual_fmac_f32 …` is one instruction.
        let second = arguments.split("::").nth(1).is_some_and(|s| is_fma(s.trim()));
        Kind::MultiplyAdd(1 + u32::from(second))
    } else if op.starts_with("v_dual") && arguments.split("::").any(|s| is_fma(s.trim())) {
        Kind::MultiplyAdd(1)
    } else if op.starts_with("v_pk_fma") {
        Kind::MultiplyAdd(2)
    } else if op.starts_with("v_wmma_f32_16x16x16") {
        Kind::MultiplyAdd(128)
    } else if op.starts_with("ds_load") || op.starts_with("ds_read") {
        Kind::WorkgroupRead(bytes(op))
    } else if memory && op.contains("_load") {
        Kind::GlobalRead
    } else if memory && op.contains("_store") {
        Kind::GlobalWrite
    } else if op.starts_with("s_load") || op.starts_with("s_buffer_load") {
        Kind::ScalarRead
    } else if op.starts_with("s_barrier") && op != "s_barrier_signal" {
        Kind::Barrier
    } else {
        Kind::Other
    };
    // Vega counts stores with loads; its names are the old ones.
    let counted = kind == Kind::GlobalRead
        || kind == Kind::GlobalWrite && (op.contains("dword") && !arguments.contains("null"));
    let wait = match op {
        "s_waitcnt" => number_in(arguments, "vmcnt(").map_or(Wait::None, Wait::AllBut),
        "s_wait_loadcnt" => hexadecimal(arguments).map_or(Wait::None, Wait::AllBut),
        "s_wait_loadcnt_dscnt" => {
            hexadecimal(arguments).map_or(Wait::None, |both| Wait::AllBut(both >> 8 & 63))
        }
        _ => Wait::None,
    };
    Instruction { line, kind, issues: counted.then_some(0), wait }
}

fn is_fma(op: &str) -> bool {
    ["v_fma", "v_mad_f32", "v_mac_f32", "v_madmk_f32", "v_madak_f32", "v_dual_fma"]
        .iter()
        .any(|p| op.starts_with(p))
        && op.contains("f32")
}

/// Of `ds_load_b128`, `ds_load_2addr_b64`, `ds_read2st64_b32`.
fn bytes(op: &str) -> u32 {
    let bits: u32 = op
        .split("_b")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .unwrap_or(32);
    let two = op.contains("2addr") || op.contains("read2");
    bits / 8 * if two { 2 } else { 1 }
}

fn number_in(text: &str, before: &str) -> Option<usize> {
    text.split_once(before)?.1.split(')').next()?.parse().ok()
}

fn hexadecimal(text: &str) -> Option<usize> {
    usize::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}
