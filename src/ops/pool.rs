//! The image pool of CycleGAN: images generated earlier, of which a discriminator sees some in
//! place of new ones.
//!
//! What happens to each image of a batch, in order, is decided on the host and given as data: a
//! slot, or none, and whether what the slot holds is taken out. With a slot the new image is put
//! there. The pool lies in pages, one operation a page, each handing on what it does not exchange.

use super::{Bind, Cost, Dispatch, Lowering, Op};
use crate::error::Result;
use crate::gpu::MAX_BINDING;
use crate::shape::{Channels, Shape};
use crate::store::{Store, StoreId};
use crate::tape::{Backward, Tape, Tensor};

/// A page of the pool. Inputs: the new images, what came out of the pages before, decisions
/// `[1, 1, n, 2]`. Outputs: the page, updated, and what comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pool {
    /// The page's first slot.
    pub first: u32,
}

/// What happens to one image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolDecision {
    /// The slot in which it is kept, if it is kept.
    pub slot: Option<u32>,
    /// Whether what was kept there is given out in its place.
    pub take: bool,
}

/// The pool's pages in a store: `size` images of one size.
#[derive(Clone, Debug)]
pub struct PoolPages {
    size: u32,
    /// First slot and page.
    pages: Vec<(u32, StoreId)>,
}

/// Streams of random numbers of the pools, apart from those of initial weights and dropout.
const STREAM: u32 = 0xf000_0000;

impl PoolPages {
    /// Adds a pool of `size` images `[h, w, c]` to a set of the store; 0 is none.
    pub fn new(
        store: &mut Store,
        set: &str,
        size: u32,
        image: [u32; 2],
        channels: impl Into<Channels>,
    ) -> PoolPages {
        PoolPages::with_page_limit(store, set, size, image, channels, MAX_BINDING)
    }

    /// The same with pages of at most `limit` bytes.
    pub(crate) fn with_page_limit(
        store: &mut Store,
        set: &str,
        size: u32,
        [h, w]: [u32; 2],
        channels: impl Into<Channels>,
        limit: u64,
    ) -> PoolPages {
        let c = channels.into();
        let each = (limit / Shape::new(1, h, w, c).bytes()).clamp(1, size.max(1).into()) as u32;
        let pages = (0..size)
            .step_by(each as usize)
            .map(|first| (first, store.state(set, Shape::new(each.min(size - first), h, w, c))))
            .collect();
        PoolPages { size, pages }
    }

    /// The pages of the store that hold the pool, in order.
    pub fn pages(&self) -> impl Iterator<Item = StoreId> {
        self.pages.iter().map(|(_, page)| *page)
    }

    /// What happens to the `batch` images after the `before` first ones: the first `size` of all
    /// are kept; then each is exchanged for one at random, or given out as it is, with equal
    /// chance. A function of its arguments alone, so a run that is resumed goes on as it would
    /// have.
    pub fn decide(&self, seed: u32, before: u64, batch: u32, stream: u32) -> Vec<PoolDecision> {
        let one = |image: u64| {
            if image < u64::from(self.size) {
                return PoolDecision { slot: Some(image as u32), take: false };
            }
            let [exchange, slot, ..] =
                crate::rng::random(image as u32, STREAM + stream, (image >> 32) as u32, seed);
            if self.size == 0 || exchange >> 31 == 0 {
                return PoolDecision { slot: None, take: false };
            }
            PoolDecision {
                slot: Some(((u64::from(slot) * u64::from(self.size)) >> 32) as u32),
                take: true,
            }
        };
        (before..before + u64::from(batch)).map(one).collect()
    }
}

impl PoolDecision {
    /// The values of the decisions' tensor.
    pub fn values(decisions: &[PoolDecision]) -> Vec<f32> {
        decisions
            .iter()
            .flat_map(|d| [d.slot.map_or(-1.0, |s| s as f32), f32::from(u8::from(d.take))])
            .collect()
    }
}

impl Op for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let [x, before, decisions] = [0, 1, 2].map(|at| &node.inputs[at]);
        let (page, y) = (&node.outputs[0], &node.outputs[1]);
        let pixels = x.shape.h * x.shape.w;
        let vec4s = u64::from(pixels) * u64::from(x.shape.c.vec4s());
        let d = Dispatch::new("pool", "pool")
            .bind("x", Bind::In(0))
            .bind("before", Bind::In(1))
            .bind("decisions", Bind::In(2));
        let d = d.bind("page", Bind::Out(0)).bind("y", Bind::Out(1));
        let d = d
            .u("vec4s", vec4s as u32)
            .u("width", x.shape.c.vec4s())
            .u("pixels", pixels)
            .u("images", x.shape.n);
        let d = d
            .u("first", self.first)
            .u("slots", page.shape.n)
            .view("x", x)
            .view("before", before)
            .view("page", page)
            .view("y", y);
        vec![d.view("d", decisions).over(vec4s)]
    }

    fn backward(&self, b: &mut Backward<'_>) -> Result<()> {
        b.refuse(
            "pool",
            "what comes out of a pool was made by an earlier step, to which no gradient leads",
        )
    }

    fn cost(&self, inputs: &[Shape], _: &[Shape]) -> Cost {
        Cost { flop: 0, bytes: 4 * inputs[0].bytes() }
    }

    fn in_place(&self) -> bool {
        true
    }
}

impl Tape {
    /// Decisions for `n` images, which the host writes before a step ([`PoolDecision::values`]).
    pub fn pool_decisions(&mut self, label: &str, n: u32) -> Tensor {
        self.input(label, Shape::new(1, 1, n, 2))
    }

    /// Sends images `x` `[n, h, w, c]` through a pool: what a discriminator sees in their place.
    /// No gradient leads through it.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the pool's images or the decisions are of another shape.
    pub fn pool(
        &mut self,
        store: &Store,
        pool: &PoolPages,
        x: Tensor,
        decisions: Tensor,
    ) -> Result<Tensor> {
        let (shape, given) = (self.shape(x), self.shape(decisions));
        if given != Shape::new(1, 1, shape.n, 2) {
            return Err(self.shape_error("pool", format!("decisions {given} for images {shape}")));
        }
        let mut y = x;
        for &(first, page) in &pool.pages {
            let kept = store.shape(page);
            if (Shape { n: shape.n, ..kept }) != shape {
                return Err(
                    self.shape_error("pool", format!("a pool of images {kept} for {shape}"))
                );
            }
            let page = self.stored(store, page, "pool");
            y = self.push_into(Pool { first }, &[x, y, decisions], &[page], &[shape])[1];
        }
        Ok(y)
    }
}
