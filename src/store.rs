//! What outlives a step: parameters, gradients, Adam moments and running statistics, in pages.
//!
//! A page is one buffer of at most 128 MiB; a tensor never straddles two. Weights, gradients and
//! moments of a set lie at the same offsets of parallel pages, so Adam is one dispatch per page and
//! gradients can be transferred page by page. Vectors (biases, parameters of norms) have pages of
//! their own: where every weight of a page goes straight from its gradient into Adam, that page
//! needs no gradients. Running statistics have pages of their own, since a kernel that reads
//! weights may write statistics.

mod packed;

pub use packed::Packed;

use crate::error::{Error, Result};
use crate::gpu::{Gpu, MAX_BINDING, OwnedBuffer};
use crate::shape::{Channels, Shape};
use std::sync::{Arc, OnceLock};

/// A tensor in a [`Store`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct StoreId(u32);

/// Contents of a page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Trainable values.
    Weight,
    /// Gradients of trainable values.
    Gradient,
    /// Adam's moments, first and second.
    Moment,
    /// Running statistics of norms, and pools of pictures.
    Running,
}

/// How the public (PyTorch) layout of a parameter maps to the one on the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// A vector of channels: biases, norm weights, running statistics.
    Vector(Channels),
    /// Public `[co, ci, k, k]`, here `[tap][ci][co]`.
    Conv {
        /// Channels of the input, by parts: they decide where a weight's rows lie.
        ci: Channels,
        /// Channels of the output.
        co: u32,
        /// Kernel side.
        kernel: u32,
    },
    /// Public `[ci, co, k, k]`, here `[tap][ci][co]`.
    ConvTranspose {
        /// Channels of the input, by parts.
        ci: Channels,
        /// Channels of the output.
        co: u32,
        /// Kernel side.
        kernel: u32,
    },
}

impl Layout {
    /// Shape on the device.
    pub fn shape(&self) -> Shape {
        match *self {
            Layout::Vector(c) => Shape::vector(c),
            Layout::Conv { ci, co, kernel } | Layout::ConvTranspose { ci, co, kernel } => {
                Shape::new(kernel * kernel, 1, ci.physical(), co)
            }
        }
    }

    /// The input channels of a convolution's weight: only tensors with exactly these fit.
    pub fn rows(&self) -> Option<Channels> {
        match *self {
            Layout::Vector(_) => None,
            Layout::Conv { ci, .. } | Layout::ConvTranspose { ci, .. } => Some(ci),
        }
    }

    /// Shape in public files.
    pub fn public_shape(&self) -> Vec<usize> {
        match *self {
            Layout::Vector(c) => vec![c.logical() as usize],
            Layout::Conv { ci, co, kernel } => {
                [co, ci.logical(), kernel, kernel].map(|v| v as usize).to_vec()
            }
            Layout::ConvTranspose { ci, co, kernel } => {
                [ci.logical(), co, kernel, kernel].map(|v| v as usize).to_vec()
            }
        }
    }

    /// Number of values.
    pub fn elements(&self) -> usize {
        self.public_shape().iter().product()
    }

    /// Refuses another number of values.
    pub(crate) fn check(&self, values: usize) -> Result<()> {
        if values == self.elements() {
            return Ok(());
        }
        let shape = self.public_shape();
        Err(Error::Usage(format!("{values} values for a tensor of shape {shape:?}")))
    }

    /// From one row, and from one column, to the next in public order; a tap is the next value.
    pub(crate) fn steps(&self) -> [u32; 2] {
        match *self {
            Layout::Vector(_) => [1, 1],
            Layout::Conv { ci, kernel, .. } => [kernel * kernel, ci.logical() * kernel * kernel],
            Layout::ConvTranspose { co, kernel, .. } => [co * kernel * kernel, kernel * kernel],
        }
    }

    /// Calls with the index of each value in public order and in the device layout. A few columns
    /// at a time with all taps, so that what lies together in either is visited together.
    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        const COLUMNS: usize = 16;
        let Shape { n: taps, w: height, c, .. } = self.shape();
        let [row_step, column_step] = self.steps();
        let rows: Vec<u32> = self.rows().unwrap_or(Channels::new(1)).places().collect();
        let columns: Vec<(u32, u32)> =
            (0..).step_by(column_step as usize).zip(c.places()).collect();
        for columns in columns.chunks(COLUMNS) {
            for (row, row_at) in (0..).zip(&rows) {
                for tap in 0..taps {
                    let public = row * row_step + tap;
                    let device = (tap * height + row_at) * c.physical();
                    for (column, column_at) in columns {
                        visit((public + column) as usize, (device + column_at) as usize);
                    }
                }
            }
        }
    }

    /// For each value in public order, its index in the device layout.
    pub fn places(&self) -> Vec<u32> {
        let mut places = vec![0; self.elements()];
        self.each(|public, device| places[public] = device as u32);
        places
    }
}

