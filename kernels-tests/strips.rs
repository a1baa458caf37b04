//! Generators in strips make what they make of the whole picture, in less memory.

mod support;

use pixtape::nets::{
    BlockPadding, EnhancerConfig, Generator, GeneratorConfig, Mode, NormKind, Resnet, ResnetConfig,
    UnetConfig, Upsample,
};
use pixtape::ops::NormMode;
use pixtape::picture::{Encoding, PictureFormat, PictureValues, Plane, Values};
use pixtape::train::{Strips, Translator};
use pixtape::{Channels, Gpu, Result, Store, Tape, Tensor};

const EACH: Mode = Mode::run(NormMode::Batch, false);
const FLOATS: PictureFormat = PictureFormat::Floats;
/// Multiples of 32 one way and of nothing larger the other.
const SIZE: (u32, u32) = (96, 160);

fn generator(gpu: &Gpu, config: GeneratorConfig) -> (Store, Generator) {
    let mut store = Store::new();
    let net = Generator::new(&mut store, "G", config).unwrap();
    support::weights::draw(gpu, &store, net.weights());
    (store, net)
}

fn resnet(norm: NormKind, padding: BlockPadding) -> GeneratorConfig {
    ResnetConfig { ngf: 4, blocks: 3, norm, padding, ..ResnetConfig::default() }.into()
}

fn unet(norm: NormKind, upsample: Upsample) -> GeneratorConfig {
    UnetConfig { ngf: 4, downs: 5, norm, upsample, dropout: false, ..UnetConfig::default() }.into()
}

/// A picture of smooth shapes and noise, as bytes and in [-1, 1].
fn picture((width, height): (u32, u32)) -> (Vec<u8>, Vec<f32>) {
    let noise = support::fill::bits((width * height * 3) as usize, 77);
    let bytes: Vec<u8> = (0..width * height * 3)
        .zip(noise)
        .map(|(i, word)| {
            let (x, y) = (i / 3 % width, i / 3 / width);
            (x * (1 + i % 3) + y * y / 64) as u8 / 2 + (word >> 25) as u8
        })
        .collect();
    let values = bytes.iter().map(|v| (f32::from(*v) / 255.0 - 0.5) * 2.0).collect();
    (bytes, values)
}

fn far(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).max_by(f32::total_cmp).unwrap()
}

#[test]
fn strips_with_shared_statistics_make_what_the_whole_picture_makes() {
    let Some(gpu) = support::gpu() else { return };
    let (bytes, values) = picture(SIZE);
    for (config, norm) in [
        (resnet(NormKind::Instance, BlockPadding::Reflect), NormMode::Batch),
        (resnet(NormKind::InstanceAffine, BlockPadding::Replicate), NormMode::Batch),
        (resnet(NormKind::Batch, BlockPadding::Zero), NormMode::Batch),
        (resnet(NormKind::Batch, BlockPadding::Reflect), NormMode::Running),
        (resnet(NormKind::None, BlockPadding::Reflect), NormMode::Batch),
        (unet(NormKind::Batch, Upsample::Transpose), NormMode::Batch),
        (unet(NormKind::Batch, Upsample::Transpose), NormMode::Running),
        (unet(NormKind::Instance, Upsample::Nearest), NormMode::Batch),
        (unet(NormKind::Batch, Upsample::Bilinear), NormMode::Running),
    ] {
        let what = format!("{config} {} {norm:?}", config.norm());
        let (store, net) = generator(gpu, config);
        let mode = Mode { norm, ..EACH };
        let options = support::plan_options();
        let translator =
            Translator::new(gpu, &store, &net, SIZE.0, SIZE.1, mode, options.clone()).unwrap();
        let whole = pollster::block_on(translator.run(&bytes, 0, 0)).unwrap();
        let strips =
            |rows| Strips::new(gpu, &store, &net, mode, FLOATS, rows, options.clone()).unwrap();
        let (all, _) = pollster::block_on(strips(SIZE.1).run(&values, SIZE, None)).unwrap();
        let spread = all.iter().map(|v| v * v).sum::<f32>() / all.len() as f32;
        assert!(spread.sqrt() > 0.05, "{what}: {spread}");
        for rows in [1, 24, 50] {
            let strips = strips(rows);
            assert!(
                strips.memory(SIZE).unwrap() < memory(gpu, &store, &net, mode),
                "{what}: {rows} rows"
            );
            let (made, _) = pollster::block_on(strips.run(&values, SIZE, None)).unwrap();
            // The kernels of a strip may sum in another order.
            let off = far(&made, &all);
            assert!(off < 1e-4, "{what}: strips of {rows} rows differ by {off}");
            let levels = made.iter().map(|v| ((v + 1.0) * 127.5 + 0.5) as u8);
            assert!(
                levels.zip(&whole).all(|(a, b)| a.abs_diff(*b) <= 1),
                "{what}: strips of {rows} rows and the whole"
            );
        }
    }
}

