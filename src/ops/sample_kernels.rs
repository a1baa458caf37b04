//! The kernels that the examples of operations run.

use super::{Dispatch, Lowering, OpInfo, Operand, Tuning, View};
use crate::error::Result;
use crate::store::Store;
use crate::tape::{Tape, Tensor};

/// Every dispatch of the samples of operations, lowered with each of the tunings, under the label
/// of its node: what a test needs to see each kernel in each variant with its parameters.
///
/// # Errors
/// What recording a sample returns.
pub fn sample_kernels(ops: &[OpInfo], tunings: &[Tuning]) -> Result<Vec<(String, Dispatch)>> {
    let mut all = Vec::new();
    for info in ops {
        let (mut tape, mut store) = (Tape::new(), Store::new());
        tape.scope(info.name);
        (info.sample)(&mut tape, &mut store)?;
        for (number, node) in (0..).zip(tape.nodes()) {
            let dense = |tensors: &[Tensor]| -> Vec<Operand> {
                tensors.iter().map(|&t| Operand::dense(tape.shape(t), t.index() as u32)).collect()
            };
            let (inputs, outputs) = (dense(&node.inputs), dense(&node.outputs));
            let mut lower = |tuning: &Tuning, inputs: &[Operand]| {
                let dispatches =
                    node.op.lower(&Lowering { tuning, inputs, outputs: &outputs, number });
                all.extend(dispatches.into_iter().map(|d| (node.label.clone(), d)));
            };
            for tuning in tunings {
                lower(tuning, &inputs);
                if node.op.view() != View::None {
                    // Also with operands elsewhere in the buffer of the result.
                    let moved: Vec<Operand> = inputs
                        .iter()
                        .map(|i| Operand { offset: 1 << 20, root: outputs[0].root, ..*i })
                        .collect();
                    lower(tuning, &moved);
                }
            }
        }
    }
    Ok(all)
}