/// A trainable tensor, or a running statistic or frozen weight (then `gradient` is `None`).
#[derive(Clone, Debug)]
pub struct Param {
    /// Public name, `model.1.model.2.weight` for example.
    pub name: String,
    /// Public and device layout.
    pub layout: Layout,
    /// The values.
    pub value: StoreId,
    /// The gradient, in the parallel page.
    pub gradient: Option<StoreId>,
    /// First and second moment, in the parallel pages.
    pub moments: Option<[StoreId; 2]>,
}

/// A page of a set as flat tensors `[1, 1, vec4s, 4]`: what Adam runs over.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Weights.
    pub weight: StoreId,
    /// Gradients.
    pub gradient: StoreId,
    /// First moments.
    pub moment1: StoreId,
    /// Second moments.
    pub moment2: StoreId,
}

#[derive(Debug)]
struct Entry {
    buffer: usize,
    offset: u64,
    shape: Shape,
}

#[derive(Debug)]
struct PageBuffer {
    label: String,
    role: Role,
    bytes: u64,
    device: OnceLock<StoredPage>,
}

/// A page on the device, shared by the store and the programs that use it.
pub(crate) type StoredPage = Arc<OwnedBuffer>;

#[derive(Debug)]
struct Set {
    name: String,
    /// First buffer of each page: weights and vectors have gradient and two moment pages right
    /// behind.
    weights: Vec<usize>,
    vectors: Vec<usize>,
    running: Vec<usize>,
    /// Its weights are never trained: weight pages stand alone.
    frozen: bool,
}

/// The pages of all sets ("G", "D", …). Described on the host; allocated on a device page by page,
/// as plans need them.
#[derive(Debug, Default)]
pub struct Store {
    buffers: Vec<PageBuffer>,
    entries: Vec<Entry>,
    sets: Vec<Set>,
    page_limit: Option<u64>,
}

/// Storage offsets are multiples of this on every adapter.
const ALIGN: u64 = 256;

impl Store {
    /// An empty store with pages of at most 128 MiB.
    pub fn new() -> Self {
        Store::default()
    }

    /// An empty store with pages of at most `bytes` bytes.
    pub(crate) fn with_page_limit(bytes: u64) -> Self {
        Store { page_limit: Some(bytes), ..Store::default() }
    }

    fn set(&mut self, name: &str) -> usize {
        self.sets.iter().position(|s| s.name == name).unwrap_or_else(|| {
            self.sets.push(Set {
                name: name.into(),
                weights: Vec::new(),
                vectors: Vec::new(),
                running: Vec::new(),
                frozen: false,
            });
            self.sets.len() - 1
        })
    }

    /// The page of a set for so many bytes more: of running statistics, of vectors, or of weights.
    fn page(&mut self, set: usize, role: Role, vector: bool, bytes: u64) -> usize {
        let limit = self.page_limit.unwrap_or(MAX_BINDING);
        let pages = match role {
            Role::Running => &self.sets[set].running,
            _ if vector => &self.sets[set].vectors,
            _ => &self.sets[set].weights,
        };
        if let Some(&last) = pages.last()
            && self.buffers[last].bytes + bytes <= limit
        {
            return last;
        }
        let (name, number, first) = (self.sets[set].name.clone(), pages.len(), self.buffers.len());
        let frozen = self.sets[set].frozen;
        let kind = if vector { "vector " } else { "" };
        let mut add = |what: &str, role| {
            self.buffers.push(PageBuffer {
                label: format!("{name}/{kind}{what}/{number}"),
                role,
                bytes: 0,
                device: OnceLock::new(),
            });
        };
        if role == Role::Running {
            add("running", Role::Running);
            self.sets[set].running.push(first);
        } else {
            add("weight", Role::Weight);
            if !frozen {
                add("gradient", Role::Gradient);
                add("moment1", Role::Moment);
                add("moment2", Role::Moment);
            }
            let set = &mut self.sets[set];
            if vector { &mut set.vectors } else { &mut set.weights }.push(first);
        }
        first
    }

