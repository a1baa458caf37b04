//! A generator in a host's frames: textures of every format and size, slices of a frame's time, and
//! what a host gets wrong.

mod support;

use pixtape::host::{Slice, TextureTranslator, View};
use pixtape::nets::{DiscriminatorKind, Generator, GeneratorConfig, Mode, NormKind, UnetConfig};
use pixtape::ops::NormMode;
use pixtape::picture::{PictureFormat, Values};
use pixtape::plan::Scratch;
use pixtape::train::{Pix2Pix, Pix2PixConfig, Translator};
use pixtape::{Error, Gpu, PlanOptions, Store, wgpu};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::device::stranger;
use wgpu::{TextureFormat, TextureUsages};

const MODE: Mode = Mode::run(NormMode::Instance, false);
const FORMATS: [TextureFormat; 5] = [
    TextureFormat::Rgba8Unorm,
    TextureFormat::Rgba8UnormSrgb,
    TextureFormat::Bgra8Unorm,
    TextureFormat::Bgra8UnormSrgb,
    TextureFormat::Rgba16Float,
];
const SIZE: (u32, u32) = (64, 32);

/// A host: its device, and a generator on it.
struct Host {
    gpu: Gpu,
    store: Store,
    generator: Generator,
}

impl Host {
    fn new(channels: [u32; 2]) -> Option<Host> {
        let (device, queue) = stranger()?;
        let gpu = Gpu::from_parts(device, queue).unwrap();
        let config = UnetConfig {
            input_nc: channels[0],
            output_nc: channels[1],
            ngf: 4,
            downs: 5,
            norm: NormKind::Instance,
            ..UnetConfig::default()
        };
        let mut store = Store::new();
        let generator = Generator::new(&mut store, "G", GeneratorConfig::from(config)).unwrap();
        support::weights::draw(&gpu, &store, generator.weights());
        Some(Host { gpu, store, generator })
    }

    fn translator(&self) -> TextureTranslator {
        let (gpu, store, options) = (&self.gpu, &self.store, support::plan_options());
        TextureTranslator::new(gpu, store, &self.generator, SIZE, MODE, options).unwrap()
    }

    fn texture(&self, (width, height): (u32, u32), format: TextureFormat) -> wgpu::Texture {
        self.texture_for(
            (width, height),
            format,
            TextureUsages::TEXTURE_BINDING
                | TextureUsages::RENDER_ATTACHMENT
                | TextureUsages::COPY_SRC
                | TextureUsages::COPY_DST,
        )
    }

    fn texture_for(
        &self,
        (width, height): (u32, u32),
        format: TextureFormat,
        usage: TextureUsages,
    ) -> wgpu::Texture {
        self.gpu.device().create_texture(&wgpu::TextureDescriptor {
            label: Some("the host's"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage,
            view_formats: &[],
        })
    }

    /// A texture with the pixels of an RGBA image of 8 bits.
    fn filled(&self, size: (u32, u32), format: TextureFormat, rgba: &[u8]) -> wgpu::Texture {
        let texture = self.texture(size, format);
        let bytes: Vec<u8> = match format.remove_srgb_suffix() {
            TextureFormat::Rgba8Unorm => rgba.to_vec(),
            TextureFormat::Bgra8Unorm => {
                rgba.chunks(4).flat_map(|p| [p[2], p[1], p[0], p[3]]).collect()
            }
            _ => rgba.iter().flat_map(|v| half(f32::from(*v) / 255.0).to_le_bytes()).collect(),
        };
        let row = bytes.len() as u32 / size.1;
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(row),
            rows_per_image: None,
        };
        self.gpu.queue().write_texture(texture.as_image_copy(), &bytes, layout, texture.size());
        texture
    }

