//! A model that a host brings: three planes beside its image, a discriminator of two scales,
//! feature matching, and a frozen network. Everything that a model needs is public, and the
//! training knows none by name.

mod support;

use approx::{abs_diff_eq, assert_abs_diff_eq};
use pixtape::nets::{
    ConvParams, Discriminator, DiscriminatorConfig, DiscriminatorKind, InitType, Judgement, Mode,
    MultiScale, MultiScaleConfig, NormKind, Weights,
};
use pixtape::ops::Act;
use pixtape::picture::{Encoding, Input, MAX_INDEX, PictureFormat, PictureValues, Plane, Values};
use pixtape::store::Param;
use pixtape::train::{
    Chance, Column, Content, Description, GROUP_D, GROUP_G, GanMode, Loss, Mapping, Model, Network,
    Recorded, Role, Settings, Training, Translator, feature_matching,
};
use pixtape::{
    Channels, Conv, Error, Gpu, Plan, PlanOptions, Result, Shape, StepValues, Store, Tape, Tensor,
};
use support::fill;

const CLASSES: u32 = 5;
const SIDE: u32 = 32;
const SCALES: u32 = 2;
const GAN: GanMode = GanMode::Lsgan;

/// Label, instance and mask to an image, as pix2pixHD does it.
#[derive(Clone, Debug)]
struct Painter;

/// Its planes.
const PLANES: [Plane; 4] = [
    Plane { name: "label", channels: 1, encoding: Encoding::Labels },
    Plane { name: "instance", channels: 1, encoding: Encoding::Instances },
    Plane { name: "mask", channels: 1, encoding: Encoding::Mask },
    Plane { name: "image", channels: 3, encoding: Encoding::Image(PictureFormat::Bytes) },
];

/// A frozen network that turns an index `x` into one plane for each class, exactly, since
/// `relu(x - k + 1) - 2 relu(x - k) + relu(x - k - 1)` is 1 where `x = k` and 0 at other whole
/// numbers; and that makes one part of a concatenation.
struct Fixed {
    weights: Weights,
    ramps: ConvParams,
    codes: ConvParams,
    joint: ConvParams,
}

impl Fixed {
    fn new(store: &mut Store, judged: Channels) -> Fixed {
        store.freeze("fixed");
        let mut weights = Weights::new("fixed", NormKind::None);
        let point = Conv::new(1, 1, 0);
        let ramps = weights.conv(store, "ramps", 1.into(), 3 * CLASSES, point, true);
        let codes = weights.conv(store, "codes", (3 * CLASSES).into(), CLASSES, point, false);
        let count = judged.logical();
        let joint = weights.conv(store, "joint", judged, count, point, false);
        Fixed { weights, ramps, codes, joint }
    }

    fn one_hot(&self, tape: &mut Tape, store: &Store, labels: Tensor) -> Result<Tensor> {
        let ramps = self.ramps.record(tape, store, labels)?;
        let ramps = tape.act(ramps, Act::Relu);
        self.codes.record(tape, store, ramps)
    }

    /// The values of a parameter.
    fn values(param: &Param) -> Vec<f32> {
        let shape = param.layout.public_shape();
        let row = 3 * CLASSES as usize;
        match param.name.as_str() {
            "ramps.weight" => vec![1.0; row],
            "ramps.bias" => (0..row).map(|i| 1.0 - (i / 3) as f32 - (i % 3) as f32).collect(),
            "codes.weight" => (0..shape[0] * shape[1])
                .map(|at| match (at / row == at % row / 3, at % 3) {
                    (false, _) => 0.0,
                    (true, 1) => -2.0,
                    (true, _) => 1.0,
                })
                .collect(),
            // The identity.
            _ => {
                let value = |at: usize| if at / shape[1] == at % shape[1] { 1.0 } else { 0.0 };
                (0..shape[0] * shape[1]).map(value).collect()
            }
        }
    }
}

/// The generator: from one-hot labels, instances and mask to an image.
struct PlaneGenerator {
    weights: Weights,
    first: ConvParams,
    last: ConvParams,
}

