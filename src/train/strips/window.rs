//! Which rows of its sources a stage makes each row of: strips of them are run like images of their
//! own, and the rows kept that are the same as those of the whole image.

use super::stage::Stage;
use crate::ops::{Enlarge, Forward, Padding, Pooling, Resample2d};
use crate::shape::Conv;
use crate::tape::{Tape, Tensor};
use std::collections::HashMap;
use std::ops::Range;

/// A strip: some rows of the sources from `start` on make the output's rows `makes`; the first of
/// them is row `skip` of what comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub start: u32,
    pub makes: Range<u32>,
    pub skip: u32,
}

/// The rows of a stage.
#[derive(Debug)]
pub(super) struct Rows {
    /// Rows of the sources, all of one height.
    pub height: u32,
    /// Rows of the output.
    pub out: u32,
    /// Rows of the output per row of the sources, as a fraction.
    rate: (u32, u32),
    /// For each row of the output the first and the last row of the sources that it is made of.
    needs: Vec<(u32, u32)>,
}

impl Rows {
    /// `None` if the sources differ in height.
    pub fn of(tape: &Tape, stage: &Stage) -> Option<Rows> {
        let height = tape.shape(*stage.sources.first()?).h;
        if stage.sources.iter().any(|source| tape.shape(*source).h != height) {
            return None;
        }
        let out = tape.shape(stage.output).h;
        let needs = (0..out).map(|row| needs(tape, stage, row)).collect::<Option<_>>()?;
        Some(Rows { height, out, rate: rate(tape, stage), needs })
    }

    /// Rows of the sources in a strip, where the strips of a picture of some height have `rows`.
    pub fn strip(&self, picture: u32, rows: u32) -> u32 {
        let scaled = (u64::from(rows) * u64::from(self.height)).div_ceil(u64::from(picture)) as u32;
        let reach = self.needs.iter().map(|(first, last)| last - first + 1).max().unwrap_or(1);
        let step = self.rate.1;
        // What is left over must be a multiple of the stride, so that the last strip ends with the
        // picture.
        let wanted = scaled.max(reach + 2 * step).min(self.height);
        self.height - (self.height - wanted) / step * step
    }

    /// The strips of `rows` rows each, which make `span` rows; `None` if they are too small.
    pub fn windows(&self, rows: u32, span: u32) -> Option<Vec<Window>> {
        let (up, down) = self.rate;
        let mut made = Vec::new();
        let mut next = 0;
        while next < self.out {
            let first = self.needs[next as usize].0.min(self.height - rows);
            let start = first / down * down;
            let origin = start * up / down;
            let whole = |row: &u32| {
                let (first, last) = self.needs[*row as usize];
                first >= start && last < start + rows && *row < origin + span
            };
            let end = (next..self.out).take_while(whole).last()? + 1;
            made.push(Window { start, makes: next..end, skip: next - origin });
            next = end;
        }
        Some(made)
    }
}

/// Rows of the output per row of the sources.
fn rate(tape: &Tape, stage: &Stage) -> (u32, u32) {
    let mut rates: HashMap<Tensor, (u32, u32)> = HashMap::new();
    for (at, kind) in &stage.nodes {
        let node = &tape.nodes()[*at];
        let (up, down) = node.inputs.first().and_then(|x| rates.get(x)).copied().unwrap_or((1, 1));
        let rate = match kind {
            Forward::Convolution { conv, transposed: true } => (up * conv.stride, down),
            Forward::Convolution { conv, transposed: false } => (up, down * conv.stride),
            Forward::AvgPool(pooling) => (up, down * pooling.stride),
            Forward::Resample(resample) => (up * resample.enlarge.scale(), down),
            _ => (up, down),
        };
        rates.extend(node.outputs.iter().map(|made| (*made, rate)));
    }
    rates.get(&stage.output).copied().unwrap_or((1, 1))
}

/// The first and the last row of the sources that a row of the output is made of.
fn needs(tape: &Tape, stage: &Stage, row: u32) -> Option<(u32, u32)> {
    let mut rows: HashMap<Tensor, (i64, i64)> = HashMap::new();
    rows.insert(stage.output, (row.into(), row.into()));
    for (at, kind) in stage.nodes.iter().rev() {
        let node = &tape.nodes()[*at];
        let Some(made) = node.outputs.iter().find_map(|made| rows.get(made)).copied() else {
            continue;
        };
        let maps = match kind {
            Forward::Add | Forward::Concat | Forward::InstanceMean => &node.inputs[..],
            Forward::Fill(_) | Forward::Running(_) | Forward::Statistics => &[],
            _ => &node.inputs[..1],
        };
        for map in maps {
            let (first, last) = before(*kind, made, tape.shape(*map).h.into());
            rows.entry(*map)
                .and_modify(|rows| *rows = (rows.0.min(first), rows.1.max(last)))
                .or_insert((first, last));
        }
    }
    let of = |source| rows.get(source).map(|(first, last)| (*first as u32, *last as u32));
    let mut all = stage.sources.iter().map(of);
    let first = all.next()??;
    all.try_fold(first, |(first, last), rows| {
        let (other, end) = rows?;
        Some((first.min(other), last.max(end)))
    })
}

/// The rows of an operand of `height` rows that the rows `first` to `last` of a result are made of:
/// perhaps some more, where they are seen through padding.
fn before(kind: Forward, (first, last): (i64, i64), height: i64) -> (i64, i64) {
    let inside =
        |(first, last): (i64, i64)| (first.clamp(0, height - 1), last.clamp(0, height - 1));
    match kind {
        Forward::Convolution { conv, transposed } => {
            let Conv { kernel, stride, pad, .. } = conv;
            let (k, s, p) = (i64::from(kernel), i64::from(stride), i64::from(pad));
            inside(if transposed {
                (-(k - 1 - first - p).div_euclid(s), (last + p).div_euclid(s))
            } else {
                (first * s - p, last * s - p + k - 1)
            })
        }
        Forward::AvgPool(Pooling { kernel, stride, pad }) => {
            let (k, s, p) = (i64::from(kernel), i64::from(stride), i64::from(pad));
            inside((first * s - p, last * s - p + k - 1))
        }
        Forward::InstanceEdges => inside((first - 1, last + 1)),
        Forward::InstanceMean => (0, height - 1),
        Forward::Resample(Resample2d { enlarge, padding, pad }) => {
            let (pad, end) = (i64::from(pad), height * i64::from(enlarge.scale()) - 1);
            let (first, last) = (first - pad, last - pad);
            let (first, last) = match padding {
                Padding::Replicate => (first, last),
                // What lies outside is seen mirrored.
                Padding::Reflect => (first.min(2 * end - last), last.max(-first)),
            };
            let (first, last) = (first.clamp(0, end), last.clamp(0, end));
            inside(match enlarge {
                Enlarge::No => (first, last),
                Enlarge::Nearest => (first / 2, last / 2),
                Enlarge::Bilinear => ((first - 1).div_euclid(2), (last + 1) / 2),
            })
        }
        _ => (first, last),
    }
}
