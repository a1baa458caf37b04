//! A plan on a device: everything is allocated once, a step only encodes.

use super::layout::Root;
use super::ring::Scalars;
use super::scratch::Scratch;
use super::segments::{self, Segments};
use super::{Plan, PlanNode};
use crate::error::{Error, Result};
use crate::gpu::{self, Gpu, Kernel, OwnedBuffer, Pipeline};
use crate::ops::{Bind, Cost, Dispatch};
use crate::shape::Shape;
use crate::store::{Store, StoredPage};
use crate::tape::Tensor;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Number of optimizer groups in the step uniform.
pub const GROUPS: usize = 4;
/// Guard words behind every buffer of a plan with [`super::PlanOptions::guards`].
pub(super) const GUARD_BYTES: u64 = 256;

/// Learning rate and Adam constants of one optimizer group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub eps: f64,
    /// Number of this update, from 1, for the bias corrections.
    pub t: u32,
}

/// The values that change from step to step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepValues {
    /// Number of the step, which random numbers depend on.
    pub step: u32,
    /// The run's seed ([`crate::rng::fold_seed`]).
    pub seed: u32,
    /// Optimizer groups.
    pub rates: [Rate; GROUPS],
}

impl StepValues {
    /// Layout of `lib/step.wgsl`.
    fn bytes(&self) -> Vec<u8> {
        let mut words: Vec<u32> = vec![self.step, self.seed, 0, 0];
        for r in &self.rates {
            // Host double precision, as PyTorch computes them.
            let correct = |beta: f64| 1.0 - beta.powi(r.t.max(1) as i32);
            let first = [
                r.lr / correct(r.beta1).max(f64::MIN_POSITIVE),
                1.0 / correct(r.beta2).max(f64::MIN_POSITIVE).sqrt(),
                r.eps,
                0.0,
            ];
            let second = [r.beta1, r.beta2, 1.0 - r.beta1, 1.0 - r.beta2];
            words.extend(first.iter().chain(&second).map(|v| (*v as f32).to_bits()));
        }
        words.resize(gpu::STEP_BYTES as usize / 4, 0);
        bytemuck::pod_collect_to_vec(&words)
    }
}

struct Prepared {
    pipeline: Arc<Pipeline>,
    storage: wgpu::BindGroup,
    offset: u32,
    groups: [u32; 3],
}

/// A plan with its buffers, pipelines, uniforms and bind groups on a device.
///
/// [`step`](Self::step) submits by itself; [`encode`](Self::encode) appends to an encoder of the
/// host, among its own work:
///
/// ```
/// # fn main() -> pixtape::Result<()> {
/// #     match example() { Err(pixtape::Error::Adapter(_)) => Ok(()), done => done }
/// # }
/// # fn example() -> pixtape::Result<()> {
/// use pixtape::gpu::Request;
/// use pixtape::{Gpu, Plan, PlanOptions, Shape, StepValues, Store, Tape, wgpu};
///
/// let (store, mut tape) = (Store::new(), Tape::new());
/// let x = tape.input("x", Shape::new(1, 2, 2, 3));
/// let y = tape.mean(x);
///
/// let gpu = pollster::block_on(Gpu::request(&Request::default()))?;
/// let plan = Plan::new(&tape, &store, &[y], gpu.family(), PlanOptions::default())?;
/// let program = plan.prepare(&gpu, &store)?;
///
/// program.write(x, &[0.25; 12])?;
/// program.step(&StepValues::default())?;
/// assert_eq!(pollster::block_on(program.read(y))?, [0.25]);
///
/// program.write(x, &[0.5; 12])?;
/// program.set_step(&StepValues::default());
/// let descriptor = wgpu::CommandEncoderDescriptor { label: Some("frame") };
/// let mut encoder = gpu.device().create_command_encoder(&descriptor);
/// program.encode(&mut encoder, 0..program.dispatch_count());
/// gpu.queue().submit([encoder.finish()]);
/// assert_eq!(pollster::block_on(program.read(y))?, [0.5]);
/// # Ok(())
/// # }
/// ```
pub struct Program {
    pub(super) gpu: Gpu,
    pub(super) plan: Plan,
    slots: Vec<Arc<OwnedBuffer>>,
    hosts: HashMap<Tensor, OwnedBuffer>,
    /// Page, offset and bytes of stored tensors and of their slices.
    stored: HashMap<Tensor, (StoredPage, u64, u64)>,
    step: OwnedBuffer,
    /// Parameter blocks of all dispatches; kept because `uniforms` binds it.
    params: OwnedBuffer,
    uniforms: wgpu::BindGroup,
    dispatches: Vec<Prepared>,
    /// Dispatches of each node.
    pub(super) ranges: Vec<Range<usize>>,
    pub(super) segments: Mutex<Segments>,
    /// When it was made.
    #[cfg(not(target_arch = "wasm32"))]
    began: std::time::Instant,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Program({} dispatches on {})", self.dispatches.len(), self.gpu.name())
    }
}