impl PlaneGenerator {
    fn new(store: &mut Store) -> PlaneGenerator {
        let mut weights = Weights::new("G", NormKind::None);
        let same = Conv::new(3, 1, 1);
        let input = Channels::concat(&[CLASSES.into(), 1.into(), 1.into()]).unwrap();
        let first = weights.conv(store, "first", input, 8, same, true);
        let last = weights.conv(store, "last", 8.into(), 3, same, true);
        PlaneGenerator { weights, first, last }
    }

    fn record(&self, tape: &mut Tape, store: &Store, planes: [Tensor; 3]) -> Result<Tensor> {
        let [labels, instances, mask] = planes;
        let instances = tape.scale(instances, 0.1);
        let x = tape.concat(&[labels, instances, mask])?;
        let h = self.first.record(tape, store, x)?;
        let h = tape.act(h, Act::LeakyRelu(0.2));
        let h = self.last.record(tape, store, h)?;
        Ok(tape.act(h, Act::Tanh))
    }
}

impl Model for Painter {
    fn record(&self) -> Result<Recorded> {
        let mut store = Store::new();
        let judged = Channels::concat(&[CLASSES.into(), 3.into()]).unwrap();
        let fixed = Fixed::new(&mut store, judged);
        store.freeze("features");
        let kind = DiscriminatorKind::Patch { n_layers: 1 };
        let norm = NormKind::Instance;
        let config = DiscriminatorConfig { input: 3.into(), ndf: 4, kind, norm };
        let extractor = Discriminator::new(&mut store, "features", config)?;

        let g = PlaneGenerator::new(&mut store);
        let input = judged.logical().into();
        let scales =
            MultiScaleConfig { input, ndf: 4, n_layers: 2, scales: SCALES, norm, staged: true };
        let d = MultiScale::new(&mut store, "D", scales)?;
        let [g_pages, d_pages] = ["G", "D"].map(|set| store.pages(set));

        let mut tape = Tape::new();
        let mut inputs = Vec::new();
        let mut values = Vec::new();
        for plane in PLANES {
            tape.scope(plane.name);
            let (input, value) = Input::record(&mut tape, plane, [1, SIDE, SIDE])?;
            inputs.push(input);
            values.push(value);
        }
        let [labels, instances, mask, image] = values[..] else { unreachable!() };
        let labels = fixed.one_hot(&mut tape, &store, labels)?;
        let fake = g.record(&mut tape, &store, [labels, instances, mask])?;

        let judge = |tape: &mut Tape, image: Tensor| -> Result<Vec<Judgement>> {
            let pair = tape.concat(&[labels, image])?;
            let pair = fixed.joint.record(tape, &store, pair)?;
            d.record(tape, &store, pair, Mode::TRAIN)
        };
        let (of_fake, of_real) = (judge(&mut tape, fake)?, judge(&mut tape, image)?);
        let [seen_fake, seen_real] = [fake, image].map(|image| {
            extractor.record(&mut tape, &store, image, Mode::TRAIN).map(|judgement| [judgement])
        });
        let gan = GAN.generator_loss(&mut tape, &of_fake)?;
        let features = feature_matching(&mut tape, &of_fake, &of_real)?;
        let features = tape.scale(features, 10.0 / SCALES as f32);
        let seen = feature_matching(&mut tape, &seen_fake?, &seen_real?)?;
        let seen = tape.scale(seen, 10.0);
        let wrt = g.weights.trainable(&mut tape, &store);
        tape.backward(&[gan, features, seen], &wrt)?;
        g_pages.iter().for_each(|page| tape.adam(&store, page, GROUP_G as u32));

        let real = GAN.discriminator_loss(&mut tape, &of_real, true, 0.0)?;
        let fake = GAN.discriminator_loss(&mut tape, &of_fake, false, 0.0)?;
        let halves = [tape.scale(real, 0.5), tape.scale(fake, 0.5)];
        let wrt = d.weights().trainable(&mut tape, &store);
        tape.backward(&halves, &wrt)?;
        d_pages.iter().for_each(|page| tape.adam(&store, page, GROUP_D as u32));

        let values = [gan, features, seen, real, fake];
        let losses = self.describe().losses.into_iter().zip(values).collect();
        let networks = vec![
            Network::trained("G", g.weights, 1),
            Network::trained("D", d, 2),
            Network::frozen("fixed", fixed.weights),
            Network::frozen("features", extractor),
        ];
        Ok(Recorded { store, tape, batches: vec![inputs], losses, networks, pools: Vec::new() })
    }