    /// The pixels of a texture as RGBA, 0 to 255.
    fn read(&self, texture: &wgpu::Texture) -> Vec<f32> {
        let format = texture.format();
        let (width, height) = (texture.width(), texture.height());
        let pixel = format.block_copy_size(None).unwrap();
        let row = (width * pixel).next_multiple_of(256);
        let buffer = self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("the host's"),
            size: u64::from(row * height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(row),
            rows_per_image: None,
        };
        let target = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
        encoder.copy_texture_to_buffer(texture.as_image_copy(), target, texture.size());
        self.gpu.queue().submit([encoder.finish()]);
        let read = pixtape::gpu::read_buffer(&self.gpu, &buffer, 0, buffer.size(), "texture");
        let bytes = pollster::block_on(read).unwrap();
        let rows = bytes.chunks(row as usize).map(|all| &all[..(width * pixel) as usize]);
        let pixels = rows.flat_map(|row| row.chunks(pixel as usize));
        let rgba = pixels.flat_map(|p| match format.remove_srgb_suffix() {
            TextureFormat::Rgba8Unorm => [p[0], p[1], p[2], p[3]].map(f32::from),
            TextureFormat::Bgra8Unorm => [p[2], p[1], p[0], p[3]].map(f32::from),
            _ => [0, 2, 4, 6].map(|at| 255.0 * single(u16::from_le_bytes([p[at], p[at + 1]]))),
        });
        rgba.collect()
    }

    /// Encodes one frame and submits it.
    fn frame(&self, net: &mut TextureTranslator, from: &wgpu::Texture, to: &wgpu::Texture) {
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        let [from, to] = [from, to].map(|texture| texture.create_view(&Default::default()));
        net.encode(&mut encoder, &from, &to).unwrap();
        self.gpu.queue().submit([encoder.finish()]);
    }

    /// What the library's own way makes of an image of the network's size: its values, -1 to 1.
    fn values(&self, image: &[f32]) -> Vec<f32> {
        let (gpu, store, options) = (&self.gpu, &self.store, support::plan_options());
        let (mode, format) = (MODE, PictureFormat::Floats);
        let net = Translator::with_progress(
            gpu,
            store,
            &self.generator,
            SIZE,
            mode,
            format,
            options,
            &mut |_, _| (),
        );
        pollster::block_on(net.unwrap().run_floats(image, 0, 0)).unwrap()
    }
}

/// Bits of a half-precision number, 0 to 1, rounded to the nearest.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    if bits >> 23 < 113 {
        return (value * 16_777_216.0).round() as u16;
    }
    let rounded = bits + 0xfff + (bits >> 13 & 1);
    ((rounded >> 13) - (112 << 10)) as u16
}

/// The number that bits of half precision stand for, if it is positive.
fn single(bits: u16) -> f32 {
    match bits >> 10 {
        0 => f32::from(bits) / 16_777_216.0,
        exponent => {
            assert!(exponent < 31, "{bits:x} is negative or not finite");
            f32::from_bits((u32::from(bits) << 13) + (112 << 23))
        }
    }
}

/// An image with edges and gradients; alpha varies too.
fn image((width, height): (u32, u32), seed: u32) -> Vec<u8> {
    let noise = support::bits((width * height * 4) as usize, seed);
    (0..width * height)
        .flat_map(|i| {
            let (x, y) = (i % width, i / width);
            let block = if (x / 8 + y / 8 + seed).is_multiple_of(2) { 40 } else { 190 };
            [0, 1, 2, 3].map(|c| {
                (block + (noise[(4 * i + c) as usize] >> 27) as i32 + (x + c * y) as i32 % 30)
                    .clamp(0, 255) as u8
            })
        })
        .collect()
}

/// Pillow's BILINEAR in f64, without rounding in between.
fn resampled(values: &[f64], from: (u32, u32), to: (u32, u32), channels: usize) -> Vec<f64> {
    let weights = |at: u32, to: u32, from: u32| -> Vec<(usize, f64)> {
        let factor = f64::from(from) / f64::from(to);
        let (centre, support) = ((f64::from(at) + 0.5) * factor, factor.max(1.0));
        let all =
            (0..from).map(|i| (i as usize, 1.0 - ((f64::from(i) + 0.5 - centre) / support).abs()));
        let all: Vec<_> = all.filter(|(_, w)| *w > 0.0).collect();
        let sum: f64 = all.iter().map(|(_, w)| w).sum();
        all.into_iter().map(|(i, w)| (i, w / sum)).collect()
    };
    let mut out = Vec::new();
    for y in 0..to.1 {
        let down = weights(y, to.1, from.1);
        for x in 0..to.0 {
            let across = weights(x, to.0, from.0);
            for c in 0..channels {
                let value = |u: usize, v: usize| values[(v * from.0 as usize + u) * channels + c];
                let sum = down
                    .iter()
                    .flat_map(|(v, wv)| across.iter().map(move |(u, wu)| wv * wu * value(*u, *v)));
                out.push(sum.sum());
            }
        }
    }
    out
}

