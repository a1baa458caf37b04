//! The checked run: node by node, outputs poisoned before, looked at after.

use super::{PlanNode, Program, StepValues};
use crate::error::{Error, Result};
use crate::gpu::read_buffer;
use crate::tape::Tensor;

/// A quiet NaN that no kernel makes: an element that still holds it was never written.
const POISON: u32 = 0x7fc0_dead;

impl Program {
    /// Runs a step node by node. Before each node its fresh outputs are filled with a NaN; after it
    /// every output must be written, finite where it holds a channel and zero in its padding, and
    /// nothing else in its buffer may have changed (guard words included, if the plan has them).
    /// Slow: for tests and for finding out where a NaN comes from.
    ///
    /// # Errors
    /// [`Error::Check`] naming the first node at fault; otherwise what [`Program::step`] reports.
    pub async fn run_checked(&self, values: &StepValues) -> Result<()> {
        self.set_step(values);
        for (at, node) in self.plan.nodes.iter().enumerate() {
            if node.dispatches.is_empty() {
                continue;
            }
            let mut before = Vec::new();
            for &output in &node.outputs {
                let (buffer, offset, bytes) = self.memory_of(output);
                let mut words = self.words(output, buffer, offset, bytes).await?;
                if !node.in_place {
                    let written = words.clone();
                    self.for_places(output, |place, _| words[place] = POISON);
                    // The parts of a concatenation that need no copy are there already.
                    for &input in &node.inputs {
                        let (other, other_offset, _) = self.memory_of(input);
                        if other == buffer && other_offset == offset {
                            self.for_places(input, |place, _| words[place] = written[place]);
                        }
                    }
                    self.gpu.in_turn(|| {
                        self.gpu.queue().write_buffer(buffer, offset, bytemuck::cast_slice(&words))
                    });
                }
                before.push(words);
            }
            self.poison_scratch(node);
            self.submit(self.ranges[at].clone())?;
            self.check_scratch(node).await?;
            // Nodes may write only part of a scratch tensor or of another output's neighbourhood,
            // so places are pooled by buffer.
            for (&output, before) in node.outputs.iter().zip(before) {
                let (buffer, offset, bytes) = self.memory_of(output);
                let after = self.words(output, buffer, offset, bytes).await?;
                self.check_output(output, node, &before, &after).map_err(|message| {
                    Error::Check { node: node.number, label: node.label.clone(), message }
                })?;
            }
        }
        Ok(())
    }

    /// Fills a node's scratch memory, guard words and all, with a NaN.
    fn poison_scratch(&self, node: &PlanNode) {
        for &root in &node.scratch {
            let (buffer, offset, bytes) = self.memory_of_root(root);
            let words = vec![POISON; bytes as usize / 4];
            self.gpu.in_turn(|| {
                self.gpu.queue().write_buffer(buffer, offset, bytemuck::cast_slice(&words))
            });
        }
    }

    /// What lies behind a node's scratch memory must still be as it was: scratch tensors are
    /// written whole and nothing else is.
    async fn check_scratch(&self, node: &PlanNode) -> Result<()> {
        for (number, &root) in node.scratch.iter().enumerate() {
            let (buffer, offset, bytes) = self.memory_of_root(root);
            let own = self.plan.roots[root].bytes as usize / 4;
            let words: Vec<u32> = bytemuck::pod_collect_to_vec(
                &read_buffer(&self.gpu, buffer, offset, bytes, &node.label).await?,
            );
            let wrong = match words[..own].iter().position(|w| *w == POISON) {
                Some(word) => Some(format!("scratch {number}: word {word} was never written")),
                None => words[own..].iter().position(|w| *w != POISON).map(|word| {
                    format!("scratch {number}: word {word} behind its end was overwritten")
                }),
            };
            if let Some(message) = wrong {
                return Err(Error::Check { node: node.number, label: node.label.clone(), message });
            }
        }
        Ok(())
    }

    async fn words(
        &self,
        tensor: Tensor,
        buffer: &wgpu::Buffer,
        offset: u64,
        bytes: u64,
    ) -> Result<Vec<u32>> {
        let bytes = read_buffer(&self.gpu, buffer, offset, bytes, self.plan.label(tensor)).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Calls `f` with the word of every lane of a tensor within its binding, and whether the lane
    /// holds a channel.
    fn for_places(&self, tensor: Tensor, mut f: impl FnMut(usize, bool)) {
        let place = self.plan.places[tensor.index()].expect("live tensors are placed");
        let shape = self.plan.shapes[tensor.index()];
        let mut channel = vec![false; shape.c.physical() as usize];
        shape.c.places().for_each(|p| channel[p as usize] = true);
        for pixel in 0..shape.pixels() as usize {
            let start = 4 * (place.offset as usize + pixel * place.stride as usize);
            for (lane, is_channel) in channel.iter().enumerate() {
                f(start + lane, *is_channel);
            }
        }
    }

    fn check_output(
        &self,
        output: Tensor,
        node: &PlanNode,
        before: &[u32],
        after: &[u32],
    ) -> Result<(), String> {
        let shape = self.plan.shapes[output.index()];
        let name = format!("output {:?} {shape}", self.plan.label(output));
        let numbers = node.makes_numbers;
        let mut own = vec![false; after.len()];
        let mut wrong = None;
        self.for_places(output, |place, is_channel| {
            own[place] = true;
            let value = f32::from_bits(after[place]);
            let message = match (after[place], is_channel) {
                (POISON, _) => "was never written",
                (_, true) if numbers && value.is_nan() => "is NaN",
                (_, true) if numbers && value.is_infinite() => "is infinite",
                (_, false) if value != 0.0 => "is padding and not zero",
                _ => return,
            };
            if wrong.is_none() {
                wrong = Some(format!("{name}: word {place} {message} ({value})"));
            }
        });
        // A sibling in the same buffer was written too, and rightly so.
        let (buffer, offset, _) = self.memory_of(output);
        for &sibling in node.outputs.iter().filter(|s| **s != output) {
            let (other, other_offset, _) = self.memory_of(sibling);
            if other == buffer && other_offset == offset {
                self.for_places(sibling, |place, _| own[place] = true);
            }
        }
        if wrong.is_none()
            && let Some(place) = (0..after.len()).find(|&i| !own[i] && before[i] != after[i])
        {
            wrong =
                Some(format!("{name}: word {place} behind or between its pixels was overwritten"));
        }
        wrong.map_or(Ok(()), Err)
    }
}