#[test]
fn images_are_taken_as_bytes_or_as_values() {
    let Some(gpu) = support::gpu() else { return };
    let (bytes, values) = picture(SIZE);
    let (store, net) = generator(gpu, resnet(NormKind::Instance, BlockPadding::Reflect));
    let strips =
        |format| Strips::new(gpu, &store, &net, EACH, format, 64, support::plan_options()).unwrap();
    let (of_bytes, of_values) = (strips(PictureFormat::Bytes), strips(FLOATS));
    let run = |strips: &Strips<'_>, values: Values<'_>| {
        pollster::block_on(strips.run(values, SIZE, None)).map(|(made, _)| made)
    };
    let made = run(&of_bytes, (&bytes).into()).unwrap();
    assert!(made == run(&of_values, (&values).into()).unwrap());
    let message = run(&of_bytes, (&values).into()).unwrap_err().to_string();
    assert!(message.contains("floats given"), "{message}");
    let message = run(&of_values, Values::Floats(&values[3..])).unwrap_err().to_string();
    assert!(message.contains("input") && message.contains("46077 values"), "{message}");
}

/// Of a picture in one strip.
fn memory(gpu: &Gpu, store: &Store, net: &Generator, mode: Mode) -> u64 {
    let options = support::plan_options();
    Strips::new(gpu, store, net, mode, FLOATS, SIZE.1, options).unwrap().memory(SIZE).unwrap()
}

#[test]
fn statistics_pass_from_one_picture_to_the_next() {
    let Some(gpu) = support::gpu() else { return };
    let (_, first) = picture(SIZE);
    let second: Vec<f32> = first.iter().rev().map(|v| 0.5 * v + 0.2).collect();
    for config in [
        resnet(NormKind::Instance, BlockPadding::Reflect),
        unet(NormKind::Batch, Upsample::Transpose),
    ] {
        let (store, net) = generator(gpu, config);
        let strips =
            Strips::new(gpu, &store, &net, EACH, FLOATS, 40, support::plan_options()).unwrap();
        let run = |picture: &[f32], before| {
            pollster::block_on(strips.run(picture, SIZE, before)).unwrap()
        };
        let (made, own) = run(&first, None);
        let (alone, other) = run(&second, None);
        assert_ne!(own, other);
        let (same, kept) = run(&first, Some((&own, 1.0)));
        assert!(far(&same, &made) == 0.0 && kept == own, "{config}: its own statistics");
        let (frozen, kept) = run(&second, Some((&own, 1.0)));
        assert_eq!(kept, own);
        // A tenth of the other picture's statistics.
        let (mixed, between) = run(&second, Some((&own, 0.1)));
        assert!(between != own && between != other);
        let off = |made: &[f32]| made.iter().zip(&alone).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let [frozen, mixed] = [off(&frozen), off(&mixed)];
        assert!(0.0 < mixed && mixed < frozen, "{config}: {mixed} and {frozen}");
    }
}

#[test]
fn strips_are_cut_to_the_memory_there_is() {
    let Some(gpu) = support::gpu() else { return };
    const LARGE: (u32, u32) = (256, 512);
    for config in [
        unet(NormKind::Batch, Upsample::Transpose),
        resnet(NormKind::Instance, BlockPadding::Reflect),
    ] {
        let (store, net) = generator(gpu, config);
        let strips = |rows| {
            Strips::new(gpu, &store, &net, EACH, FLOATS, rows, support::plan_options()).unwrap()
        };
        let limit = strips(40).memory(LARGE).unwrap();
        let fitted = strips(1).fit(LARGE, Some(limit)).unwrap();
        assert!(
            fitted.memory(LARGE).unwrap() <= limit && (16..=40).contains(&fitted.rows()),
            "{config}: {} rows",
            fitted.rows()
        );
        assert_eq!(strips(1).fit(LARGE, None).unwrap().rows(), 512);
        let message = strips(1).fit(LARGE, Some(1000)).unwrap_err().to_string();
        assert!(message.contains("smallest strips") && message.contains("1000"), "{message}");
    }
}

#[test]
fn strips_of_a_deep_resnet_need_no_more_around_them_than_one_kernel_does() {
    let Some(gpu) = support::gpu() else { return };
    // A picture taller than what the whole network sees of it would be, if it were run on strips
    // with everything around them: the blocks alone see 2 x 2 x 9 x 4 rows.
    let net = |blocks| {
        let config = ResnetConfig { ngf: 4, blocks, ..ResnetConfig::default() };
        let (store, net) = generator(gpu, config.into());
        let memory = |rows, height| {
            let strips =
                Strips::new(gpu, &store, &net, EACH, FLOATS, rows, support::plan_options());
            strips.unwrap().memory((64, height)).unwrap()
        };
        let weights: u64 =
            net.weights().params().map(|p| p.layout.shape().bytes().next_multiple_of(256)).sum();
        [memory(16, 256), memory(16, 2048)].map(|bytes| bytes - weights)
    };
    let ([shallow, _], [deep, tall]) = (net(1), net(9));
    assert_eq!(shallow, deep, "blocks cost no rows");
    assert_eq!(deep, tall, "memory depends on the strip, not on the picture");
}