    fn describe(&self) -> Description {
        let chance = Chance::of(GAN, 0.0).unwrap().summed_over(SCALES);
        let losses = vec![
            Loss::new("G_GAN", Role::Generator, "adversarial").with_chance(chance.generator),
            Loss::new("G_GAN_Feat", Role::Distance, "feature matching"),
            Loss::new("G_Frozen", Role::Distance, "features of a frozen network"),
            Loss::new("D_real", Role::Real, "discriminator").with_chance(Some(chance.real)),
            Loss::new("D_fake", Role::Fake, "discriminator").with_chance(Some(chance.fake)),
        ];
        Description {
            losses,
            generators: vec![Mapping { name: "G", from: "label", to: "image" }],
            paired: true,
            columns: vec![Column { name: "image", content: Content::Plane("image") }],
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            size: (SIDE, SIDE),
            pictures: 1,
            beta1: 0.5,
            init_type: InitType::Normal,
            init_gain: 0.2,
            uniform_biases: false,
            seed: 3,
        }
    }

    fn inputs(&self, _: &str) -> Vec<Plane> {
        PLANES[..3].to_vec()
    }
}

/// Stripes of classes, blocks of instances, half a mask, and an image with a colour for each class.
struct Sample {
    label: Vec<u32>,
    instance: Vec<u32>,
    mask: Vec<u32>,
    image: Vec<u8>,
}

