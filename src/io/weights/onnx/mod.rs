//! A generator as an ONNX graph (operator set 13), for any batch size and any image size that is a
//! multiple of the network's.

mod graph;
mod network;

use super::WeightsFile;
use super::protobuf::Message;
use crate::nets::GeneratorConfig;
use crate::ops::NormMode;
use graph::{Attribute, FLOAT, Graph, UINT8};
use std::fmt;

/// Type and range of the graph's input and output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Range {
    /// f32 `[n, c, h, w]` in [-1, 1].
    Signed,
    /// f32 `[n, c, h, w]` in [0, 1].
    Unit,
    /// u8 `[n, h, w, c]`: images as they are stored in memory.
    Bytes,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Range::Signed => "signed",
            Range::Unit => "unit",
            Range::Bytes => "bytes",
        })
    }
}

/// The operator set that is used.
const OPSET: i64 = 13;
/// Version of the format itself.
const IR_VERSION: i64 = 7;

/// `ValueInfoProto` of a batch of images.
fn picture(name: &str, channels: u32, range: Range) -> Message {
    let free = |name: &str| Message::default().bytes(2, name);
    let channels = Message::default().int(1, channels.into());
    let (element, dims) = match range {
        Range::Bytes => (UINT8, [free("batch"), free("height"), free("width"), channels]),
        _ => (FLOAT, [free("batch"), channels, free("height"), free("width")]),
    };
    let tensor = Message::default()
        .int(1, element)
        .bytes(2, Message::default().each(dims, |m, d| m.bytes(1, d)));
    Message::default().bytes(1, name).bytes(2, Message::default().bytes(1, tensor))
}

/// The bytes of an ONNX model: input `input`, output `output`, dropout off. `mode`: running
/// statistics (folded into the convolutions), or the statistics of each image, which is what
/// batch statistics of single images are.
///
/// # Errors
/// A message if a weight is missing or is not that of the network.
pub fn onnx(
    file: &WeightsFile,
    config: &GeneratorConfig,
    mode: NormMode,
    range: Range,
) -> Result<Vec<u8>, String> {
    let mut graph = Graph::default();
    let x = to_signed(&mut graph, range);
    let last = (range == Range::Signed).then_some("output");
    let y = network::add(&mut graph, file, *config, mode, &x, last)?;
    from_signed(&mut graph, &y, range);
    let ends =
        [picture("input", config.input_nc(), range), picture("output", config.output_nc(), range)];
    // OperatorSetIdProto, ModelProto.
    let opset = Message::default().bytes(1, "").int(2, OPSET);
    let model = Message::default()
        .int(1, IR_VERSION)
        .bytes(2, "pixtape")
        .bytes(3, env!("CARGO_PKG_VERSION"))
        .bytes(7, graph.message("generator", ends))
        .bytes(8, opset);
    Ok(model.as_ref().to_vec())
}

/// The input as the network takes it, NCHW in [-1, 1].
fn to_signed(graph: &mut Graph, range: Range) -> String {
    match range {
        Range::Signed => "input".into(),
        Range::Unit => graph.chain("input", &[("Sub", 0.5), ("Mul", 2.0)]),
        Range::Bytes => {
            let float = graph.node("Cast", &["input"], &[Attribute::Int("to", FLOAT)]);
            let perm = Attribute::Ints("perm", &[0, 3, 1, 2]);
            let planes = graph.node("Transpose", &[&float], &[perm]);
            graph.chain(&planes, &[("Div", 255.0), ("Sub", 0.5), ("Mul", 2.0)])
        }
    }
}

/// What the network returns as the output, which is its result itself with [`Range::Signed`].
fn from_signed(graph: &mut Graph, y: &str, range: Range) {
    match range {
        Range::Signed => {}
        Range::Unit => {
            let y = graph.chain(y, &[("Add", 1.0)]);
            let half = graph.scalar(0.5);
            graph.node_to("Mul", &[&y, &half], "output", &[]);
        }
        Range::Bytes => {
            // tanh is within -1 and 1, so this is within 0 and 255; rounded half up.
            let y = graph.chain(y, &[("Add", 1.0), ("Mul", 127.5), ("Add", 0.5)]);
            let y = graph.node("Floor", &[&y], &[]);
            let bytes = graph.node("Cast", &[&y], &[Attribute::Int("to", UINT8)]);
            let perm = Attribute::Ints("perm", &[0, 2, 3, 1]);
            graph.node_to("Transpose", &[&bytes], "output", &[perm]);
        }
    }
}
