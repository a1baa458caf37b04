//! Reading scalars (losses) back a few steps late: reading each at once would empty the device's
//! queue every step.

use super::Program;
#[cfg(not(target_arch = "wasm32"))]
use crate::error::Error;
use crate::error::Result;
use crate::gpu::{Gpu, Mapping, OwnedBuffer};
use crate::tape::Tensor;
use std::collections::VecDeque;

/// Scalars on their way from the device.
struct Flight {
    /// The caller's name for them.
    tag: u64,
    staging: OwnedBuffer,
    /// `None` while the host has not submitted the copies.
    way: Option<Way>,
}

/// What brings scalars back once their copies have been submitted.
struct Way {
    mapping: Mapping,
    /// The submission that copies them: what to wait for natively, if it is known.
    #[cfg(not(target_arch = "wasm32"))]
    submission: Option<wgpu::SubmissionIndex>,
}

impl Flight {
    fn has_arrived(&self) -> bool {
        self.way.as_ref().is_some_and(|way| way.mapping.has_arrived())
    }
}

/// Scalars with the tag of the step that they belong to, oldest first.
pub type Tagged = Vec<(u64, Vec<f32>)>;

/// A ring of staging buffers that scalars are copied into after each step.
///
/// [`push`](Self::push) after every step, [`receive`](Self::receive) to learn the values and to
/// bound how far the host runs ahead of the device. Nothing is lost if a future of `receive` is
/// dropped before it is ready. In a host's own encoder [`encode`](Self::encode) and
/// [`submitted`](Self::submitted) take the place of `push`.
pub struct Scalars {
    gpu: Gpu,
    sources: Vec<(wgpu::Buffer, u64)>,
    idle: Vec<OwnedBuffer>,
    in_flight: VecDeque<Flight>,
}

impl std::fmt::Debug for Scalars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scalars({} in flight, {} idle)", self.in_flight.len(), self.idle.len())
    }
}

/// A scalar is a vec4 whose first lane counts.
const BYTES: u64 = 16;

impl Scalars {
    pub(super) fn new(program: &Program, tensors: &[Tensor], depth: usize) -> Result<Self> {
        let sources = tensors.iter().map(|t| program.memory_of(*t));
        let sources = sources.map(|(b, offset, _)| (b.clone(), offset)).collect::<Vec<_>>();
        let (gpu, in_flight) = (program.gpu().clone(), VecDeque::with_capacity(depth));
        let mut ring = Scalars { gpu, sources, idle: Vec::new(), in_flight };
        ring.idle = (0..depth).map(|_| ring.staging()).collect::<Result<_>>()?;
        Ok(ring)
    }