    fn entry(&mut self, buffer: usize, offset: u64, shape: Shape) -> StoreId {
        self.entries.push(Entry { buffer, offset, shape });
        StoreId(self.entries.len() as u32 - 1)
    }

    fn add(&mut self, set: &str, name: &str, layout: Layout, role: Role) -> Param {
        let shape = layout.shape();
        let bytes = shape.bytes().next_multiple_of(ALIGN);
        let set = self.set(set);
        let vector = role == Role::Weight && matches!(layout, Layout::Vector(_));
        let page = self.page(set, role, vector, bytes);
        let offset = self.buffers[page].bytes;
        let trainable = role == Role::Weight && !self.sets[set].frozen;
        let parallel = if trainable { 4 } else { 1 };
        for buffer in page..page + parallel {
            self.buffers[buffer].bytes += bytes;
        }
        let mut at = |by: usize| self.entry(page + by, offset, shape);
        let value = at(0);
        let gradient = trainable.then(|| at(1));
        let moments = trainable.then(|| [at(2), at(3)]);
        Param { name: name.into(), layout, value, gradient, moments }
    }

    /// Makes a set one of weights that are read and never trained: what [`param`](Self::param) adds
    /// to it has no gradient and no moments, and takes no memory for them. To be called before
    /// anything is added to the set.
    ///
    /// # Panics
    /// If the set has weights already.
    pub fn freeze(&mut self, set: &str) {
        let set = self.set(set);
        let Set { weights, vectors, .. } = &self.sets[set];
        let empty = weights.is_empty() && vectors.is_empty();
        assert!(empty, "a set is frozen before it has weights");
        self.sets[set].frozen = true;
    }

    /// Adds a tensor to a set: trainable unless the set is [frozen](Self::freeze).
    pub fn param(&mut self, set: &str, name: &str, layout: Layout) -> Param {
        self.add(set, name, layout, Role::Weight)
    }

    /// Adds a running statistic to a set.
    pub fn running(&mut self, set: &str, name: &str, channels: Channels) -> Param {
        self.add(set, name, Layout::Vector(channels), Role::Running)
    }

    /// Adds a tensor in the device's layout without a gradient: a page of an image pool.
    pub fn state(&mut self, set: &str, shape: Shape) -> StoreId {
        let bytes = shape.bytes().next_multiple_of(ALIGN);
        let set = self.set(set);
        let page = self.page(set, Role::Running, false, bytes);
        let offset = self.buffers[page].bytes;
        self.buffers[page].bytes += bytes;
        self.entry(page, offset, shape)
    }

    /// Reads a tensor in the device's layout, padding included.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] or [`crate::Error::OutOfMemory`].
    pub async fn read_raw(&self, gpu: &Gpu, id: StoreId) -> Result<Vec<f32>> {
        let (buffer, offset) = self.on_device(gpu, id)?;
        let bytes =
            crate::gpu::read_buffer(gpu, &buffer, offset, self.shape(id).bytes(), "read state")
                .await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Writes what [`read_raw`](Self::read_raw) read.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] if the page cannot be allocated, [`crate::Error::Usage`] if
    /// the number of values is wrong.
    pub fn write_raw(&self, gpu: &Gpu, id: StoreId, values: &[f32]) -> Result<()> {
        let shape = self.shape(id);
        if values.len() as u64 * 4 != shape.bytes() {
            return Err(Error::Usage(format!("{} values for {shape} on the device", values.len())));
        }
        let (buffer, offset) = self.on_device(gpu, id)?;
        gpu.scoped("write state", || {
            gpu.queue().write_buffer(&buffer, offset, bytemuck::cast_slice(values))
        })
    }

    /// The weight pages of a set, whole; none of a frozen one. Call it when all parameters have
    /// been added.
    pub fn pages(&mut self, set: &str) -> Vec<Page> {
        let set = self.set(set);
        if self.sets[set].frozen {
            return Vec::new();
        }
        let Set { weights, vectors, .. } = &self.sets[set];
        let firsts: Vec<usize> = weights.iter().chain(vectors).copied().collect();
        firsts
            .into_iter()
            .map(|first| {
                let shape = Shape::new(1, 1, (self.buffers[first].bytes / 16) as u32, 4);
                let mut whole = |by: usize| self.entry(first + by, 0, shape);
                Page { weight: whole(0), gradient: whole(1), moment1: whole(2), moment2: whole(3) }
            })
            .collect()
    }

