//! From a recorded network to a graph, operation by operation: any network will do whose
//! operations have counterparts here.

use super::graph::{Attribute, Constant, Graph};
use crate::io::weights::WeightsFile;
use crate::nets::{Generator, GeneratorConfig, Mode};
use crate::ops::{Act, BatchNorm, Enlarge, Forward, NormMode, Padding, Pooling, Resample2d};
use crate::shape::{Conv, Shape};
use crate::store::Store;
use crate::tape::{Node, Tape, Tensor};
use std::collections::{BTreeMap, HashMap};

/// A network on its way into a graph.
#[derive(Debug)]
struct Network<'a> {
    graph: &'a mut Graph,
    file: &'a WeightsFile,
    tape: &'a Tape,
    /// Shapes of the parameters in files.
    shapes: BTreeMap<String, Vec<usize>>,
    /// Names in the graph of what the tape's tensors became.
    names: HashMap<Tensor, String>,
}

/// Adds a generator that reads `input`, NCHW in [-1, 1], and gives the name of its result:
/// `output`, if there is one.
///
/// # Errors
/// A message if a weight is missing or has another shape, or an operation has no counterpart.
pub(super) fn add(
    graph: &mut Graph,
    file: &WeightsFile,
    config: GeneratorConfig,
    mode: NormMode,
    input: &str,
    output: Option<&str>,
) -> Result<String, String> {
    let (mut store, mut tape) = (Store::new(), Tape::new());
    let net = Generator::new(&mut store, "G", config).map_err(|e| e.to_string())?;
    // Nothing in the graph depends on the size.
    let side = 4 * config.multiple();
    let x = tape.input("input", Shape::new(1, side, side, config.input()));
    let y = net.record(&mut tape, &store, x, Mode::run(mode, false)).map_err(|e| e.to_string())?;
    let params = net.weights().params();
    let mut network = Network {
        graph,
        file,
        tape: &tape,
        shapes: params.map(|p| (p.name.clone(), p.layout.public_shape())).collect(),
        names: HashMap::from([(x, input.into())]),
    };
    for node in tape.nodes() {
        network.node(node, output.filter(|_| node.outputs.contains(&y)))?;
    }
    Ok(network.name(y))
}