impl Sample {
    fn new() -> Sample {
        let pixels = || (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
        let label: Vec<u32> = pixels().map(|(x, _)| x * CLASSES / SIDE).collect();
        let colour = |label: &u32| [40 * label, 255 - 40 * label, 30 + 20 * label];
        Sample {
            instance: pixels().map(|(x, y)| x / 8 + 4 * (y / 8)).collect(),
            mask: pixels().map(|(_, y)| u32::from(y < SIDE / 2)).collect(),
            image: label.iter().flat_map(colour).map(|v| v as u8).collect(),
            label,
        }
    }

    fn planes(&self) -> [(&'static str, Values<'_>); 4] {
        [
            ("image", (&self.image).into()),
            ("label", (&self.label).into()),
            ("instance", (&self.instance).into()),
            ("mask", (&self.mask).into()),
        ]
    }
}

/// A training whose frozen networks are loaded; returns their values.
fn training(gpu: &Gpu) -> (Training<Painter>, Vec<Vec<f32>>) {
    loaded(gpu, crate::support::plan_options())
}

/// The same with all gradients in the store.
fn with_gradients(gpu: &Gpu) -> Training<Painter> {
    loaded(gpu, crate::support::with_gradients()).0
}

fn loaded(gpu: &Gpu, options: PlanOptions) -> (Training<Painter>, Vec<Vec<f32>>) {
    let training = Training::new(gpu, Painter, options).unwrap();
    let mut loaded = Vec::new();
    for (net, weights) in training.frozen_networks() {
        for (stream, param) in (0..).zip(weights.params()) {
            let values = match net {
                "fixed" => Fixed::values(param),
                _ => fill::reals(param.layout.elements(), stream, -0.3, 0.3),
            };
            training.store().write(gpu, param.value, &param.layout, &values).unwrap();
            loaded.push(values);
        }
    }
    (training, loaded)
}

fn read(gpu: &Gpu, training: &Training<Painter>, weights: &Weights) -> Vec<Vec<f32>> {
    let values = weights.params().map(|param| {
        pollster::block_on(training.store().read(gpu, param.value, &param.layout)).unwrap()
    });
    values.collect()
}

#[test]
fn a_model_of_planes_scales_and_frozen_networks_trains() {
    let Some(gpu) = support::gpu() else { return };
    let (mut training, loaded) = training(gpu);
    let sample = Sample::new();
    let names: Vec<_> = training.planes().map(|plane| plane.name).collect();
    assert_eq!(names, ["label", "instance", "mask", "image"]);
    let before: Vec<_> =
        training.networks().iter().map(|(_, w, _)| read(gpu, &training, w)).collect();
    let mut losses = Vec::new();
    for _ in 0..30 {
        losses.extend(training.step(&sample.planes(), 4e-3).unwrap());
    }
    losses.extend(training.finish().unwrap());
    let distance =
        |at: usize| training.description().distance(|name| losses[at].get(name).map(f64::from));
    assert!(losses.iter().all(|row| row.named.iter().all(|(_, v)| v.is_finite())));
    assert!(distance(29) < 0.7 * distance(0), "from {} to {}", distance(0), distance(29));
    // At the start D gives everything much the same answer; both scales count.
    let chance = training.description().discriminator_chance().unwrap();
    assert_abs_diff_eq!(chance, 0.5, epsilon = 1e-12);

    for ((net, weights, _), before) in training.networks().into_iter().zip(before) {
        assert_ne!(read(gpu, &training, weights), before, "{net} has not moved");
    }
    let frozen = training.frozen_networks().into_iter();
    let now: Vec<_> = frozen.flat_map(|(_, w)| read(gpu, &training, w)).collect();
    assert_eq!(now, loaded, "what is frozen has moved");
}

#[test]
fn a_frozen_network_takes_memory_for_its_weights_alone_and_is_in_no_checkpoint() {
    let Some(gpu) = support::gpu() else { return };
    let training = with_gradients(gpu);
    let nets = |nets: Vec<(&'static str, &Weights, u64)>| -> Vec<&str> {
        nets.into_iter().map(|(name, ..)| name).collect()
    };
    assert_eq!(nets(training.networks()), ["G", "D"]);
    assert_eq!(nets(training.saved_networks()), ["G", "D"]);
    let frozen: Vec<_> = training.frozen_networks().into_iter().map(|(name, _)| name).collect();
    assert_eq!(frozen, ["fixed", "features"]);
    for (_, weights) in training.frozen_networks() {
        assert_eq!(weights.count(), 0, "nothing to train");
        assert!(weights.params().all(|p| p.gradient.is_none() && p.moments.is_none()));
    }
    let memory = training.program().plan().memory();
    assert!(memory.parameters > memory.gradients && memory.moments == 2 * memory.gradients);
    let page = |set: &str| {
        let mut recorded = Painter.record().unwrap();
        let pages = recorded.store.pages(set);
        pages.iter().map(|p| recorded.store.shape(p.weight).bytes()).sum::<u64>()
    };
    assert_eq!(memory.gradients, page("G") + page("D"));
}

#[test]
fn the_gradient_of_features_over_scales_is_that_of_differences() {
    let Some(gpu) = support::gpu() else { return };
    let mut training = with_gradients(gpu);
    let sample = Sample::new();
    // At a rate of 0 a step changes nothing and leaves its gradients behind.
    let loss = |training: &mut Training<Painter>| -> f64 {
        let mut rows = training.step(&sample.planes(), 0.0).unwrap();
        rows.extend(training.finish().unwrap());
        let row = rows.last().unwrap();
        ["G_GAN", "G_GAN_Feat", "G_Frozen"].map(|n| f64::from(row.get(n).unwrap())).iter().sum()
    };
    loss(&mut training);
    let params: Vec<Param> = training.networks()[0].1.params().cloned().collect();
    let get = |training: &Training<Painter>, of: fn(&Param) -> pixtape::store::StoreId| {
        let read = |p: &Param| pollster::block_on(training.store().read(gpu, of(p), &p.layout));
        params.iter().map(|p| read(p).unwrap()).collect::<Vec<_>>()
    };
    let gradients = get(&training, |p| p.gradient.unwrap());
    let weights = get(&training, |p| p.value);
    let squares = gradients.iter().flatten().map(|g| f64::from(*g).powi(2)).sum::<f64>();
    let length = squares.sqrt();
    assert!(length > 0.1, "{length}");
    // Along the gradient, where the slope is its length.
    let mut moved = |by: f64| {
        for ((param, weights), gradient) in params.iter().zip(&weights).zip(&gradients) {
            let values: Vec<f32> = weights
                .iter()
                .zip(gradient)
                .map(|(w, g)| (f64::from(*w) + by * f64::from(*g) / length) as f32)
                .collect();
            training.store().write(gpu, param.value, &param.layout, &values).unwrap();
        }
        loss(&mut training)
    };
    let step = 2e-3;
    let slope = (moved(step) - moved(-step)) / (2.0 * step);
    assert_abs_diff_eq!(slope, length, epsilon = 0.02 * length);
}

#[test]
fn every_encoding_comes_back_from_the_device_as_it_was() {
    let Some(gpu) = support::gpu() else { return };
    let [n, h, w] = [2, 3, 5];
    let image = |channels, format| Plane::image("image", channels, format);
    let count = (n * h * w) as usize;
    let bytes: Vec<u8> = (0..3 * count).map(|i| (i * 7) as u8).collect();
    let floats = fill::reals(2 * count, 1, -1.0, 1.0);
    let indices = |most: u32| -> Vec<u32> {
        let mut all: Vec<u32> = fill::bits(count, 2).into_iter().map(|b| b % (most + 1)).collect();
        (all[0], all[1]) = (most, most - 1);
        all
    };
    let (labels, instances, mask) = (indices(65_535), indices(MAX_INDEX), indices(1));
    let vector = fill::reals(2 * 6, 3, -900.0, 900.0);
    let all: [(Plane, Values<'_>); 6] = [
        (image(3, PictureFormat::Bytes), (&bytes).into()),
        (image(2, PictureFormat::Floats), (&floats).into()),
        (Plane::map("label", Encoding::Labels), (&labels).into()),
        (Plane::map("instance", Encoding::Instances), (&instances).into()),
        (Plane::map("mask", Encoding::Mask), (&mask).into()),
        (Plane { name: "caption", channels: 6, encoding: Encoding::Vector }, (&vector).into()),
    ];
    let (mut tape, store) = (Tape::new(), Store::new());
    let mut recorded = Vec::new();
    for (plane, _) in &all {
        let (input, values) = Input::record(&mut tape, *plane, [n, h, w]).unwrap();
        recorded.push((input, tape.scale(values, 1.0)));
    }
    let keep: Vec<Tensor> = recorded.iter().map(|(_, out)| *out).collect();
    let plan =
        Plan::new(&tape, &store, &keep, gpu.family(), crate::support::plan_options()).unwrap();
    let program = plan.prepare(gpu, &store).unwrap();
    for ((input, _), (_, values)) in recorded.iter().zip(&all) {
        input.write(&program, *values).unwrap();
    }
    program.step(&StepValues::default()).unwrap();
    for ((input, out), (plane, values)) in recorded.iter().zip(&all) {
        let found = pollster::block_on(program.read(*out)).unwrap();
        let expected: Vec<f32> = match values {
            Values::Bytes(v) => v.iter().map(|v| (f32::from(*v) / 255.0 - 0.5) * 2.0).collect(),
            Values::Floats(v) => v.to_vec(),
            Values::Indices(v) => v.iter().map(|v| *v as f32).collect(),
        };
        assert_eq!(input.len(), expected.len(), "{plane:?}");
        let close = |(a, b): (&f32, &f32)| match plane.encoding {
            Encoding::Image(PictureFormat::Bytes) => abs_diff_eq!(a, b, epsilon = 1e-6),
            _ => a == b,
        };
        assert!(found.iter().zip(&expected).all(close), "{plane:?}: {found:?}, not {expected:?}");
    }
    // What does not fit a plane is refused, by name and place.
    let refused = |at: usize, values: Values<'_>, words: &[&str]| {
        let error = recorded[at].0.write(&program, values).unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error}");
        let message = error.to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let mut large = instances.clone();
    large[7] = MAX_INDEX + 1;
    refused(3, (&large).into(), &["instance", "16777217 at place 7", "renumber"]);
    refused(4, (&labels).into(), &["mask", "65535 at place 0"]);
    refused(2, (&labels[1..]).into(), &["label", "29 values", "30"]);
    refused(1, (&bytes[..60]).into(), &["image", "bytes given", "Floats"]);
    assert_eq!(Plane::map("mask", Encoding::Mask).shape([n, h, w]), Shape::new(n, h, w, 1));
}

#[test]
fn planes_go_by_name_and_a_missing_one_is_named() {
    let Some(gpu) = support::gpu() else { return };
    let (mut training, _) = training(gpu);
    let sample = Sample::new();
    let message = |result: Result<Vec<pixtape::train::Losses>>| result.unwrap_err().to_string();
    let planes = sample.planes();
    let text = message(training.step(&planes[..3], 1e-3));
    assert!(text.contains("no plane \"mask\"") && text.contains("image, label"), "{text}");
    let text = message(training.step_pair(&sample.image, &sample.image, 1e-3));
    assert!(text.contains("label, instance, mask, image"), "{text}");
    let wrong = [planes[0], planes[1], planes[2], ("mask", Values::Bytes(&sample.image))];
    assert!(message(training.step(&wrong, 1e-3)).starts_with("mask: 3072 values"));
    assert_eq!(training.steps(), 0);
    // One plane too many is left alone.
    let more = [&planes[..], &[("caption", Values::Floats(&[]))]].concat();
    training.step(&more, 1e-3).unwrap();
    assert_eq!(training.finish().unwrap().len(), 1);
}

#[test]
fn a_network_of_several_planes_translates() {
    let Some(gpu) = support::gpu() else { return };
    let mut store = Store::new();
    let fixed = Fixed::new(&mut store, 8.into());
    let generator = PlaneGenerator::new(&mut store);
    for param in fixed.weights.params() {
        store.write(gpu, param.value, &param.layout, &Fixed::values(param)).unwrap();
    }
    for (stream, param) in (0..).zip(generator.weights.params()) {
        let values = fill::reals(param.layout.elements(), stream, -0.4, 0.4);
        store.write(gpu, param.value, &param.layout, &values).unwrap();
    }
    let network = |tape: &mut Tape, planes: &[Tensor]| {
        let labels = fixed.one_hot(tape, &store, planes[0])?;
        generator.record(tape, &store, [labels, planes[1], planes[2]])
    };
    let (size, options) = ((SIDE, SIDE), crate::support::plan_options());
    let format = PictureFormat::Bytes;
    let translator = Translator::of_planes(
        gpu,
        &store,
        &PLANES[..3],
        size,
        format,
        &network,
        options,
        &mut |_, _| (),
    )
    .unwrap();
    let sample = Sample::new();
    let run = |planes: &[(&str, Values<'_>)]| {
        pollster::block_on(translator.run_planes(planes, 0, 0)).unwrap()
    };
    let planes = sample.planes();
    let PictureValues::Bytes(image) = run(&planes) else { panic!("floats") };
    assert_eq!(image.len(), sample.image.len());
    assert_eq!(PictureValues::Bytes(image.clone()), run(&planes), "not repeatable");
    // Every plane counts.
    let other = vec![1u32; sample.label.len()];
    for (at, (name, _)) in planes.iter().enumerate().skip(1) {
        let mut changed = planes;
        changed[at].1 = (&other).into();
        assert_ne!(PictureValues::Bytes(image.clone()), run(&changed), "{name}");
    }
    let error = pollster::block_on(translator.run(&sample.image, 0, 0)).unwrap_err().to_string();
    assert!(error.contains("label, instance, mask"), "{error}");
}
