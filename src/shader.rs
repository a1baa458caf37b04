//! The shader loader: plain WGSL plus three comment directives.
//!
//! - `// use: a, b` in the head of a file includes `shaders/lib/a.wgsl` once, depth first.
//! - `const T_M: u32 = 4u; // tune` is a constant that a variant may give another value.
//! - `//@unroll` before `for (var i = 0u; i < N; i++) {` writes the loop out with `i` replaced by
//!   its values, so that arrays are indexed by constants only (naga neither unrolls nor keeps such
//!   arrays in registers).

use crate::error::{Error, Result};
use std::collections::HashMap;

/// A constant's name and the value a variant gives it.
pub type Tune = (&'static str, u32);

/// Expanded WGSL and where its lines came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// WGSL with all `// use:` lines resolved.
    pub text: String,
    /// File and line of every line of `text`, both as in the `shaders` folder.
    pub lines: Vec<(&'static str, u32)>,
}

impl Source {
    /// `file:line` of a line of the expanded text (both count from 1).
    pub fn origin(&self, line: usize) -> String {
        match self.lines.get(line.wrapping_sub(1)) {
            Some((file, line)) => format!("{}:{line}", place(file)),
            None => format!("expanded line {line}"),
        }
    }
}

#[cfg(any(target_arch = "wasm32", test))]
mod bare;

#[cfg(not(target_arch = "wasm32"))]
macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("../shaders/", $name, ".wgsl"))
    };
}

// A page's visitor downloads them.
#[cfg(target_arch = "wasm32")]
macro_rules! text {
    ($name:literal) => {{
        const TEXT: &str = include_str!(concat!("../shaders/", $name, ".wgsl"));
        const WHOLE: ([u8; TEXT.len()], usize) = {
            let mut to = [0; TEXT.len()];
            let length = bare::write(TEXT, &mut to);
            (to, length)
        };
        const BARE: [u8; WHOLE.1] = bare::cut(&WHOLE.0);
        match std::str::from_utf8(&BARE) {
            Ok(text) => text,
            Err(_) => panic!("a shader is not UTF-8"),
        }
    }};
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Every file of the `shaders` folder: name without extension, text; on wasm32 without its
        /// comments.
        pub const FILES: &[(&str, &str)] = &[$(($name, text!($name))),*];
    };
}
files!(
    "act",
    "adam",
    "add",
    "avg_pool",
    "batch_norm",
    "batch_norm_second",
    "blur",
    "canny",
    "channel_sum",
    "components",
    "conv2d_bwd_w_adam_register",
    "conv2d_bwd_w_adam_subgroup",
    "conv2d_bwd_w_adam_workgroup",
    "conv2d_bwd_w_register",
    "conv2d_bwd_w_subgroup",
    "conv2d_bwd_w_workgroup",
    "conv2d_gemm_register",
    "conv2d_gemm_subgroup",
    "conv2d_gemm_workgroup",
    "conv2d_gemv",
    "conv2d_register",
    "conv2d_split_sum",
    "conv2d_subgroup",
    "conv2d_winograd_22",
    "conv2d_winograd_24",
    "conv2d_winograd_33",
    "conv2d_winograd_34",
    "conv2d_winograd_42",
    "conv2d_winograd_43",
    "conv2d_workgroup",
    "copy",
    "dropout",
    "ema",
    "pool",
    "fill",
    "fma",
    "host_load",
    "host_store",
    "init",
    "instance_edges",
    "instance_mean",
    "loss",
    "max_pool",
    "mul",
    "one_hot",
    "picture",
    "probe",
    "resample2d",
    "sample",
    "scale",
    "sum",
    "thin",
    "unpack",
    "variation",
    "lib/adam",
    "lib/b_block",
    "lib/border",
    "lib/conv_operands",
    "lib/epilogue",
    "lib/gemm_operands",
    "lib/index",
    "lib/math",
    "lib/pair",
    "lib/put",
    "lib/put_adam",
    "lib/rng",
    "lib/rows",
    "lib/step",
    "lib/texture",
    "lib/tile_gemv",
    "lib/tile_register",
    "lib/tile_subgroup",
    "lib/tile_workgroup",
    "lib/wgrad_operands",
    "lib/winograd",
    "lib/winograd_3",
    "lib/winograd_5",
    "lib/winograd_6",
);

fn file(name: &str) -> Result<(&'static str, &'static str)> {
    FILES
        .iter()
        .find(|(n, _)| *n == name)
        .copied()
        .ok_or_else(|| Error::Internal(format!("no shader file {name:?}")))
}

/// How messages name a file; texts from elsewhere by what they were given as.
fn place(name: &str) -> String {
    if file(name).is_ok() { format!("shaders/{name}.wgsl") } else { name.into() }
}