    /// All pages of a set that its weights file is written from, whole: weights, then running
    /// statistics. Call it after all parameters have been added; sets with the same parameters have
    /// the same pages.
    pub fn all_pages(&mut self, set: &str) -> Vec<StoreId> {
        let set = self.set(set);
        let Set { weights, vectors, running, .. } = &self.sets[set];
        let buffers: Vec<usize> = weights.iter().chain(vectors).chain(running).copied().collect();
        buffers
            .into_iter()
            .map(|b| self.entry(b, 0, Shape::new(1, 1, (self.buffers[b].bytes / 16) as u32, 4)))
            .collect()
    }

    /// Shape of a tensor.
    pub fn shape(&self, id: StoreId) -> Shape {
        self.entries[id.0 as usize].shape
    }

    /// Index of the page of a tensor; pages are counted over the whole store.
    pub(crate) fn buffer_index(&self, id: StoreId) -> usize {
        self.entries[id.0 as usize].buffer
    }

    /// Value and moments of the parameter, or page, that a tensor is the gradient of.
    pub(crate) fn of_gradient(&self, id: StoreId) -> Option<[StoreId; 3]> {
        let role = self.buffers[self.buffer_index(id)].role;
        // Added one after the other.
        (role == Role::Gradient).then(|| [id.0 - 1, id.0 + 1, id.0 + 2].map(StoreId))
    }

    /// Page of a tensor, and the bytes of it that are the tensor's, up to where the next may begin.
    pub(crate) fn range(&self, id: StoreId) -> (usize, std::ops::Range<u64>) {
        let Entry { buffer, offset, shape } = &self.entries[id.0 as usize];
        (*buffer, *offset..offset + shape.bytes().next_multiple_of(ALIGN))
    }

    /// Bytes, role and label of a page.
    pub(crate) fn buffer_info(&self, index: usize) -> (u64, Role, &str) {
        let buffer = &self.buffers[index];
        (buffer.bytes, buffer.role, &buffer.label)
    }

    /// The page of a tensor on the device (made and zeroed at first use), and the tensor's offset
    /// in bytes. In a browser the buffer is destroyed with the store and the programs that use it.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] if the page cannot be allocated.
    pub fn on_device(&self, gpu: &Gpu, id: StoreId) -> Result<(wgpu::Buffer, u64)> {
        self.page_of(gpu, id).map(|(page, offset)| (wgpu::Buffer::clone(&page), offset))
    }

    pub(crate) fn page_of(&self, gpu: &Gpu, id: StoreId) -> Result<(StoredPage, u64)> {
        let entry = &self.entries[id.0 as usize];
        let page = &self.buffers[entry.buffer];
        if let Some(made) = page.device.get() {
            return Ok((made.clone(), entry.offset));
        }
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let made = Arc::new(OwnedBuffer::new(gpu, &page.label, page.bytes, usage)?);
        // Another thread may have been faster.
        Ok((page.device.get_or_init(|| made).clone(), entry.offset))
    }