impl Network<'_> {
    fn name(&self, tensor: Tensor) -> String {
        self.names.get(&tensor).expect("its node came before").clone()
    }

    /// The operation that makes a tensor.
    fn maker(&self, tensor: Tensor) -> Option<(&Node, Forward)> {
        let node = self.tape.nodes().iter().find(|node| node.outputs.contains(&tensor))?;
        Some((node, Forward::of(&*node.op)?))
    }

    /// A parameter's values.
    fn values(&self, tensor: Tensor) -> Result<Constant, String> {
        let name = &self.tape.info(tensor).label;
        let values = self.file.tensors.get(name).ok_or_else(|| format!("{name} is missing"))?;
        match self.shapes.get(name) {
            Some(shape) if *shape != values.shape => {
                Err(format!("{name} is of shape {:?}, where {shape:?} is expected", values.shape))
            }
            _ => Ok((values.shape.clone(), values.f32s().into_owned())),
        }
    }

    /// Adds an operation. `output`: the name of its result.
    fn node(&mut self, node: &Node, output: Option<&str>) -> Result<(), String> {
        let result = *node.outputs.last().expect("an operation has a result");
        let known = Forward::of(&*node.op)
            .ok_or_else(|| format!("{} has no counterpart in ONNX", node.label))?;
        let made = match known {
            // Who reads them adds what is needed.
            Forward::Statistics | Forward::Running(_) => return Ok(()),
            Forward::Convolution { .. } if self.is_folded(result) => return Ok(()),
            Forward::Fill(value) => {
                let channels = self.tape.shape(result).c.logical() as usize;
                let values = (vec![channels], vec![value; channels]);
                self.graph.constant(&format!("{value}_times_{channels}"), &values)
            }
            Forward::Convolution { .. } => self.convolution(node, None)?,
            Forward::Norm => self.norm(node)?,
            Forward::Resample(resample) => {
                let x = self.name(node.inputs[0]);
                self.resample(x, resample)
            }
            Forward::Act(Act::LeakyRelu(slope)) => {
                self.same("LeakyRelu", node, &[Attribute::Float("alpha", slope)], output)
            }
            Forward::Act(Act::Relu) => self.same("Relu", node, &[], output),
            Forward::Act(Act::Tanh) => self.same("Tanh", node, &[], output),
            Forward::Act(Act::Sigmoid) => self.same("Sigmoid", node, &[], output),
            Forward::AvgPool(Pooling { kernel, stride, pad }) => {
                let (kernel, stride) = ([i64::from(kernel); 2], [i64::from(stride); 2]);
                let attributes = [
                    Attribute::Ints("kernel_shape", &kernel),
                    Attribute::Ints("strides", &stride),
                    Attribute::Ints("pads", &[i64::from(pad); 4]),
                    Attribute::Int("count_include_pad", 0),
                ];
                self.same("AveragePool", node, &attributes, output)
            }
            Forward::OneHot | Forward::InstanceEdges | Forward::InstanceMean => {
                return Err(format!("{} has no counterpart in the graph", node.label));
            }
            Forward::Add => self.same("Add", node, &[], output),
            Forward::Concat => self.same("Concat", node, &[Attribute::Int("axis", 1)], output),
        };
        self.names.insert(result, made);
        Ok(())
    }

    /// An operation that ONNX has with the same operands.
    fn same(
        &mut self,
        op: &str,
        node: &Node,
        attributes: &[Attribute<'_>],
        output: Option<&str>,
    ) -> String {
        let names: Vec<String> = node.inputs.iter().map(|t| self.name(*t)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match output {
            None => self.graph.node(op, &names, attributes),
            Some(output) => {
                self.graph.node_to(op, &names, output, attributes);
                output.into()
            }
        }
    }

    /// Whether a convolution's result is read by a norm with running statistics alone, which is
    /// folded into it.
    fn is_folded(&self, result: Tensor) -> bool {
        let nodes = self.tape.nodes().iter();
        let readers: Vec<&Node> = nodes.filter(|node| node.inputs.contains(&result)).collect();
        matches!(readers[..], [node] if Forward::of(&*node.op) == Some(Forward::Norm))
    }

    /// A convolution, with a norm of running statistics in it if there is one.
    fn convolution(&mut self, node: &Node, norm: Option<&Node>) -> Result<String, String> {
        let Some(Forward::Convolution { conv, transposed }) = Forward::of(&*node.op) else {
            return Err(format!("{} is no convolution", node.label));
        };
        let mut weight = self.values(node.inputs[1])?;
        let mut bias = node.inputs.get(2).map(|b| self.values(*b)).transpose()?;
        if let Some(norm) = norm {
            let (running, _) = self.maker(norm.inputs[1]).ok_or("a norm without statistics")?;
            let of = |t: Tensor| self.values(t).map(|(_, values)| values);
            let [gamma, beta] = [of(norm.inputs[2])?, of(norm.inputs[3])?];
            let [mean, var] = [of(running.inputs[0])?, of(running.inputs[1])?];
            bias = Some(fold(&mut weight, bias, [&gamma, &beta, &mean, &var], transposed));
        }
        let name = self.tape.info(node.inputs[1]).label.clone();
        let name = name.strip_suffix(".weight").unwrap_or(&name);
        let mut inputs = vec![self.name(node.inputs[0])];
        inputs.push(self.graph.constant(&format!("{name}.weight"), &weight));
        inputs.extend(bias.map(|bias| self.graph.constant(&format!("{name}.bias"), &bias)));
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let Conv { kernel, stride, pad, output_pad } = conv;
        let (kernel, stride) = ([i64::from(kernel); 2], [i64::from(stride); 2]);
        let (pad, output_pad) = ([i64::from(pad); 4], [i64::from(output_pad); 2]);
        let mut attributes = vec![
            Attribute::Ints("kernel_shape", &kernel),
            Attribute::Ints("strides", &stride),
            Attribute::Ints("pads", &pad),
        ];
        if transposed {
            attributes.push(Attribute::Ints("output_padding", &output_pad));
        }
        Ok(self.graph.node(if transposed { "ConvTranspose" } else { "Conv" }, &inputs, &attributes))
    }

    /// A norm: of each image, or in the convolution before it.
    fn norm(&mut self, node: &Node) -> Result<String, String> {
        let made = self.maker(node.inputs[1]);
        if made.is_some_and(|(_, forward)| forward == Forward::Statistics) {
            let [x, gamma, beta] = [0, 2, 3].map(|at| node.inputs[at]);
            let x = self.name(x);
            let [gamma, beta] = [self.vector(gamma)?, self.vector(beta)?];
            let epsilon = Attribute::Float("epsilon", BatchNorm::default().eps);
            return Ok(self.graph.node("InstanceNormalization", &[&x, &gamma, &beta], &[epsilon]));
        }
        let tape = self.tape;
        let before = tape.nodes().iter().find(|before| before.outputs.contains(&node.inputs[0]));
        let before = before.filter(|_| self.is_folded(node.inputs[0]));
        let before = before.ok_or_else(|| {
            format!("{}: running statistics are folded into convolutions only", node.label)
        })?;
        self.convolution(before, Some(node))
    }

    /// A vector that is there, or a parameter.
    fn vector(&mut self, tensor: Tensor) -> Result<String, String> {
        match self.names.get(&tensor) {
            Some(name) => Ok(name.clone()),
            None => {
                let values = self.values(tensor)?;
                Ok(self.graph.constant(&self.tape.info(tensor).label, &values))
            }
        }
    }

    /// Enlarging, then padding.
    fn resample(&mut self, x: String, resample: Resample2d) -> String {
        let Resample2d { enlarge, padding, pad } = resample;
        let settings = match enlarge {
            Enlarge::No => None,
            Enlarge::Nearest => Some(["nearest", "asymmetric"]),
            Enlarge::Bilinear => Some(["linear", "half_pixel"]),
        };
        let x = settings.map_or(x.clone(), |[mode, transformation]| {
            let scales = self.graph.constant("twice", &(vec![4], vec![1.0, 1.0, 2.0, 2.0]));
            let attributes = [
                Attribute::Text("mode", mode),
                Attribute::Text("coordinate_transformation_mode", transformation),
                Attribute::Text("nearest_mode", "floor"),
            ];
            // There is no region of interest.
            self.graph.node("Resize", &[&x, "", &scales], &attributes)
        });
        if pad == 0 {
            return x;
        }
        let p = i64::from(pad);
        let pads = self.graph.whole(&[0, 0, p, p, 0, 0, p, p]);
        let mode = match padding {
            Padding::Reflect => "reflect",
            Padding::Replicate => "edge",
        };
        self.graph.node("Pad", &[&x, &pads], &[Attribute::Text("mode", mode)])
    }
}

/// Folds a norm, `gamma (y - mean) / sqrt(var + eps) + beta`, into the convolution before it: its
/// new bias. Convolutions have their output channels first, transposed ones second.
fn fold(
    (shape, weight): &mut Constant,
    bias: Option<Constant>,
    [gamma, beta, mean, var]: [&[f32]; 4],
    transposed: bool,
) -> Constant {
    let axis = usize::from(transposed);
    let (channels, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let eps = f64::from(BatchNorm::default().eps);
    let scale: Vec<f64> =
        gamma.iter().zip(var).map(|(g, v)| f64::from(*g) / (f64::from(*v) + eps).sqrt()).collect();
    for (i, value) in weight.iter_mut().enumerate() {
        *value = (f64::from(*value) * scale[i / inner % channels]) as f32;
    }
    let before = bias.map_or(vec![0.0; channels], |(_, values)| values);
    let shifted = (0..channels).map(|c| {
        ((f64::from(before[c]) - f64::from(mean[c])) * scale[c] + f64::from(beta[c])) as f32
    });
    (vec![channels], shifted.collect())
}