/// Expands a shader file for a variant.
///
/// # Errors
/// [`Error::Internal`] for an unknown file, an include that does not exist, a constant to tune that
/// the text lacks, or an `//@unroll` whose loop is not understood.
pub fn load(name: &str, tune: &[Tune]) -> Result<Source> {
    let (name, text) = file(name)?;
    load_text(name, text, tune)
}

/// The same of a text from elsewhere, which `name` stands for in messages.
///
/// # Errors
/// As [`load`].
pub fn load_text(name: &'static str, text: &'static str, tune: &[Tune]) -> Result<Source> {
    let mut lines = Vec::new();
    include(name, text, &mut Vec::new(), &mut lines)?;
    let mut consts = HashMap::new();
    let mut tuned = vec![false; tune.len()];
    for line in &mut lines {
        if let Some((head, value)) = constant(&line.text) {
            let name = head.to_string();
            if line.text.trim_end().ends_with("// tune")
                && let Some(at) = tune.iter().position(|(n, _)| *n == name)
            {
                tuned[at] = true;
                line.text = format!("const {name}: u32 = {}u; // tune", tune[at].1);
                consts.insert(name, i64::from(tune[at].1));
            } else if let Some(value) = evaluate(value, &consts) {
                consts.insert(name, value);
            }
        }
    }
    if let Some(at) = tuned.iter().position(|t| !t) {
        return Err(Error::Internal(format!(
            "{} has no `const {}: u32 = …; // tune`",
            place(name),
            tune[at].0
        )));
    }
    let mut out = Vec::new();
    unroll(&lines, &consts, &mut out)?;
    let text = out.iter().fold(String::new(), |mut all, line| {
        all.push_str(&line.text);
        all.push('\n');
        all
    });
    Ok(Source { text, lines: out.iter().map(|l| (l.file, l.number)).collect() })
}

#[derive(Clone)]
struct Line {
    text: String,
    file: &'static str,
    number: u32,
}

fn include(
    name: &'static str,
    text: &'static str,
    seen: &mut Vec<&'static str>,
    out: &mut Vec<Line>,
) -> Result<()> {
    if seen.contains(&name) {
        return Ok(());
    }
    seen.push(name);
    for line in text.lines().take_while(|l| l.starts_with("//")) {
        if let Some(names) = line.strip_prefix("// use:") {
            for used in names.split(',') {
                let (name, text) = file(&format!("lib/{}", used.trim()))?;
                include(name, text, seen, out)?;
            }
        }
    }
    out.extend((1..).zip(text.lines()).map(|(number, text)| Line {
        text: text.into(),
        file: name,
        number,
    }));
    Ok(())
}

/// Splits `const NAME: u32 = VALUE;` into name and value.
fn constant(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("const ")?;
    let (head, rest) = rest.split_once('=')?;
    let name = head.split(':').next()?.trim();
    Some((name, rest.split(';').next()?.trim()))
}

/// Replaces the identifier `name` by `value`.
fn substitute(text: &str, name: &str, value: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let before = rest[..at].chars().next_back().or(out.chars().next_back().filter(|_| at == 0));
        let after = rest[at + name.len()..].chars().next();
        // A member access `.i` is no use of the counter `i`.
        let whole = !before.is_some_and(|c| is_word(c) || c == '.') && !after.is_some_and(is_word);
        out.push_str(&rest[..at]);
        out.push_str(if whole { value } else { name });
        rest = &rest[at + name.len()..];
    }
    out.push_str(rest);
    out
}

fn unroll(lines: &[Line], consts: &HashMap<String, i64>, out: &mut Vec<Line>) -> Result<()> {
    let mut at = 0;
    while at < lines.len() {
        if lines[at].text.trim() != "//@unroll" {
            out.push(lines[at].clone());
            at += 1;
            continue;
        }
        let head = lines.get(at + 1).ok_or_else(|| bad(&lines[at], "nothing follows //@unroll"))?;
        let (name, from, to) = loop_bounds(&head.text, consts).ok_or_else(|| {
            bad(
                head,
                "a loop to unroll reads `for (var i = A; i < B; i++) {` with constant A and B",
            )
        })?;
        let mut depth = 0i32;
        let mut end = at + 1;
        loop {
            let line =
                lines.get(end).ok_or_else(|| bad(head, "the loop to unroll does not end"))?;
            depth += braces(&line.text);
            if depth == 0 {
                break;
            }
            end += 1;
        }
        for value in from..to {
            out.push(Line { text: "{".into(), ..head.clone() });
            let body: Vec<Line> = lines[at + 2..end]
                .iter()
                .map(|l| Line {
                    text: substitute(&l.text, &name, &format!("{value}u")),
                    ..l.clone()
                })
                .collect();
            unroll(&body, consts, out)?;
            out.push(Line { text: "}".into(), ..lines[end].clone() });
        }
        at = end + 1;
    }
    Ok(())
}