/// Where a tensor lies on the device: `f32`, NHWC, channels in groups of four (vec4s of 16 bytes).
/// Vec4 `q` of pixel `p` is `first + p * stride + q` vec4s behind the start of `bytes`.
#[derive(Clone, Debug)]
pub struct TensorMemory<'a> {
    /// The buffer: storage, source and target of copies.
    pub buffer: &'a wgpu::Buffer,
    /// What of it to bind.
    pub bytes: Range<u64>,
    /// Vec4s before the first pixel.
    pub first: u32,
    /// Vec4s from pixel to pixel.
    pub stride: u32,
    /// Its shape.
    pub shape: Shape,
}

/// Hears how many kernels are ready, and of how many.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize);

impl Plan {
    /// Makes everything a step needs on the device: buffers, pipelines, uniforms, bind groups.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Limit`] or [`Error::Validation`], naming the node or
    /// buffer.
    pub fn prepare(self, gpu: &Gpu, store: &Store) -> Result<Program> {
        Program::new(self, gpu, store, None, None)
    }

    /// Like [`Plan::prepare`], with what lives only within a step in memory that other programs
    /// use too. Prepare the greediest first: what comes later then takes none of its own. Results,
    /// which the host reads after the step, are in memory of their own.
    ///
    /// # Errors
    /// As [`Plan::prepare`], and [`Error::Usage`] for memory of another device.
    pub fn prepare_sharing(self, gpu: &Gpu, store: &Store, scratch: &Scratch) -> Result<Program> {
        Program::new(self, gpu, store, None, Some(scratch))
    }

    /// Like [`Plan::prepare`], and says how far it has come: `progress(done, total)` is called in
    /// this thread after each kernel that had to be compiled.
    ///
    /// A software driver compiles at a kernel's first dispatch. To have it done here, an empty
    /// dispatch of each kernel is submitted there and waited for. On lavapipe other devices help
    /// for the while, one a core, if the device is our own ([`Gpu::request`]).
    ///
    /// # Errors
    /// As [`Plan::prepare`].
    pub fn prepare_with(self, gpu: &Gpu, store: &Store, progress: Progress<'_>) -> Result<Program> {
        Program::new(self, gpu, store, Some(progress), None)
    }
}

