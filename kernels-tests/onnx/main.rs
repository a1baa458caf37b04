//! Exported graphs compute what the program computes: they are read back and run in f64 by the
//! definitions of their operators.

mod model;
mod run;
#[path = "../support/mod.rs"]
mod support;

use model::{Array, Model};
use pixtape::io::weights::{Range, WeightsFile, onnx};
use pixtape::nets::{
    BlockPadding, EnhancerConfig, Generator, GeneratorConfig, Mode, NormKind, ResnetConfig,
    UnetConfig, Upsample,
};
use pixtape::ops::NormMode;
use pixtape::{Gpu, Plan, Shape, Store, Tape};

/// A generator on the device, and the same weights as a file.
struct Net {
    config: GeneratorConfig,
    store: Store,
    net: Generator,
    file: WeightsFile,
}

impl Net {
    fn new(gpu: &Gpu, config: GeneratorConfig) -> Net {
        let mut store = Store::new();
        let net = Generator::new(&mut store, "G", config).unwrap();
        let mut file = WeightsFile::default();
        for (param, values) in support::weights::draw(gpu, &store, net.weights()) {
            let shape = param.layout.public_shape();
            file.tensors.insert(param.name.clone(), (shape, values).into());
        }
        Net { config, store, net, file }
    }

    /// What the program makes of an image, NHWC.
    fn run(&self, gpu: &Gpu, image: &[f32], [h, w]: [u32; 2], norm: NormMode) -> Vec<f32> {
        let mut tape = Tape::new();
        let x = tape.input("x", Shape::new(1, h, w, self.config.input_nc()));
        let y = self.net.record(&mut tape, &self.store, x, Mode::run(norm, false)).unwrap();
        let plan =
            Plan::new(&tape, &self.store, &[y], gpu.family(), support::plan_options()).unwrap();
        let program = plan.prepare(gpu, &self.store).unwrap();
        program.write(x, image).unwrap();
        program.step(&Default::default()).unwrap();
        pollster::block_on(program.read(y)).unwrap()
    }

    fn model(&self, norm: NormMode, range: Range) -> Model {
        Model::read(&onnx(&self.file, &self.config, norm, range).unwrap())
    }
}

/// NHWC to NCHW.
fn planes(image: &[f32], [h, w]: [u32; 2], channels: u32) -> Array {
    let [h, w, c] = [h, w, channels].map(|v| v as usize);
    let data = (0..c)
        .flat_map(|c0| (0..h * w).map(move |pixel| (pixel, c0)))
        .map(|(pixel, c0)| f64::from(image[pixel * c + c0]))
        .collect();
    Array { shape: vec![1, c, h, w], data }
}

fn resnet(norm: NormKind, padding: BlockPadding) -> GeneratorConfig {
    let config = ResnetConfig { ngf: 4, blocks: 2, norm, padding, ..ResnetConfig::default() };
    ResnetConfig { output_nc: 2, ..config }.into()
}

/// pix2pixHD's: deeper, and with enhancers around it.
fn global(halvings: u32) -> ResnetConfig {
    ResnetConfig { ngf: 2, blocks: 2, halvings, input: 6.into(), ..ResnetConfig::default() }
}

fn local(enhancers: u32) -> GeneratorConfig {
    let config = EnhancerConfig { ngf: 2, halvings: 2, global_blocks: 2, ..Default::default() };
    EnhancerConfig { enhancers, blocks: 2, input: 5.into(), ..config }.into()
}

fn unet(norm: NormKind, upsample: Upsample) -> GeneratorConfig {
    UnetConfig { ngf: 2, downs: 5, norm, upsample, input_nc: 1, ..UnetConfig::default() }.into()
}

