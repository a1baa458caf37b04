//! Memory that several programs share.

use crate::error::{Error, Result};
use crate::gpu::{Gpu, OwnedBuffer};
use std::sync::{Arc, Mutex, Weak};

/// Memory that programs of one device share for what lives only within a step: several networks
/// take as much of it as the greediest one ([`Plan::prepare_sharing`](super::Plan::prepare_sharing)).
/// It is given back when the last program that uses it is dropped. Cheap to clone.
///
/// Programs that share may run one after the other, in one submission too, but a step must have
/// been encoded whole before that of another program begins.
/// [`TextureTranslator`](crate::host::TextureTranslator) sees to that.
#[derive(Clone, Debug, Default)]
pub struct Scratch(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    /// By size, in the order that the first program brought: the largest first.
    buffers: Vec<Weak<OwnedBuffer>>,
    /// Which program is in the middle of a step.
    busy: Option<u64>,
    programs: u64,
}

impl Scratch {
    /// No memory yet.
    pub fn new() -> Self {
        Scratch::default()
    }

    /// Bytes that are in use.
    pub fn bytes(&self) -> u64 {
        let shared = self.0.lock().unwrap();
        shared.buffers.iter().filter_map(Weak::upgrade).map(|buffer| buffer.size()).sum()
    }

    /// A number for a program.
    pub(crate) fn number(&self) -> u64 {
        let mut shared = self.0.lock().unwrap();
        shared.programs += 1;
        shared.programs
    }

    /// Buffers of at least these sizes, none twice: those that there are, the largest for the
    /// largest, or new ones by `make` from a place in `sizes`.
    pub(super) fn take(
        &self,
        gpu: &Gpu,
        sizes: &[u64],
        make: impl Fn(usize) -> Result<OwnedBuffer>,
    ) -> Result<Vec<Arc<OwnedBuffer>>> {
        let mut shared = self.0.lock().unwrap();
        shared.buffers.retain(|buffer| buffer.strong_count() > 0);
        let mut there: Vec<_> = shared.buffers.iter().filter_map(Weak::upgrade).collect();
        if there.iter().any(|buffer| !buffer.is_of(gpu)) {
            return Err(Error::Usage(
                "memory is shared by programs of one device; make another Scratch for another"
                    .into(),
            ));
        }
        there.sort_by_key(|buffer| buffer.size());
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(sizes[*at]));
        let mut taken: Vec<Option<Arc<OwnedBuffer>>> = vec![None; sizes.len()];
        for at in order {
            // The largest that is left; if it is too small, it may do for a later one.
            let fits = there.last().is_some_and(|largest| largest.size() >= sizes[at]);
            let buffer = match if fits { there.pop() } else { None } {
                Some(buffer) => buffer,
                None => {
                    let made = Arc::new(make(at)?);
                    shared.buffers.push(Arc::downgrade(&made));
                    made
                }
            };
            taken[at] = Some(buffer);
        }
        Ok(taken.into_iter().flatten().collect())
    }

    /// Says that a program begins a step in slices.
    ///
    /// # Errors
    /// [`Error::Usage`] while another one is in the middle of its own.
    pub(crate) fn begin(&self, program: u64) -> Result<()> {
        let mut shared = self.0.lock().unwrap();
        if shared.busy.is_some_and(|other| other != program) {
            return Err(Error::Usage(
                "another network is in the middle of an image in the memory that the two share; \
                 let it finish or restart it, or give each memory of its own"
                    .into(),
            ));
        }
        shared.busy = Some(program);
        Ok(())
    }

    /// Says that a step was encoded whole, or dropped.
    pub(crate) fn end(&self, program: u64) {
        let mut shared = self.0.lock().unwrap();
        if shared.busy == Some(program) {
            shared.busy = None;
        }
    }
}