/// The largest difference between a texture and its expected values, in levels of 255.
fn off(texture: &[f32], values: &[f64], channels: usize) -> f64 {
    let differences = texture.chunks(4).zip(values.chunks(channels)).flat_map(|(p, v)| {
        (0..channels)
            .map(move |c| (f64::from(p[c]) - ((v[c] * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0)).abs())
    });
    differences.fold(0.0, f64::max)
}

#[test]
fn textures_of_every_format_and_size_are_read_and_drawn() {
    let Some(host) = Host::new([3, 3]) else { return };
    let mut net = host.translator();
    for (from_size, to_size) in [(SIZE, SIZE), ((100, 70), (37, 90)), ((31, 9), (129, 64))] {
        let rgba = image(from_size, 1);
        // Values as of an image file.
        let rgb: Vec<f64> = rgba
            .chunks(4)
            .flat_map(|p| [p[0], p[1], p[2]].map(|v| f64::from(v) / 255.0 * 2.0 - 1.0))
            .collect();
        let small = resampled(&rgb, from_size, SIZE, 3);
        let small: Vec<f32> = small.iter().map(|v| *v as f32).collect();
        let made: Vec<f64> = host.values(&small).into_iter().map(f64::from).collect();
        let want = resampled(&made, SIZE, to_size, 3);
        for from in FORMATS {
            for to in FORMATS {
                let what = format!("{from_size:?} {from:?} to {to_size:?} {to:?}");
                let (source, target) =
                    (host.filled(from_size, from, &rgba), host.texture(to_size, to));
                host.frame(&mut net, &source, &target);
                let got = host.read(&target);
                // Half a level is rounding; sRGB on 8 bits is decoded and encoded by the device,
                // whose tables may be a level off, and half precision has 11 bits.
                let allowed = match (from.is_srgb() || to.is_srgb(), from) {
                    (true, _) => 1.6,
                    (_, TextureFormat::Rgba16Float) => 1.0,
                    _ => 0.55,
                };
                let off = off(&got, &want, 3);
                assert!(off < allowed, "{what}: off by {off} levels");
                assert!(got.chunks(4).all(|p| p[3] == 255.0), "{what}: alpha is not 1");
            }
        }
    }
}

#[test]
fn grey_and_alpha_go_where_they_belong() {
    for channels in [[1, 1], [4, 4], [3, 1], [4, 3]] {
        let Some(host) = Host::new(channels) else { return };
        let mut net = host.translator();
        let rgba = image(SIZE, 2);
        let values: Vec<f32> = rgba
            .chunks(4)
            .flat_map(|p| {
                let [r, g, b, a] = [0, 1, 2, 3].map(|at| f32::from(p[at]) / 255.0 * 2.0 - 1.0);
                match channels[0] {
                    1 => vec![0.299 * r + 0.587 * g + 0.114 * b],
                    3 => vec![r, g, b],
                    _ => vec![r, g, b, a],
                }
            })
            .collect();
        let made = host.values(&values);
        let want: Vec<f64> = made
            .chunks(channels[1] as usize)
            .flat_map(|v| match v {
                [grey] => vec![*grey, *grey, *grey, 1.0],
                [r, g, b] => vec![*r, *g, *b, 1.0],
                rgba => rgba.to_vec(),
            })
            .map(f64::from)
            .collect();
        let target = host.texture(SIZE, TextureFormat::Rgba8Unorm);
        host.frame(&mut net, &host.filled(SIZE, TextureFormat::Rgba8Unorm, &rgba), &target);
        let off = off(&host.read(&target), &want, 4);
        assert!(off < 0.55, "{channels:?}: off by {off} levels");
    }
    let Some(host) = Host::new([2, 3]) else { return };
    let (mut net, format) = (host.translator(), TextureFormat::Rgba8Unorm);
    let [from, to] = [0, 1].map(|_| host.texture(SIZE, format).create_view(&Default::default()));
    let mut encoder = host.gpu.device().create_command_encoder(&Default::default());
    let encoded = net.encode(&mut encoder, &from, &to);
    for error in [encoded.unwrap_err(), net.warm(format, format).unwrap_err()] {
        assert!(error.to_string().contains("images of 2 channels"), "{error}");
    }
}

#[test]
fn views_may_change_every_frame_and_several_frames_may_share_an_encoder() {
    let Some(host) = Host::new([3, 3]) else { return };
    let mut net = host.translator();
    let mut alone = |seed: u32, size, format| {
        let source = host.filled(size, format, &image(size, seed));
        let target = host.texture(size, format);
        host.frame(&mut net, &source, &target);
        (source, target, host.texture(size, format))
    };
    let frames = [
        (3, SIZE, TextureFormat::Rgba8Unorm),
        (4, (40, 40), TextureFormat::Bgra8Unorm),
        (5, (90, 20), TextureFormat::Rgba16Float),
        (6, SIZE, TextureFormat::Bgra8Unorm),
    ]
    .map(|(seed, size, format)| alone(seed, size, format));
    let wanted = frames.each_ref().map(|(_, target, _)| host.read(target));
    let compiled = host.gpu.pipeline_count();
    let mut encoder = host.gpu.device().create_command_encoder(&Default::default());
    for (source, _, fresh) in &frames {
        // Other views, other targets, one submission.
        let [from, to] = [source, fresh].map(|texture| texture.create_view(&Default::default()));
        net.encode(&mut encoder, &from, &to).unwrap();
    }
    host.gpu.queue().submit([encoder.finish()]);
    for ((_, _, fresh), wanted) in frames.iter().zip(&wanted) {
        assert!(host.read(fresh) == *wanted, "{:?}", fresh.size());
    }
    assert_eq!(host.gpu.pipeline_count(), compiled);
}

#[test]
fn views_of_other_formats_and_levels_say_what_they_are() {
    let Some(host) = Host::new([3, 3]) else { return };
    if host.gpu.info().backend == wgpu::Backend::Gl {
        eprintln!("SKIPPED (OpenGL has no views of other formats)");
        return;
    }
    let mut net = host.translator();
    let rgba = image(SIZE, 7);
    let plain = host.texture(SIZE, TextureFormat::Rgba8Unorm);
    host.frame(&mut net, &host.filled(SIZE, TextureFormat::Rgba8Unorm, &rgba), &plain);

    // A texture of two levels whose smaller one is the target, through a view that encodes sRGB.
    let texture = host.gpu.device().create_texture(&wgpu::TextureDescriptor {
        label: Some("the host's"),
        size: wgpu::Extent3d { width: 2 * SIZE.0, height: 2 * SIZE.1, depth_or_array_layers: 1 },
        mip_level_count: 2,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: TextureFormat::Rgba8Unorm,
        usage: TextureUsages::RENDER_ATTACHMENT | TextureUsages::COPY_SRC,
        view_formats: &[TextureFormat::Rgba8UnormSrgb],
    });
    let to = texture.create_view(&wgpu::TextureViewDescriptor {
        format: Some(TextureFormat::Rgba8UnormSrgb),
        base_mip_level: 1,
        mip_level_count: Some(1),
        ..Default::default()
    });
    let from = host.filled(SIZE, TextureFormat::Rgba8Unorm, &rgba);
    let from = from.create_view(&Default::default());
    let mut encoder = host.gpu.device().create_command_encoder(&Default::default());
    let view = View::from(&to).with_format(TextureFormat::Rgba8UnormSrgb).at_level(1);
    assert_eq!(view.size(), SIZE);
    net.encode(&mut encoder, &from, view).unwrap();
    let small = host.texture(SIZE, TextureFormat::Rgba8Unorm);
    let mut level = texture.as_image_copy();
    level.mip_level = 1;
    encoder.copy_texture_to_texture(level, small.as_image_copy(), small.size());
    host.gpu.queue().submit([encoder.finish()]);
    let differences = host.read(&small).into_iter().zip(host.read(&plain));
    let most = differences.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(most <= 1.0, "off by {most} levels");
}

#[test]
fn slices_of_any_budget_make_the_same_image() {
    let Some(host) = Host::new([3, 3]) else { return };
    let mut net = host.translator();
    let format = TextureFormat::Rgba8Unorm;
    let source = host.filled(SIZE, format, &image(SIZE, 8));
    let whole = host.texture(SIZE, format);
    host.frame(&mut net, &source, &whole);
    let whole = host.read(&whole);
    let measured = net.measure().unwrap();
    assert!(measured > Duration::ZERO && measured < Duration::from_secs(60), "{measured:?}");
    for budget in [Duration::ZERO, measured / 7, measured / 2, 2 * measured] {
        let target = host.texture(SIZE, format);
        let (mut frames, mut done) = (0, 0.0);
        loop {
            let mut encoder = host.gpu.device().create_command_encoder(&Default::default());
            let [from, to] = [&source, &target].map(|t| t.create_view(&Default::default()));
            let slice = net.encode_slice(&mut encoder, &from, &to, budget).unwrap();
            host.gpu.queue().submit([encoder.finish()]);
            frames += 1;
            match slice {
                Slice::Part { done: now } => {
                    assert!(now > done && now < 1.0, "{done} {now}");
                    done = now;
                }
                Slice::Drawn => break,
            }
        }
        assert!(host.read(&target) == whole, "{budget:?}: another image");
        let most = net.program().dispatch_count();
        match budget {
            Duration::ZERO => assert_eq!(frames, most),
            budget if budget > measured => assert_eq!(frames, 1),
            budget => assert!(frames > 1 && frames < most, "{budget:?}: {frames} frames"),
        }
    }
    // Told that the device is far slower than measured, slices become shorter.
    let count = |net: &mut TextureTranslator| {
        let mut encoder = host.gpu.device().create_command_encoder(&Default::default());
        let target = host.texture(SIZE, format);
        let [from, to] = [&source, &target].map(|t| t.create_view(&Default::default()));
        net.restart();
        let slice = net.encode_slice(&mut encoder, &from, &to, measured / 2).unwrap();
        let Slice::Part { done } = slice else { panic!("half the time is not enough for all") };
        done
    };
    let before = count(&mut net);
    net.took(8 * measured);
    let after = count(&mut net);
    assert!(after < before, "{before} {after}");
}

#[test]
fn two_nets_may_take_turns_in_one_encoder_and_one_may_go_in_the_middle_of_an_image() {
    let Some(host) = Host::new([3, 3]) else { return };
    let format = TextureFormat::Rgba8Unorm;
    let sources = [9, 10].map(|seed| host.filled(SIZE, format, &image(SIZE, seed)));
    let mut nets = [host.translator(), host.translator()];
    let wanted = [0, 1].map(|at| {
        let target = host.texture(SIZE, format);
        host.frame(&mut nets[at], &sources[at], &target);
        host.read(&target)
    });
    let targets = [0, 1].map(|_| host.texture(SIZE, format));
    let mut encoder = host.gpu.device().create_command_encoder(&Default::default());
    let views = [&sources, &targets]
        .map(|all| all.each_ref().map(|texture| texture.create_view(&Default::default())));
    // Slice by slice in turn, all in one encoder.
    let mut drawn = [false; 2];
    while drawn != [true; 2] {
        for at in 0..2 {
            if !drawn[at] {
                let (from, to) = (&views[0][at], &views[1][at]);
                let slice = nets[at].encode_slice(&mut encoder, from, to, Duration::ZERO).unwrap();
                drawn[at] = slice == Slice::Drawn;
            }
        }
    }
    host.gpu.queue().submit([encoder.finish()]);
    for (target, wanted) in targets.iter().zip(&wanted) {
        assert!(host.read(target) == *wanted);
    }
    // One is dropped after its work was encoded, before that is submitted.
    let [mut first, mut second] = nets;
    let mut encoder = host.gpu.device().create_command_encoder(&Default::default());
    first.encode_slice(&mut encoder, &views[0][0], &views[1][0], Duration::ZERO).unwrap();
    drop(first);
    second.encode(&mut encoder, &views[0][1], &views[1][1]).unwrap();
    host.gpu.queue().submit([encoder.finish()]);
    assert!(host.read(&targets[1]) == wanted[1]);
}

#[test]
fn networks_share_memory_by_turns_and_dropping_gives_it_back() {
    let Some(host) = Host::new([3, 3]) else { return };
    let format = TextureFormat::Rgba8Unorm;
    let source = host.filled(SIZE, format, &image(SIZE, 11));
    let draw = |net: &mut TextureTranslator| {
        let target = host.texture(SIZE, format);
        host.frame(net, &source, &target);
        host.read(&target)
    };
    let wanted = draw(&mut host.translator());
    let before = host.gpu.allocated_bytes();
    let alone = {
        let net = host.translator();
        let bytes = host.gpu.allocated_bytes() - before;
        drop(net);
        bytes
    };
    assert_eq!(host.gpu.allocated_bytes(), before, "dropping gives memory back");

    let scratch = Scratch::new();
    let sharing = |scratch: &Scratch, size| {
        let (gpu, store, options) = (&host.gpu, &host.store, support::plan_options());
        TextureTranslator::sharing(gpu, store, &host.generator, size, MODE, options, scratch)
            .unwrap()
    };
    let mut nets = [0, 1, 2].map(|_| sharing(&scratch, SIZE));
    let shared = scratch.bytes();
    assert!(shared > 0 && shared < alone);
    let small = sharing(&scratch, (32, 32));
    assert_eq!(scratch.bytes(), shared, "a smaller one takes nothing of its own");
    drop(small);
    let all = host.gpu.allocated_bytes() - before;
    assert_eq!(all, 3 * alone - 2 * shared, "the memory of a step is there once");
    for net in &mut nets {
        assert!(draw(net) == wanted);
    }

    // One in the middle of an image keeps the others out until it is done, or goes.
    let [mut first, mut second, mut third] = nets;
    let target = host.texture(SIZE, format);
    let [from, to] = [&source, &target].map(|t| t.create_view(&Default::default()));
    let slice = |net: &mut TextureTranslator, budget| {
        let mut encoder = host.gpu.device().create_command_encoder(&Default::default());
        let slice = net.encode_slice(&mut encoder, &from, &to, budget);
        host.gpu.queue().submit([encoder.finish()]);
        slice
    };
    slice(&mut first, Duration::ZERO).unwrap();
    let error = slice(&mut second, Duration::MAX).unwrap_err().to_string();
    assert!(error.contains("in the middle of an image"), "{error}");
    assert_eq!(slice(&mut first, Duration::MAX).unwrap(), Slice::Drawn);
    assert_eq!(slice(&mut second, Duration::MAX).unwrap(), Slice::Drawn);
    slice(&mut second, Duration::ZERO).unwrap();
    drop(second);
    assert_eq!(slice(&mut third, Duration::MAX).unwrap(), Slice::Drawn);
    assert!(host.read(&target) == wanted);
    slice(&mut third, Duration::ZERO).unwrap();
    third.restart();
    assert_eq!(slice(&mut first, Duration::MAX).unwrap(), Slice::Drawn);
    drop((first, third));
    assert_eq!((scratch.bytes(), host.gpu.allocated_bytes()), (0, before));

    // One that cannot read its texture leaves the memory to the others.
    let mut odd_store = Store::new();
    let config = UnetConfig { input_nc: 2, ngf: 4, downs: 5, ..UnetConfig::default() };
    let odd = Generator::new(&mut odd_store, "G", GeneratorConfig::from(config)).unwrap();
    let (gpu, options) = (&host.gpu, support::plan_options());
    let odd = TextureTranslator::sharing(gpu, &odd_store, &odd, SIZE, MODE, options, &scratch);
    let (mut odd, mut plain) = (odd.unwrap(), sharing(&scratch, SIZE));
    assert!(slice(&mut odd, Duration::ZERO).is_err());
    assert_eq!(slice(&mut plain, Duration::MAX).unwrap(), Slice::Drawn);
    drop((odd, plain));

    // Another device's programs cannot share it.
    let Some(other) = Host::new([3, 3]) else { return };
    let _first = sharing(&scratch, SIZE);
    let (gpu, store, options) = (&other.gpu, &other.store, support::plan_options());
    let error =
        TextureTranslator::sharing(gpu, store, &other.generator, SIZE, MODE, options, &scratch)
            .unwrap_err();
    assert!(error.to_string().contains("programs of one device"), "{error}");
}

#[test]
fn a_training_in_a_host_s_frames_takes_the_same_steps_and_blocks_nothing() {
    let Some((device, queue)) = stranger() else { return };
    let gpu = Gpu::from_parts(device, queue).unwrap();
    let unet = UnetConfig { downs: 5, ngf: 4, norm: NormKind::None, ..UnetConfig::default() };
    let config = Pix2PixConfig {
        generator: unet.into(),
        discriminator: DiscriminatorKind::Pixel,
        ndf: 4,
        width: 32,
        height: 32,
        ..Pix2PixConfig::default()
    };
    let training = || Pix2Pix::new(&gpu, config.clone(), support::plan_options()).unwrap();
    let picture = |seed| -> Vec<u8> {
        support::bits(32 * 32 * 3, seed).iter().map(|word| (word >> 24) as u8).collect()
    };
    let mut usual = training();
    let mut wanted = Vec::new();
    for step in 0..4 {
        wanted.extend(usual.step_pair(&picture(step), &picture(step + 9), 2e-4).unwrap());
    }
    wanted.extend(usual.finish().unwrap());

    let mut hosted = training();
    let mut losses = Vec::new();
    for step in 0..4 {
        let (a, b) = (picture(step), picture(step + 9));
        let planes = [("input", Values::from(&a)), ("target", Values::from(&b))];
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        hosted.encode(&mut encoder, &planes, 2e-4).unwrap();
        if step == 0 {
            // Nothing to wait for yet.
            let error = hosted.finish().unwrap_err().to_string();
            assert!(error.contains("has not submitted"), "{error}");
        }
        let submission = gpu.queue().submit([encoder.finish()]);
        hosted.submitted((step % 2 == 0).then_some(submission)).unwrap();
        losses.extend(hosted.arrived().unwrap());
    }
    losses.extend(hosted.finish().unwrap());
    assert_eq!(losses, wanted);
    assert_eq!((hosted.steps(), hosted.in_flight()), (4, 0));
}

#[test]
fn views_that_will_not_do_are_refused_before_anything_is_encoded() {
    let Some(host) = Host::new([3, 3]) else { return };
    let mut net = host.translator();
    let good = host.texture(SIZE, TextureFormat::Rgba8Unorm);
    let good = good.create_view(&Default::default());
    let mut refused = |from: View<'_>, to: View<'_>, parts: &[&str]| {
        let mut encoder = host.gpu.device().create_command_encoder(&Default::default());
        let error = net.encode(&mut encoder, from, to).unwrap_err();
        let message = error.to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert_eq!(error.exit_code(), 1, "{message}");
        // Nothing was: the encoder is as good as new.
        host.gpu.scoped("nothing", || drop(encoder.finish())).unwrap();
    };
    let view =
        |format, usage| host.texture_for(SIZE, format, usage).create_view(&Default::default());
    let (read, draw) = (TextureUsages::TEXTURE_BINDING, TextureUsages::RENDER_ATTACHMENT);
    let red = view(TextureFormat::R8Unorm, read | draw);
    refused((&red).into(), (&good).into(), &["to read", "R8Unorm", "use one of Rgba8Unorm"]);
    refused((&good).into(), (&red).into(), &["to draw into", "R8Unorm"]);
    let drawn_only = view(TextureFormat::Rgba8Unorm, draw);
    refused((&drawn_only).into(), (&good).into(), &["to read", "TEXTURE_BINDING"]);
    let read_only = view(TextureFormat::Rgba8Unorm, read);
    refused((&good).into(), (&read_only).into(), &["to draw into", "RENDER_ATTACHMENT"]);
    let said = View::from(&good).with_format(TextureFormat::Bgra8Unorm);
    refused(said, (&good).into(), &["said to be Bgra8Unorm", "texture is Rgba8Unorm"]);
    refused((&good).into(), View::from(&good).at_level(1), &["level 1 of a texture that has 1"]);
    let error = TextureTranslator::new(
        &host.gpu,
        &host.store,
        &host.generator,
        (60, 32),
        MODE,
        PlanOptions::default(),
    );
    assert!(error.unwrap_err().to_string().contains("60"));
}

#[test]
fn a_lost_device_is_told_once_and_the_engine_is_built_again_on_another() {
    let format = TextureFormat::Rgba8Unorm;
    let drawn = |host: &Host, net: &mut TextureTranslator| {
        let source = host.filled(SIZE, format, &image(SIZE, 12));
        let target = host.texture(SIZE, format);
        host.frame(net, &source, &target);
        host.read(&target)
    };
    let Some(host) = Host::new([3, 3]) else { return };
    let told = heard(&host.gpu);
    let mut net = host.translator();
    let wanted = drawn(&host, &mut net);
    let source = host.texture(SIZE, format);
    let [from, to] = [(); 2].map(|()| source.create_view(&Default::default()));
    let mut encoder = host.gpu.device().create_command_encoder(&Default::default());
    net.encode_slice(&mut encoder, &from, &to, Duration::ZERO).unwrap();
    assert!(told.lock().unwrap().is_empty());

    // In the middle of an image.
    host.gpu.device().destroy();
    for call in [TextureTranslator::measure, TextureTranslator::measure] {
        let error = call(&mut net).unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{error:?}");
        assert!(error.to_string().contains("request a new one"), "{error}");
    }
    let all: Vec<String> = told.lock().unwrap().drain(..).collect();
    assert!(all.len() == 1 && all[0].starts_with("the device was lost at"), "{all:?}");
    drop((net, host));
    assert!(told.lock().unwrap().is_empty(), "nothing is told of a device that was given up");

    let host = Host::new([3, 3]).unwrap();
    assert!(drawn(&host, &mut host.translator()) == wanted, "another image on a new device");
}

#[test]
fn refused_memory_is_told_each_time_and_a_later_try_succeeds() {
    let Some(host) = Host::new([3, 3]) else { return };
    let told = heard(&host.gpu);
    let left = Arc::new(Mutex::new(2));
    let refusals = left.clone();
    pixtape::testing::hook(&host.gpu, move |call| {
        let mut left = refusals.lock().unwrap();
        let refused = *left > 0 && matches!(call, pixtape::testing::Call::Buffer { .. });
        *left -= i32::from(refused);
        refused
    });
    let before = host.gpu.allocated_bytes();
    for _ in 0..2 {
        let (gpu, store, options) = (&host.gpu, &host.store, support::plan_options());
        let made = TextureTranslator::new(gpu, store, &host.generator, SIZE, MODE, options);
        assert!(matches!(made, Err(Error::OutOfMemory { .. })), "{made:?}");
        assert_eq!(host.gpu.allocated_bytes(), before);
    }
    host.translator();
    let all = told.lock().unwrap();
    assert!(all.len() == 2 && all.iter().all(|e| e.contains("out of device memory")), "{all:?}");
}

/// What a host hears of its device's failures.
fn heard(gpu: &Gpu) -> Arc<Mutex<Vec<String>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = told.clone();
    gpu.on_failure(move |error| hears.lock().unwrap().push(error.to_string()));
    told
}
