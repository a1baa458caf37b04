//! A U-Net as an ONNX graph (operator set 13), for any batch size and any image size that is a
//! multiple of the network's.

use super::protobuf::Message;
use super::{Values, WeightsFile};
use crate::nets::{NormKind, UnetConfig, UnetNames, Upsample, unet_names};
use crate::ops::{BatchNorm, NormMode};
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
const FLOAT: i64 = 1;
const UINT8: i64 = 2;

struct Graph<'a> {
    file: &'a WeightsFile,
    nodes: Vec<Message>,
    tensors: Vec<Message>,
    count: usize,
}

enum Attribute<'a> {
    Ints(&'a str, &'a [i64]),
    Int(&'a str, i64),
    Float(&'a str, f32),
}

impl Attribute<'_> {
    /// `AttributeProto`.
    fn message(&self) -> Message {
        let named = |name: &str| Message::default().bytes(1, name);
        match *self {
            Attribute::Float(name, value) => named(name).float(2, value).int(20, 1),
            Attribute::Int(name, value) => named(name).int(3, value).int(20, 2),
            Attribute::Ints(name, values) => {
                named(name).each(values, |m, v| m.int(8, *v)).int(20, 7)
            }
        }
    }
}

impl<'a> Graph<'a> {
    fn values(&self, name: &str) -> Result<&'a Values, String> {
        self.file.tensors.get(name).ok_or_else(|| format!("{name} is missing"))
    }

    /// Adds a constant (`TensorProto`).
    fn constant(&mut self, name: &str, (shape, values): &Values) -> String {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensor = Message::default().each(shape, |m, d| m.int(1, *d as i64)).int(2, FLOAT);
        self.tensors.push(tensor.bytes(8, name).bytes(9, raw));
        name.into()
    }

    fn scalar(&mut self, value: f32) -> String {
        let name = format!("constant_{}", self.tensors.len());
        self.constant(&name, &(vec![], vec![value]))
    }

    /// Adds an operation with one result (`NodeProto`).
    fn node(&mut self, op: &str, inputs: &[&str], attributes: &[Attribute<'_>]) -> String {
        self.count += 1;
        let output = format!("{}_{}", op.to_lowercase(), self.count);
        self.node_to(op, inputs, &output, attributes);
        output
    }

    fn node_to(&mut self, op: &str, inputs: &[&str], output: &str, attributes: &[Attribute<'_>]) {
        let node = Message::default()
            .each(inputs, |m, i| m.bytes(1, i))
            .bytes(2, output)
            .bytes(3, output)
            .bytes(4, op);
        self.nodes.push(node.each(attributes, |m, a| m.bytes(5, a.message())));
    }

    /// A convolution and its norm. Running statistics are folded into the convolution.
    fn layer(
        &mut self,
        x: &str,
        op: &str,
        conv: &str,
        norm: Option<&str>,
        config: &UnetConfig,
        mode: NormMode,
    ) -> Result<String, String> {
        let mut weight = self.values(&format!("{conv}.weight"))?.clone();
        let mut bias = self.file.tensors.get(&format!("{conv}.bias")).cloned();
        // Convolutions have their output channels first, transposed ones second.
        let axis = usize::from(op == "ConvTranspose");
        let channels = weight.0[axis];
        let norm = norm.filter(|_| config.norm != NormKind::None);
        let vectors = match (norm, config.norm) {
            (Some(norm), NormKind::Batch | NormKind::InstanceAffine) => {
                let [gamma, beta] =
                    ["weight", "bias"].map(|part| self.values(&format!("{norm}.{part}")));
                Some((gamma?.clone(), beta?.clone()))
            }
            _ => None,
        };
        let folded = mode == NormMode::Running && config.norm == NormKind::Batch;
        if let (Some(norm), Some((gamma, beta)), true) = (norm, &vectors, folded) {
            let [mean, var] =
                ["running_mean", "running_var"].map(|part| self.values(&format!("{norm}.{part}")));
            let (mean, var) = (&mean?.1, &var?.1);
            let eps = f64::from(BatchNorm::default().eps);
            let scale: Vec<f64> = gamma
                .1
                .iter()
                .zip(var)
                .map(|(g, v)| f64::from(*g) / (f64::from(*v) + eps).sqrt())
                .collect();
            let inner: usize = weight.0[axis + 1..].iter().product();
            for (i, value) in weight.1.iter_mut().enumerate() {
                *value = (f64::from(*value) * scale[i / inner % channels]) as f32;
            }
            let before = bias.map_or(vec![0.0; channels], |(_, values)| values);
            let shifted = (0..channels).map(|c| {
                ((f64::from(before[c]) - f64::from(mean[c])) * scale[c] + f64::from(beta.1[c]))
                    as f32
            });
            bias = Some((vec![channels], shifted.collect()));
        }
        let mut inputs = vec![x.to_string(), self.constant(&format!("{conv}.weight"), &weight)];
        if let Some(bias) = &bias {
            inputs.push(self.constant(&format!("{conv}.bias"), bias));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let attributes = [
            Attribute::Ints("kernel_shape", &[4, 4]),
            Attribute::Ints("strides", &[2, 2]),
            Attribute::Ints("pads", &[1, 1, 1, 1]),
        ];
        let y = self.node(op, &inputs, &attributes);
        let Some(norm) = norm.filter(|_| !folded) else { return Ok(y) };
        let (gamma, beta) = vectors.unwrap_or((
            ([channels].to_vec(), vec![1.0; channels]),
            ([channels].to_vec(), vec![0.0; channels]),
        ));
        let gamma = self.constant(&format!("{norm}.weight"), &gamma);
        let beta = self.constant(&format!("{norm}.bias"), &beta);
        Ok(self.node(
            "InstanceNormalization",
            &[&y, &gamma, &beta],
            &[Attribute::Float("epsilon", BatchNorm::default().eps)],
        ))
    }

    /// A chain of `x op value`.
    fn chain(&mut self, x: &str, steps: &[(&str, f32)]) -> String {
        steps.iter().fold(x.to_string(), |x, (op, value)| {
            let value = self.scalar(*value);
            self.node(op, &[&x, &value], &[])
        })
    }
}

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
/// A message if a weight is missing, or the network has resize convolutions.
pub fn onnx(
    file: &WeightsFile,
    config: &UnetConfig,
    mode: NormMode,
    range: Range,
) -> Result<Vec<u8>, String> {
    if config.upsample != Upsample::Transpose {
        return Err("has resize convolutions, which are not exported as ONNX yet; `format` \
                    safetensors, half and small take them"
            .into());
    }
    let mut graph = Graph { file, nodes: Vec::new(), tensors: Vec::new(), count: 0 };
    let mut h = match range {
        Range::Signed => "input".to_string(),
        Range::Unit => graph.chain("input", &[("Sub", 0.5), ("Mul", 2.0)]),
        Range::Bytes => {
            let float = graph.node("Cast", &["input"], &[Attribute::Int("to", FLOAT)]);
            let planes =
                graph.node("Transpose", &[&float], &[Attribute::Ints("perm", &[0, 3, 1, 2])]);
            graph.chain(&planes, &[("Div", 255.0), ("Sub", 0.5), ("Mul", 2.0)])
        }
    };
    let names = |level| unet_names(level, config);
    let mut skips = Vec::new();
    for level in 0..config.downs {
        let UnetNames { down, down_norm, .. } = names(level);
        if level > 0 {
            h = graph.node("LeakyRelu", &[&h], &[Attribute::Float("alpha", 0.2)]);
        }
        h = graph.layer(&h, "Conv", &down, down_norm.as_deref(), config, mode)?;
        skips.push(h.clone());
    }
    for level in (0..config.downs).rev() {
        let UnetNames { up, up_norm, .. } = names(level);
        if level + 1 < config.downs && config.skips {
            h = graph.node("Concat", &[&skips[level as usize], &h], &[Attribute::Int("axis", 1)]);
        }
        h = graph.node("Relu", &[&h], &[]);
        h = graph.layer(&h, "ConvTranspose", &up, up_norm.as_deref(), config, mode)?;
    }
    match range {
        Range::Signed => graph.node_to("Tanh", &[&h], "output", &[]),
        Range::Unit => {
            let y = graph.node("Tanh", &[&h], &[]);
            let y = graph.chain(&y, &[("Add", 1.0)]);
            let half = graph.scalar(0.5);
            graph.node_to("Mul", &[&y, &half], "output", &[]);
        }
        Range::Bytes => {
            // tanh is within -1 and 1, so this is within 0 and 255; rounded half up.
            let y = graph.node("Tanh", &[&h], &[]);
            let y = graph.chain(&y, &[("Add", 1.0), ("Mul", 127.5), ("Add", 0.5)]);
            let y = graph.node("Floor", &[&y], &[]);
            let bytes = graph.node("Cast", &[&y], &[Attribute::Int("to", UINT8)]);
            graph.node_to(
                "Transpose",
                &[&bytes],
                "output",
                &[Attribute::Ints("perm", &[0, 2, 3, 1])],
            );
        }
    }
    // GraphProto, OperatorSetIdProto, ModelProto.
    let whole = Message::default()
        .each(&graph.nodes, |m, n| m.bytes(1, n))
        .bytes(2, "pix2pix_generator")
        .each(&graph.tensors, |m, t| m.bytes(5, t));
    let whole = whole
        .bytes(11, picture("input", config.input_nc, range))
        .bytes(12, picture("output", config.output_nc, range));
    let model =
        Message::default().int(1, 7).bytes(2, "pixtape").bytes(3, env!("CARGO_PKG_VERSION"));
    let model = model.bytes(7, whole).bytes(8, Message::default().bytes(1, "").int(2, OPSET));
    Ok(model.as_ref().to_vec())
}