    fn staging(&self) -> Result<OwnedBuffer> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        OwnedBuffer::new(&self.gpu, "losses", BYTES * self.sources.len().max(1) as u64, usage)
    }

    /// Steps whose scalars have not been received.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Copies the scalars of the step just submitted; `tag` comes back with them. Never waits: if
    /// as many steps are in flight as the ring is deep, it becomes one deeper.
    ///
    /// # Errors
    /// What the device reports.
    pub fn push(&mut self, tag: u64) -> Result<()> {
        let staging = self.idle.pop().map_or_else(|| self.staging(), Ok)?;
        let submission = self.gpu.scoped("losses", || {
            let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
            self.copy(&mut encoder, &staging);
            self.gpu.submit(encoder)
        })?;
        let way = Some(self.way(&staging, Some(submission))?);
        self.in_flight.push_back(Flight { tag, staging, way });
        Ok(())
    }

    /// Appends the copies of a step's scalars to a host's encoder; `tag` comes back with them.
    /// [`submitted`](Self::submitted) has to follow the host's submission.
    ///
    /// # Errors
    /// What the device reports.
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder, tag: u64) -> Result<()> {
        let staging = self.idle.pop().map_or_else(|| self.staging(), Ok)?;
        self.gpu.in_turn(|| self.copy(encoder, &staging));
        self.in_flight.push_back(Flight { tag, staging, way: None });
        Ok(())
    }

    /// Says that the host has submitted everything that was encoded so far; `submission`, where
    /// the host has it, lets [`receive`](Self::receive) wait for no more than that.
    ///
    /// # Errors
    /// What the device reports.
    pub fn submitted(&mut self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        for at in 0..self.in_flight.len() {
            if self.in_flight[at].way.is_none() {
                let way = self.way(&self.in_flight[at].staging, submission.clone())?;
                self.in_flight[at].way = Some(way);
            }
        }
        Ok(())
    }

    fn copy(&self, encoder: &mut wgpu::CommandEncoder, staging: &wgpu::Buffer) {
        for (at, (source, offset)) in (0..).zip(&self.sources) {
            encoder.copy_buffer_to_buffer(source, *offset, staging, BYTES * at, BYTES);
        }
    }

    #[cfg_attr(target_arch = "wasm32", expect(unused_variables, reason = "nothing waits"))]
    fn way(&self, staging: &OwnedBuffer, submission: Option<wgpu::SubmissionIndex>) -> Result<Way> {
        let mapping = Mapping::start(&self.gpu, staging, "losses")?;
        Ok(Way {
            mapping,
            #[cfg(not(target_arch = "wasm32"))]
            submission,
        })
    }

    /// Blocks until the flight at a place has arrived.
    #[cfg(not(target_arch = "wasm32"))]
    fn wait_for(&self, at: usize) -> Result<()> {
        match self.in_flight[at].way.as_ref() {
            None => Err(Error::Usage(
                "losses are waited for whose step the host has not submitted yet; call \
                 `submitted` behind the submission"
                    .into(),
            )),
            Some(Way { submission: Some(submission), .. }) => {
                self.gpu.wait_for(submission, "losses")
            }
            Some(_) => self.gpu.wait("losses"),
        }
    }

    /// What has arrived, without waiting.
    ///
    /// # Errors
    /// What the device reports.
    pub fn arrived(&mut self) -> Result<Tagged> {
        self.take_arrived(0)
    }

    /// The same, but for the newest `keep` steps.
    fn take_arrived(&mut self, keep: usize) -> Result<Tagged> {
        #[cfg(not(target_arch = "wasm32"))]
        let _ = self.gpu.in_turn(|| self.gpu.device().poll(wgpu::PollType::Poll));
        self.gpu.check("losses")?;
        let mut done = Vec::new();
        while self.in_flight.len() > keep && self.in_flight.front().is_some_and(Flight::has_arrived)
        {
            let Flight { tag, staging, way } = self.in_flight.pop_front().expect("one");
            let Way { mapping, .. } = way.expect("it has arrived");
            let bytes = mapping.take(&self.gpu, &staging, "losses")?;
            self.idle.push(staging);
            let words: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            done.push((tag, words.chunks(4).map(|w| w[0]).take(self.sources.len()).collect()));
        }
        Ok(done)
    }

    /// Waits until at most `in_flight` steps are in flight, and returns all that have arrived. In a
    /// browser this yields to the event loop; natively it polls the device, so that it may be
    /// blocked on, and waits for no step but those.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn receive(&mut self, in_flight: usize) -> Result<Tagged> {
        let wanted = self.in_flight.len().saturating_sub(in_flight);
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(last) = wanted.checked_sub(1) {
            self.wait_for(last)?;
        }
        for way in self.in_flight.iter().take(wanted).filter_map(|flight| flight.way.as_ref()) {
            way.mapping.arrival().await;
        }
        self.arrived()
    }

    /// Blocks until at most `in_flight` steps are in flight, and returns what has arrived of all
    /// but the newest step: whether that one is done already is a matter of the device's speed.
    ///
    /// # Errors
    /// What the device reports.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn receive_earlier(&mut self, in_flight: usize) -> Result<Tagged> {
        if let Some(last) = self.in_flight.len().saturating_sub(in_flight).checked_sub(1) {
            self.wait_for(last)?;
        }
        self.take_arrived(1)
    }
}
