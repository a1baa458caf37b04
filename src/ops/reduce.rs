//! How reductions are shared out: over columns of a grid (`shaders/lib/rows.wgsl`), and where there
//! is much to reduce, in two stages.
//!
//! CPU drivers get one invocation a column: barriers cost them more than they save, and some
//! invocations keep them busy. GPUs get several rows of invocations a column, joined in workgroup
//! memory, and enough chunks to be full.

use super::{Bind, Dispatch};
use crate::gpu::Family;

/// Invocations per workgroup where several rows share a column.
const SHARED: u32 = 256;
/// Most columns of such a workgroup; 32 rows are left. Eight vec4s side by side are a cache line.
const MAX_COLUMNS: u32 = 8;
/// Workgroups that fill a large GPU.
const FULL: u32 = 256;
/// Things a row takes at least before a second chunk begins, and at most where there is only one:
/// fewer are not worth a workgroup, more take longer than a second dispatch (a megabyte read by
/// eight workgroups: 2 to 3 microseconds; a dispatch: 4 to 5).
const ROW: [u32; 2] = [4, 32];

/// Most partial results a reduction leaves for its second stage on CPU drivers.
const MAX_CHUNKS: u32 = 256;
/// Up to here one invocation does it all: a dispatch costs as much as reading some hundred vec4s.
const ONE_CHUNK: u32 = 64;

/// A reduction of `count` things, `width` of them side by side, `groups` times over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reduction {
    /// Columns of a workgroup, and rows of invocations that share one.
    columns: u32,
    rows: u32,
    /// Columns of the first stage if there were one chunk: all groups.
    across: u32,
    /// Most things in a chunk.
    pub length: u32,
    /// Chunks of a group; none is empty. One: no second stage.
    pub chunks: u32,
}

impl Reduction {
    pub fn new(family: Family, groups: u32, width: u32, count: u32) -> Self {
        let count = count.max(1);
        let across = groups * width;
        let (columns, rows, length) = if family == Family::Workgroup {
            // Tensors of few channels leave more rows.
            let columns = width.next_power_of_two().min(MAX_COLUMNS);
            let rows = SHARED / columns;
            let wanted = FULL.div_ceil(across.div_ceil(columns));
            let length = if count <= ROW[1] * rows {
                count
            } else {
                count.div_ceil(wanted).next_multiple_of(rows).max(ROW[0] * rows)
            };
            (columns, rows, length)
        } else {
            // About sqrt(count) chunks, so that both stages take equally long: the second one has
            // few invocations.
            let length = if count <= ONE_CHUNK {
                count
            } else {
                (count.isqrt() + 1).next_multiple_of(4).max(count.div_ceil(MAX_CHUNKS))
            };
            (super::WORKGROUP, 1, length)
        };
        Reduction { columns, rows, across, length, chunks: count.div_ceil(length) }
    }

    /// Whether one stage does.
    pub fn whole(&self) -> bool {
        self.chunks == 1
    }

    /// The second stage: one chunk of the first one's chunks.
    pub fn second(self) -> Self {
        Reduction { length: self.chunks, chunks: 1, ..self }
    }

    /// For a kernel in which a column takes all groups one after another.
    pub fn in_order(self, groups: u32) -> Self {
        Reduction { across: self.across / groups, ..self }
    }

    /// Columns of the grid.
    pub fn tasks(&self) -> u32 {
        self.across * self.chunks
    }

    /// The grid and its shape. Parameters are the caller's.
    pub fn dispatch(&self, d: Dispatch) -> Dispatch {
        d.tune("COLUMNS", self.columns)
            .tune("ROWS", self.rows)
            .workgroups(u64::from(self.tasks().div_ceil(self.columns)))
    }

    /// The partial results: `vectors` vec4s a chunk and column.
    pub fn partials(&self, vectors: u32, write: bool) -> Bind {
        Bind::Scratch { at: 0, bytes: 16 * u64::from(vectors) * u64::from(self.tasks()), write }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_everything_and_none_is_idle() {
        for family in [Family::Register, Family::Workgroup] {
            for (width, count) in (1..5000)
                .chain([65_536, 262_144, 1 << 23])
                .flat_map(|count| [1, 3, 16, 128].map(|width| (width, count)))
            {
                let r = Reduction::new(family, 1, width, count);
                assert!(
                    r.chunks <= 256
                        && (r.chunks - 1) * r.length < count
                        && count <= r.chunks * r.length,
                    "{width} {count}: {r:?}"
                );
                assert!(r.columns * r.rows <= SHARED && r.second().whole(), "{r:?}");
            }
        }
        assert_eq!(Reduction::new(Family::Register, 1, 16, 16_384).chunks, 125);
    }

    #[test]
    fn large_tensors_fill_a_gpu_and_inner_layers_take_one_stage() {
        let of = |width, count| Reduction::new(Family::Workgroup, 1, width, count);
        let (outer, inner) = (of(16, 16_384), of(128, 256));
        assert!(outer.tasks().div_ceil(outer.columns) >= FULL / 2, "{outer:?}");
        assert!(inner.whole(), "{inner:?}");
        assert_eq!(
            (of(1, 900).columns, of(1, 900).chunks),
            (1, 1),
            "one logit: all invocations share it"
        );
    }
}