fn bad(line: &Line, what: &str) -> Error {
    Error::Internal(format!(
        "shaders/{}.wgsl:{}: {what}: {}",
        line.file,
        line.number,
        line.text.trim()
    ))
}

fn braces(text: &str) -> i32 {
    let code = text.split("//").next().unwrap_or_default();
    code.chars().map(|c| i32::from(c == '{') - i32::from(c == '}')).sum()
}

fn loop_bounds(head: &str, consts: &HashMap<String, i64>) -> Option<(String, i64, i64)> {
    let inner = head.trim().strip_prefix("for (var ")?.strip_suffix(") {")?;
    let mut parts = inner.split(';').map(str::trim);
    let (name, from) = parts.next()?.split_once('=')?;
    let name = name.split(':').next()?.trim();
    let (left, to) = parts.next()?.split_once('<')?;
    let step = parts.next()?;
    (left.trim() == name && step == format!("{name}++")).then_some(())?;
    Some((name.to_string(), evaluate(from, consts)?, evaluate(to, consts)?))
}

/// Value of a constant integer expression of literals, known constants, `+ - * /` and parentheses.
fn evaluate(text: &str, consts: &HashMap<String, i64>) -> Option<i64> {
    struct Parser<'a> {
        rest: &'a str,
        consts: &'a HashMap<String, i64>,
    }
    impl Parser<'_> {
        fn eat(&mut self, c: char) -> bool {
            self.rest = self.rest.trim_start();
            let found = self.rest.starts_with(c);
            if found {
                self.rest = &self.rest[1..];
            }
            found
        }
        fn sum(&mut self) -> Option<i64> {
            let mut value = self.product()?;
            loop {
                if self.eat('+') {
                    value += self.product()?;
                } else if self.eat('-') {
                    value -= self.product()?;
                } else {
                    return Some(value);
                }
            }
        }
        fn product(&mut self) -> Option<i64> {
            let mut value = self.atom()?;
            loop {
                if self.eat('*') {
                    value *= self.atom()?;
                } else if self.eat('/') {
                    value = value.checked_div(self.atom()?)?;
                } else {
                    return Some(value);
                }
            }
        }
        fn atom(&mut self) -> Option<i64> {
            if self.eat('(') {
                let value = self.sum()?;
                return self.eat(')').then_some(value);
            }
            let end = self
                .rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            self.rest = rest;
            match word.trim_end_matches('u').parse() {
                Ok(value) => Some(value),
                Err(_) => self.consts.get(word).copied(),
            }
        }
    }
    let mut parser = Parser { rest: text, consts };
    let value = parser.sum()?;
    parser.rest.trim().is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        (1..)
            .zip(text.lines())
            .map(|(number, text)| Line { text: text.into(), file: "test", number })
            .collect()
    }

    fn expand(text: &str, consts: &[(&str, i64)]) -> String {
        let consts = consts.iter().map(|(n, v)| (n.to_string(), *v)).collect();
        let mut out = Vec::new();
        unroll(&lines(text), &consts, &mut out).unwrap();
        out.iter().map(|l| l.text.trim()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn nested_loops_are_written_out_with_their_counters() {
        let text = "//@unroll\nfor (var i = 0u; i < N / 2u; i++) \
                    {\n//@unroll\nfor (var j = 0u; j < 2u; j++) {\na[i * 2u + j] = v.i;\n}\n}";
        assert_eq!(
            expand(text, &[("N", 4)]),
            "{ { a[0u * 2u + 0u] = v.i; } { a[0u * 2u + 1u] = v.i; } } { \
             { a[1u * 2u + 0u] = v.i; } { a[1u * 2u + 1u] = v.i; } }"
        );
    }

    #[test]
    fn whole_identifiers_only_are_replaced() {
        assert_eq!(substitute("ii i_ (i) i+i .i", "i", "7u"), "ii i_ (7u) 7u+7u .i");
    }

    #[test]
    fn a_loop_without_constant_bounds_is_refused() {
        let mut out = Vec::new();
        assert!(
            unroll(
                &lines("//@unroll\nfor (var i = 0u; i < p.n; i++) {\n}"),
                &HashMap::new(),
                &mut out
            )
            .is_err()
        );
    }

    #[test]
    fn every_file_expands_and_an_unknown_constant_is_an_error() {
        for (name, _) in FILES.iter().filter(|(n, _)| !n.starts_with("lib/")) {
            load(name, &[]).unwrap();
            assert!(load(name, &[("NO_SUCH_CONSTANT", 1)]).is_err());
        }
    }
}