impl Program {
    fn new(
        plan: Plan,
        gpu: &Gpu,
        store: &Store,
        progress: Option<Progress<'_>>,
        scratch: Option<&Scratch>,
    ) -> Result<Program> {
        check_grids(&plan, gpu)?;
        let device = gpu.device();
        let guard = if plan.options.guards { GUARD_BYTES } else { 0 };
        let storage_use = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let make = |label: &str, bytes, usage| OwnedBuffer::new(gpu, label, bytes, usage);
        let slot = |at: usize| {
            let inside = plan.roots.iter().filter(|r| r.slot == at);
            let largest = inside.max_by_key(|r| r.bytes).map_or("", |r| r.label.as_str());
            make(largest, plan.slots[at] + guard, storage_use)
        };
        let shared = scratch.filter(|_| guard == 0);
        // What the host reads has its slot for itself.
        let kept = |at: &usize| plan.roots.iter().any(|r| r.slot == *at && r.kept);
        let (within, read): (Vec<usize>, Vec<usize>) = match shared {
            Some(_) => (0..plan.slots.len()).partition(|at| !kept(at)),
            None => (Vec::new(), (0..plan.slots.len()).collect()),
        };
        let mut slots = Vec::with_capacity(plan.slots.len());
        if let Some(scratch) = shared {
            let sizes: Vec<u64> = within.iter().map(|at| plan.slots[*at]).collect();
            let taken = scratch.take(gpu, &sizes, |at| slot(within[at]))?;
            slots.extend(within.iter().copied().zip(taken));
        }
        for at in read {
            slots.push((at, Arc::new(slot(at)?)));
        }
        slots.sort_by_key(|(at, _)| *at);
        let slots = slots.into_iter().map(|(_, buffer)| buffer).collect();
        let mut hosts = HashMap::new();
        for &tensor in &plan.hosts {
            hosts.insert(
                tensor,
                make(plan.label(tensor), plan.shapes[tensor.index()].bytes(), storage_use)?,
            );
        }
        let mut stored = HashMap::new();
        let tensors = plan.nodes.iter().flat_map(|n| n.inputs.iter().chain(&n.outputs));
        for &tensor in tensors {
            if let Some(Root::Stored(id)) = plan.places[tensor.index()].map(|p| p.root) {
                let (page, offset) = store.page_of(gpu, id)?;
                stored.insert(tensor, (page, offset, store.shape(id).bytes()));
            }
        }
        let count = plan.dispatches();
        let page = make(
            "params",
            gpu::PARAMS_BYTES * count.max(1) as u64,
            wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        )?;
        let step = make(
            "step",
            gpu::STEP_BYTES,
            wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        )?;
        let uniforms = gpu.scoped("uniforms", || {
            let block = wgpu::BufferBinding {
                buffer: &page,
                offset: 0,
                size: std::num::NonZeroU64::new(gpu::PARAMS_BYTES),
            };
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("params and step"),
                layout: &gpu::uniform_layout(device),
                entries: &[
                    wgpu::BindGroupEntry {
                        binding: 0,
                        resource: wgpu::BindingResource::Buffer(block),
                    },
                    wgpu::BindGroupEntry { binding: 1, resource: step.as_entire_binding() },
                ],
            })
        })?;
        let mut program = Program {
            gpu: gpu.clone(),
            plan,
            slots,
            hosts,
            stored,
            step,
            params: page,
            uniforms,
            dispatches: Vec::with_capacity(count),
            ranges: Vec::new(),
            segments: Mutex::new(Segments::new(&[], true)),
            #[cfg(not(target_arch = "wasm32"))]
            began: std::time::Instant::now(),
        };
        program.compile(progress)?;
        let mut blocks = Vec::with_capacity(count * gpu::PARAMS_BYTES as usize);
        let mut costs = Vec::with_capacity(count);
        for node in &program.plan.nodes {
            let first = program.dispatches.len();
            for dispatch in &node.dispatches {
                let pipeline = gpu.pipeline(&dispatch.kernel)?;
                let storage = program.bind(node, dispatch, &pipeline)?;
                blocks.extend(dispatch.param_bytes());
                blocks.resize((program.dispatches.len() + 1) * gpu::PARAMS_BYTES as usize, 0);
                let offset = (program.dispatches.len() as u64 * gpu::PARAMS_BYTES) as u32;
                program.dispatches.push(Prepared {
                    pipeline,
                    storage,
                    offset,
                    groups: dispatch.groups,
                });
                let share = node.dispatches.len() as u64;
                costs.push(Cost { flop: node.cost.flop / share, bytes: node.cost.bytes / share });
            }
            program.ranges.push(first..program.dispatches.len());
        }
        gpu.scoped("params", || gpu.queue().write_buffer(&program.params, 0, &blocks))?;
        program.segments = Mutex::new(Segments::new(&costs, gpu.is_software()));
        Ok(program)
    }

    /// Compiles the kernels of the plan that are missing; with `progress` also those that the
    /// driver would compile in the first step.
    fn compile(&self, progress: Option<Progress<'_>>) -> Result<()> {
        let early = progress.is_some() && self.gpu.compiles_late();
        let mut seen = HashSet::new();
        let all = self.plan.nodes.iter().flat_map(|n| &n.dispatches).map(|d| &d.kernel);
        let kernels: Vec<&Kernel> = all
            .filter(|&kernel| seen.insert(kernel) && !self.gpu.is_compiled(kernel, early))
            .collect();
        let (mut done, mut nobody) = (0, |_, _| ());
        let progress = progress.unwrap_or(&mut nobody);
        #[cfg(not(target_arch = "wasm32"))]
        if early {
            return self.gpu.compile_early(&kernels, progress);
        }
        self.gpu.compile(&kernels, || {
            done += 1;
            progress(done, kernels.len());
        })
    }

    /// Where a tensor lies on the device, for a host's own copies and kernels: one that the host
    /// writes, one that was kept ([`Plan::new`]) or a stored one.
    ///
    /// # Errors
    /// [`Error::Usage`] for a tensor that is not in this plan.
    pub fn memory(&self, tensor: Tensor) -> Result<TensorMemory<'_>> {
        let place = self.plan.places.get(tensor.index()).copied().flatten();
        let Some(place) = place else {
            return Err(Error::Usage(
                "a tensor of another tape, or one that is not in this plan".into(),
            ));
        };
        let (buffer, offset, bytes) = self.memory_of(tensor);
        Ok(TensorMemory {
            buffer,
            bytes: offset..offset + bytes,
            first: place.offset,
            stride: place.stride,
            shape: self.plan.shapes[tensor.index()],
        })
    }

    /// The buffer, offset and length in bytes that a tensor's binding covers.
    pub(super) fn memory_of(&self, tensor: Tensor) -> (&wgpu::Buffer, u64, u64) {
        let place = self.plan.places[tensor.index()].expect("live tensors are placed");
        match place.root {
            Root::Temporary(at) => self.memory_of_root(at),
            Root::Stored(_) => {
                let (buffer, offset, bytes) = &self.stored[&tensor];
                (buffer, *offset, *bytes)
            }
            // Of the tensor itself or of the one it is a slice of.
            Root::Host(whole) => (&self.hosts[&whole], 0, self.plan.shapes[whole.index()].bytes()),
        }
    }

    /// The same for a root in a slot.
    pub(super) fn memory_of_root(&self, at: usize) -> (&wgpu::Buffer, u64, u64) {
        let root = &self.plan.roots[at];
        let buffer = &self.slots[root.slot];
        (buffer, 0, if self.plan.options.guards { buffer.size() } else { root.bytes })
    }

    fn bind(
        &self,
        node: &PlanNode,
        dispatch: &Dispatch,
        pipeline: &Pipeline,
    ) -> Result<wgpu::BindGroup> {
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
            .zip(&dispatch.binds)
            .map(|(binding, bind)| {
                let (buffer, offset, bytes) = match *bind {
                    Bind::In(at) => self.memory_of(node.inputs[at]),
                    Bind::Out(at) => self.memory_of(node.outputs[at]),
                    Bind::Scratch { at, .. } => self.memory_of_root(node.scratch[at]),
                };
                let range =
                    wgpu::BufferBinding { buffer, offset, size: std::num::NonZeroU64::new(bytes) };
                wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(range) }
            })
            .collect();
        self.gpu.scoped(&node.label, || {
            self.gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&node.label),
                layout: &pipeline.storage,
                entries: &entries,
            })
        })
    }

    /// The plan it runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The device it runs on.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Writes the step uniform; takes effect before whatever is submitted next.
    pub fn set_step(&self, values: &StepValues) {
        self.gpu.in_turn(|| self.gpu.queue().write_buffer(&self.step, 0, &values.bytes()));
    }

    /// Appends dispatches to a host's encoder, in one compute pass. The host submits.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder, dispatches: Range<usize>) {
        self.record(
            &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("pixtape"),
                timestamp_writes: None,
            }),
            dispatches,
        );
    }

    /// Appends dispatches to a pass.
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, dispatches: Range<usize>) {
        let mut current: *const Pipeline = std::ptr::null();
        for d in &self.dispatches[dispatches] {
            if !std::ptr::eq(current, Arc::as_ptr(&d.pipeline)) {
                pass.set_pipeline(&d.pipeline.pipeline);
                current = Arc::as_ptr(&d.pipeline);
            }
            pass.set_bind_group(0, &d.storage, &[]);
            pass.set_bind_group(1, &self.uniforms, &[d.offset]);
            pass.dispatch_workgroups(d.groups[0], d.groups[1], d.groups[2]);
        }
    }

    /// Seconds that each dispatch takes at most, by its arithmetic and traffic alone.
    pub(crate) fn estimated_seconds(&self) -> Vec<f64> {
        let nodes = self.plan.nodes.iter().zip(&self.ranges);
        nodes.flat_map(|(node, range)| vec![node_seconds(node); range.len()]).collect()
    }

    /// Number of dispatches.
    pub fn dispatch_count(&self) -> usize {
        self.dispatches.len()
    }

    /// Dispatches of each node of the plan.
    pub fn node_ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// Encodes and submits some dispatches.
    ///
    /// # Errors
    /// What the device reports, with the label of the first node.
    pub fn submit(&self, dispatches: Range<usize>) -> Result<()> {
        let label = self
            .ranges
            .iter()
            .position(|r| r.contains(&dispatches.start))
            .map_or("step", |n| self.plan.nodes[n].label.as_str());
        self.gpu.scoped(label, || {
            let mut encoder = self
                .gpu
                .device()
                .create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) });
            self.encode(&mut encoder, dispatches);
            self.gpu.submit(encoder);
        })
    }

    /// Runs a step: writes the step uniform and submits the nodes in segments. Does not wait,
    /// except in the second step on a GPU, whose segments are timed to size them, and in another
    /// one when steps have come to take five times as long (not in a browser).
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`] or [`Error::Validation`], with the label of
    /// the segment's first node.
    pub fn step(&self, values: &StepValues) -> Result<()> {
        self.set_step(values);
        let mut segments = self.segments.lock().unwrap();
        #[cfg(not(target_arch = "wasm32"))]
        if segments.measures(self.began.elapsed().as_secs_f64()) {
            return self.measure(&mut segments);
        }
        for range in &segments.cuts {
            self.submit(range.clone())?;
        }
        segments.steps = segments.steps.saturating_add(1);
        Ok(())
    }

    /// Runs a step segment by segment, and sizes the segments by the time that each took.
    #[cfg(not(target_arch = "wasm32"))]
    fn measure(&self, segments: &mut Segments) -> Result<()> {
        self.gpu.wait("step")?;
        let mut seconds = Vec::with_capacity(segments.cuts.len());
        for range in &segments.cuts {
            let start = std::time::Instant::now();
            self.submit(range.clone())?;
            self.gpu.wait("step")?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        segments.measured(&seconds);
        segments.steps = segments.steps.saturating_add(1);
        Ok(())
    }

    /// Number of segments that a step is submitted in, as measured so far.
    pub fn segment_count(&self) -> usize {
        self.segments.lock().unwrap().cuts.len()
    }

    /// Writes a host tensor from logical values, NHWC.
    ///
    /// # Errors
    /// [`Error::Usage`] if the number of values does not match the shape, or the tensor is not an
    /// input of this plan.
    pub fn write(&self, tensor: Tensor, values: &[f32]) -> Result<()> {
        let shape = self.plan.shapes[tensor.index()];
        if values.len() as u64 != shape.elements() {
            return Err(Error::Usage(format!(
                "{:?}: {} values for a tensor of shape {shape}",
                self.plan.label(tensor),
                values.len()
            )));
        }
        let mut padded = vec![0f32; shape.bytes() as usize / 4];
        let width = shape.c.physical() as usize;
        for (pixel, values) in
            padded.chunks_mut(width).zip(values.chunks(shape.c.logical() as usize))
        {
            for (place, value) in shape.c.places().zip(values) {
                pixel[place as usize] = *value;
            }
        }
        self.write_bytes(tensor, bytemuck::cast_slice(&padded))
    }

    /// Writes the bytes of a host tensor in the device's layout; bytes missing at the end stay as
    /// they were.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are too many bytes, or the tensor is not an input of this plan.
    pub fn write_bytes(&self, tensor: Tensor, bytes: &[u8]) -> Result<()> {
        let Some(buffer) = self.hosts.get(&tensor).filter(|b| b.size() >= bytes.len() as u64)
        else {
            return Err(Error::Usage(format!(
                "{:?}: not an input of this plan, or smaller than {} bytes",
                self.plan.label(tensor),
                bytes.len()
            )));
        };
        let whole = bytes.len() / 4 * 4;
        self.gpu.scoped(self.plan.label(tensor), || {
            self.gpu.queue().write_buffer(buffer, 0, &bytes[..whole]);
            if whole < bytes.len() {
                let mut last = [0; 4];
                last[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
                self.gpu.queue().write_buffer(buffer, whole as u64, &last);
            }
        })
    }

    /// Reads a tensor's logical values, NHWC. What is read after a step must have been kept
    /// ([`Plan::new`]), or be stored.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::OutOfMemory`].
    pub async fn read(&self, tensor: Tensor) -> Result<Vec<f32>> {
        let bytes = self.read_bytes(tensor).await?;
        let words: &[f32] = bytemuck::cast_slice(&bytes);
        let shape = self.plan.shapes[tensor.index()];
        let width = shape.c.physical() as usize;
        Ok(words
            .chunks(width)
            .flat_map(|pixel| shape.c.places().map(|place| pixel[place as usize]))
            .collect())
    }

    /// Reads a tensor in the device's layout, padding included, its pixels made contiguous.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::OutOfMemory`].
    pub async fn read_bytes(&self, tensor: Tensor) -> Result<Vec<u8>> {
        let (buffer, offset, bytes) = self.memory_of(tensor);
        let all =
            gpu::read_buffer(&self.gpu, buffer, offset, bytes, self.plan.label(tensor)).await?;
        let place = self.plan.places[tensor.index()].expect("live tensors are placed");
        let shape = self.plan.shapes[tensor.index()];
        let (start, step, width) =
            (16 * place.offset as usize, 16 * place.stride as usize, 16 * shape.c.vec4s() as usize);
        Ok((0..shape.pixels() as usize)
            .flat_map(|p| all[start + p * step..][..width].iter().copied())
            .collect())
    }

    /// A ring that reads scalars back a few steps late, without stopping the device; `depth`: how
    /// many steps it has buffers for.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn scalars(&self, tensors: &[Tensor], depth: usize) -> Result<Scalars> {
        Scalars::new(self, tensors, depth)
    }
}

/// Seconds of each dispatch of a node, see [`segments::estimate`].
fn node_seconds(node: &PlanNode) -> f64 {
    segments::estimate(&node.cost) / node.dispatches.len().max(1) as f64
}

/// Refuses grids that exceed the device's limit, before anything is allocated.
fn check_grids(plan: &Plan, gpu: &Gpu) -> Result<()> {
    let most = gpu.device().limits().max_compute_workgroups_per_dimension;
    for node in &plan.nodes {
        if let Some(dispatch) = node.dispatches.iter().find(|d| d.groups.iter().any(|g| *g > most))
        {
            return Err(Error::Limit {
                what: node.label.clone(),
                needed: format!("a grid of {:?} workgroups", dispatch.groups),
                available: format!("{most} per dimension"),
                hint: "lower `batch_size` or `crop_size`".into(),
            });
        }
    }
    Ok(())
}

impl Drop for Program {
    fn drop(&mut self) {
        // Bind groups before the buffers that they bind; on GL when no other thread makes calls.
        let Program { gpu, dispatches, .. } = self;
        gpu.in_turn(|| dispatches.clear());
    }
}