const CLASSES: u32 = 6;

/// pix2pixHD's generator with its planes: one channel for each class, the edges of instances, and
/// features of an image that are the same all over an instance.
struct Painter {
    store: Store,
    generator: Generator,
    encoder: Resnet,
}

impl Painter {
    fn new(gpu: &Gpu, generator: GeneratorConfig) -> Painter {
        let mut store = Store::new();
        let parts = [CLASSES, 1, 3].map(Channels::from);
        let generator = generator.with_input(Channels::concat(&parts).unwrap()).unwrap();
        let generator = Generator::new(&mut store, "G", generator).unwrap();
        let encoder = ResnetConfig { ngf: 4, blocks: 0, ..ResnetConfig::default() };
        let encoder = Resnet::new(&mut store, "E", encoder).unwrap();
        support::weights::draw(gpu, &store, generator.weights());
        support::weights::draw(gpu, &store, encoder.weights());
        Painter { store, generator, encoder }
    }

    fn planes() -> [Plane; 3] {
        [
            Plane::map("label", Encoding::Labels),
            Plane::map("instances", Encoding::Instances),
            Plane::image("image", 3, PictureFormat::Bytes),
        ]
    }

    fn record(&self, tape: &mut Tape, planes: &[Tensor]) -> Result<Tensor> {
        let mode = Mode::run(NormMode::Instance, false);
        let classes = tape.one_hot(planes[0], CLASSES)?;
        let edges = tape.instance_edges(planes[1])?;
        let each = self.encoder.record(tape, &self.store, planes[2], mode)?;
        let features = tape.instance_mean(each, planes[1])?;
        let x = tape.concat(&[classes, edges, features])?;
        self.generator.record(tape, &self.store, x, mode)
    }
}

#[test]
fn label_maps_pass_in_strips_with_edges_and_features_of_instances() {
    let Some(gpu) = support::gpu() else { return };
    // Instances of 13x11 pixels, each of a class.
    let numbers = |(w, h): (u32, u32)| -> Vec<u32> {
        (0..h).flat_map(|y| (0..w).map(move |x| x / 13 + 40 * (y / 11))).collect()
    };
    let instances = numbers(SIZE);
    let labels: Vec<u32> = instances.iter().map(|number| number * 7 % CLASSES).collect();
    let (image, _) = picture(SIZE);
    let given = [
        ("label", Values::from(&labels)),
        ("instances", (&instances).into()),
        ("image", (&image).into()),
    ];
    let global = ResnetConfig { ngf: 4, halvings: 3, blocks: 2, ..ResnetConfig::default() };
    let local = EnhancerConfig { ngf: 4, halvings: 2, global_blocks: 2, ..Default::default() };
    for generator in [
        GeneratorConfig::from(global),
        local.into(),
        EnhancerConfig { enhancers: 2, blocks: 1, ..local }.into(),
    ] {
        let painter = Painter::new(gpu, generator);
        let network = |tape: &mut Tape, planes: &[Tensor]| painter.record(tape, planes);
        let (store, planes) = (&painter.store, Painter::planes());
        let options = support::plan_options;
        let whole = Translator::of_planes(
            gpu,
            store,
            &planes,
            SIZE,
            FLOATS,
            &network,
            options(),
            &mut |_, _| {},
        );
        let whole = pollster::block_on(whole.unwrap().run_planes(&given, 0, 0)).unwrap();
        let PictureValues::Floats(whole) = whole else { panic!("floats were asked for") };
        let strips =
            |rows| Strips::of_planes(gpu, store, planes.to_vec(), network, rows, options());
        let all = strips(SIZE.1).memory(SIZE).unwrap();
        for rows in [1, 40] {
            let strips = strips(rows);
            assert!(strips.memory(SIZE).unwrap() < all, "{generator}: {rows} rows");
            let made = strips.run_planes(&given, SIZE, None);
            let off = far(&pollster::block_on(made).unwrap().0, &whole);
            assert!(off < 1e-4, "{generator}: strips of {rows} rows differ by {off}");
        }
        let missing = pollster::block_on(strips(40).run_planes(&given[..2], SIZE, None));
        assert!(missing.unwrap_err().to_string().contains("\"image\""));
    }
}

#[test]
fn masks_of_dropout_are_refused() {
    let Some(gpu) = support::gpu() else { return };
    let config = ResnetConfig { ngf: 4, dropout: true, ..ResnetConfig::default() };
    let (store, net) = generator(gpu, config.into());
    let strips = |mode| {
        Strips::new(gpu, &store, &net, mode, FLOATS, 8, support::plan_options()).map(|s| s.rows())
    };
    assert_eq!(strips(EACH).unwrap(), 8);
    let message = strips(Mode { dropout: true, ..EACH }).unwrap_err().to_string();
    assert!(message.contains("`dropout` off"), "{message}");
}