    /// All that a step changes and the next one reads, page by page with their labels: weights that
    /// are trained, moments, running statistics, pools. Pages that no plan uses are left out.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) async fn snapshot(&self, gpu: &Gpu) -> Result<Vec<(String, Vec<u8>)>> {
        let mut pages = Vec::new();
        for page in self.changing() {
            let Some(buffer) = page.device.get() else { continue };
            let bytes = crate::gpu::read_buffer(gpu, buffer, 0, page.bytes, &page.label).await?;
            pages.push((page.label.clone(), bytes));
        }
        Ok(pages)
    }

    /// Writes back what [`snapshot`](Self::snapshot) read.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn restore(&self, gpu: &Gpu, pages: &[(String, Vec<u8>)]) -> Result<()> {
        let used = self.changing().filter_map(|page| page.device.get());
        used.zip(pages).try_for_each(|(buffer, (label, bytes))| {
            gpu.scoped(label, || gpu.queue().write_buffer(buffer, 0, bytes))
        })
    }

    /// Pages whose contents pass from step to step.
    #[cfg(not(target_arch = "wasm32"))]
    fn changing(&self) -> impl Iterator<Item = &PageBuffer> {
        let frozen = self.sets.iter().filter(|set| set.frozen);
        let frozen = frozen.flat_map(|set| set.weights.iter().chain(&set.vectors));
        let frozen: Vec<usize> = frozen.copied().collect();
        let pages = self.buffers.iter().enumerate();
        pages
            .filter(move |(at, page)| page.role != Role::Gradient && !frozen.contains(at))
            .map(|(_, page)| page)
    }

    /// Writes a tensor's values, given in public order.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] if the page cannot be allocated, [`crate::Error::Usage`] if
    /// the number of values is wrong.
    pub fn write(&self, gpu: &Gpu, id: StoreId, layout: &Layout, values: &[f32]) -> Result<()> {
        layout.check(values.len())?;
        let mut device = vec![0f32; layout.shape().bytes() as usize / 4];
        layout.each(|from, to| device[to] = values[from]);
        let (buffer, offset) = self.on_device(gpu, id)?;
        gpu.scoped("write parameters", || {
            gpu.queue().write_buffer(&buffer, offset, bytemuck::cast_slice(&device));
            // wgpu keeps a copy until the next submission: of all weights, without one here.
            gpu.queue().submit([]);
        })
    }

    /// Reads a tensor's values in public order.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] or [`crate::Error::OutOfMemory`].
    pub async fn read(&self, gpu: &Gpu, id: StoreId, layout: &Layout) -> Result<Vec<f32>> {
        let (buffer, offset) = self.on_device(gpu, id)?;
        let bytes = crate::gpu::read_buffer(
            gpu,
            &buffer,
            offset,
            layout.shape().bytes(),
            "read parameters",
        )
        .await?;
        let device: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        let mut values = vec![0f32; layout.elements()];
        layout.each(|to, from| values[to] = device[from]);
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_keep_every_value_at_a_place_of_its_own_and_skip_the_padding() {
        let ci = Channels::concat(&[3.into(), 3.into()]).unwrap();
        for layout in
            [Layout::Conv { ci, co: 5, kernel: 4 }, Layout::ConvTranspose { ci, co: 5, kernel: 4 }]
        {
            let mut places = layout.places();
            assert_eq!(places.len(), 6 * 5 * 16);
            // [tap][ci 8][co 8]: rows 3 and 7 and columns 5..8 are padding.
            assert!(places.iter().all(|p| p % 8 < 5 && ![3, 7].contains(&(p / 8 % 8))));
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), 6 * 5 * 16);
        }
        let conv = Layout::Conv { ci: 2.into(), co: 3, kernel: 2 };
        // Public index [o=1, i=0, tap=3] is 1 * 2 * 4 + 3 = 11; here (3 * 4 + 0) * 4 + 1.
        assert_eq!(conv.places()[11], 49);
    }

    #[test]
    fn no_tensor_straddles_two_pages() {
        let mut store = Store::with_page_limit(1024);
        let params: Vec<Param> = (0..5)
            .map(|i| store.param("G", &format!("p{i}"), Layout::Vector(100.into())))
            .collect();
        assert_eq!(store.pages("G").len(), 3);
        for p in &params {
            let entry = &store.entries[p.value.0 as usize];
            assert!(
                entry.offset.is_multiple_of(ALIGN)
                    && entry.offset + 400 <= store.buffers[entry.buffer].bytes
            );
        }
        let gradient = store.buffer_index(params[4].gradient.unwrap());
        assert_eq!(gradient, store.buffer_index(params[4].value) + 1);
    }

    #[test]
    fn frozen_weights_have_pages_of_their_own_and_nothing_beside_them() {
        let mut store = Store::with_page_limit(1024);
        store.freeze("VGG");
        for set in ["VGG", "D"] {
            for i in 0..3 {
                let param = store.param(set, &format!("p{i}"), Layout::Vector(100.into()));
                assert_eq!(param.gradient.is_some(), set == "D");
                assert_eq!(param.moments.is_some(), set == "D");
            }
        }
        assert_eq!((store.pages("VGG").len(), store.pages("D").len()), (0, 2));
        assert_eq!(store.all_pages("VGG").len(), 2);
        let bytes = |role: Role| {
            let pages = store.buffers.iter().filter(|page| page.role == role);
            pages.map(|page| page.bytes).sum::<u64>()
        };
        assert_eq!((bytes(Role::Weight), bytes(Role::Gradient)), (3072, 1536));
        assert_eq!(bytes(Role::Moment), 3072);
    }
}