#[test]
fn graphs_compute_what_the_program_computes() {
    let Some(gpu) = support::gpu() else { return };
    for config in [
        resnet(NormKind::Instance, BlockPadding::Reflect),
        resnet(NormKind::InstanceAffine, BlockPadding::Replicate),
        resnet(NormKind::Batch, BlockPadding::Zero),
        resnet(NormKind::None, BlockPadding::Reflect),
        global(4).into(),
        global(0).into(),
        local(1),
        local(2),
        unet(NormKind::Batch, Upsample::Transpose),
        unet(NormKind::Batch, Upsample::Nearest),
        unet(NormKind::Instance, Upsample::Bilinear),
    ] {
        let net = Net::new(gpu, config);
        // Twice the network's multiple one way, three times the other.
        let size = [2, 3].map(|times| times * config.multiple().max(8));
        let channels = config.input_nc();
        let image = support::fill::reals((size[0] * size[1] * channels) as usize, 99, -1.0, 1.0);
        let norms = if config.norm() == NormKind::Batch {
            &[NormMode::Batch, NormMode::Running][..]
        } else {
            &[NormMode::Batch]
        };
        for &norm in norms {
            let want = planes(&net.run(gpu, &image, size, norm), size, config.output_nc());
            let model = net.model(norm, Range::Signed);
            assert_eq!(model.opset, 13);
            assert_eq!(model.input.sides, [None, Some(channels.into()), None, None]);
            let got = run::run(&model, &planes(&image, size, channels));
            assert_eq!(got.shape, want.shape);
            let spread = want.data.iter().map(|v| v * v).sum::<f64>() / want.data.len() as f64;
            let off = got.data.iter().zip(&want.data).map(|(a, b)| (a - b).abs());
            let off = off.max_by(f64::total_cmp).unwrap();
            // f32 through the layers of a network, as for weights of other programs.
            assert!(
                off < 1e-4 && spread.sqrt() > 0.01,
                "{config} {} {norm:?}: off by {off:.1e} of {:.2}",
                config.norm(),
                spread.sqrt()
            );
            let folded = model.nodes.iter().all(|node| node.op != "InstanceNormalization");
            assert_eq!(folded, norm == NormMode::Running || config.norm() == NormKind::None);
        }
    }
}

#[test]
fn ranges_are_those_of_files() {
    let Some(gpu) = support::gpu() else { return };
    let net = Net::new(gpu, resnet(NormKind::Instance, BlockPadding::Reflect));
    let size = [8, 12];
    let bytes = support::fill::bits((size[0] * size[1] * 3) as usize, 5);
    let bytes: Vec<u8> = bytes.into_iter().map(|word| (word >> 24) as u8).collect();
    let signed: Vec<f32> = bytes.iter().map(|v| (f32::from(*v) / 255.0 - 0.5) * 2.0).collect();
    let made = net.run(gpu, &signed, size, NormMode::Batch);

    let unit: Vec<f32> = bytes.iter().map(|v| f32::from(*v) / 255.0).collect();
    let got = run::run(&net.model(NormMode::Batch, Range::Unit), &planes(&unit, size, 3));
    let want = planes(&made, size, 2);
    for (got, want) in got.data.iter().zip(&want.data) {
        assert!((got - (want + 1.0) / 2.0).abs() < 1e-4, "{got} and {want}");
    }

    let model = net.model(NormMode::Batch, Range::Bytes);
    assert_eq!((model.input.element, model.output.element), (2, 2));
    assert_eq!(model.output.sides, [None, None, None, Some(2)]);
    let data = bytes.iter().map(|v| f64::from(*v)).collect();
    let got = run::run(&model, &Array { shape: vec![1, 8, 12, 3], data });
    assert_eq!(got.shape, [1, 8, 12, 2]);
    for (got, want) in got.data.iter().zip(&made) {
        // As images are written, but for values at the edge between two levels.
        let level = (f64::from(*want) + 1.0) * 127.5 + 0.5;
        assert!(*got == level.floor() || (level - level.round()).abs() < 0.02, "{got} {level}");
    }
}

#[test]
fn a_file_that_is_not_the_networks_is_refused_by_name() {
    let Some(gpu) = support::gpu() else { return };
    let Net { config, mut file, .. } =
        Net::new(gpu, resnet(NormKind::Instance, BlockPadding::Reflect));
    let message =
        |file: &WeightsFile| onnx(file, &config, NormMode::Batch, Range::Signed).unwrap_err();
    file.tensors.get_mut("model.4.weight").unwrap().shape = vec![1, 2, 3, 4];
    assert!(message(&file).contains("model.4.weight is of shape [1, 2, 3, 4]"));
    file.tensors.remove("model.4.weight");
    assert_eq!(message(&file), "model.4.weight is missing");
}
