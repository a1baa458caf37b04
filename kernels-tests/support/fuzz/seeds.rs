//! Files that readers accept, small ones, for mutations to start from.

use pixtape::io::weights::{Precision, WeightsFile};
use pixtape::io::{AnyPicture, IndexMap, Picture};
use std::io::Cursor;
use std::path::Path;

#[path = "../tif.rs"]
mod tif;
use tif::{Tif, jpeg_with_exif, png_with_exif, webp_with_exif};

/// A name for messages, and the bytes.
pub type Seeds = Vec<(String, Vec<u8>)>;

/// Small pictures in each format and kind of pixel that the encoders know.
pub fn pictures(formats: &[image::ImageFormat]) -> Seeds {
    use image::DynamicImage as I;
    let value = |i: usize| (i * 7 + i / 13 * 31) as u8;
    let raw = |len: usize| (0..len).map(value).collect::<Vec<u8>>();
    let rgb = image::RgbImage::from_raw(13, 9, raw(13 * 9 * 3)).unwrap();
    let kinds = [
        ("rgb", I::ImageRgb8(rgb.clone())),
        ("gray", I::ImageRgb8(rgb.clone()).to_luma8().into()),
        ("rgba", I::ImageRgb8(rgb.clone()).to_rgba8().into()),
        ("rgb16", I::ImageRgb8(rgb.clone()).to_rgb16().into()),
        ("gray16", I::ImageRgb8(rgb.clone()).to_luma16().into()),
        ("rgb32f", I::ImageRgb8(rgb.clone()).to_rgb32f().into()),
        ("rgba32f", I::ImageRgb8(rgb.clone()).to_rgba32f().into()),
        ("white", I::ImageLuma8(image::GrayImage::from_pixel(64, 64, image::Luma([255])))),
    ];
    let mut all = Vec::new();
    for format in formats {
        for (name, image) in &kinds {
            let mut bytes = Cursor::new(Vec::new());
            // Not every format holds every kind.
            if image.write_to(&mut bytes, *format).is_ok() {
                all.push((format!("{format:?} {name}"), bytes.into_inner()));
            }
        }
    }
    all
}

/// Files of the repository's `kernels-tests/golden`, each made by the script beside it.
pub fn golden(names: &[&str]) -> Seeds {
    // The targets of cargo-fuzz are a package one folder down.
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [own.join("kernels-tests/golden"), own.join("../kernels-tests/golden")];
    let folder = folders.iter().find(|folder| folder.is_dir()).unwrap();
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    names.iter().map(|name| (name.to_string(), read(name))).collect()
}

/// NumPy's arrays of each depth, with bands that are no colours among them.
pub fn arrays() -> Seeds {
    let data = |channels: u32| (0..13 * 9 * channels).map(|i| (i * 7) as u16).collect::<Vec<u16>>();
    let deep = |channels: u32| Picture::new(13, 9, channels, data(channels)).unwrap();
    let floats = Picture::new(13, 9, 5, data(5).into_iter().map(f32::from).collect()).unwrap();
    let all = [
        ("bytes", AnyPicture::U16(deep(3)).to_8bit(None).into()),
        ("gray", AnyPicture::U16(deep(1))),
        ("floats", AnyPicture::F32(floats)),
    ];
    all.iter().map(|(name, picture)| (name.to_string(), picture.encode("npy").unwrap())).collect()
}

/// Maps of indices of 8, 16 and 32 bits in formats that hold them.
pub fn maps(formats: &[&str]) -> Seeds {
    let mut all = Seeds::new();
    for (name, bits, scale) in [("8", 8, 1), ("16", 16, 300), ("32", 32, 70_000)] {
        let data = (0..13 * 9).map(|i| i / 5 * scale).collect();
        let map = IndexMap::new(13, 9, data).unwrap();
        for format in formats {
            // A PNG does not hold 32 bits.
            if let Ok(bytes) = map.encode(format, bits) {
                all.push((format!("{name} {format}"), bytes));
            }
        }
    }
    all
}

/// A TIFF of five bands of 16 bits, 4x3, as satellites' are: header, values, directory.
pub fn bands() -> Seeds {
    let (width, height, samples) = (4u32, 3u32, 5u32);
    let values: Vec<u8> =
        (0..width * height * samples).flat_map(|i| (i as u16 * 321).to_le_bytes()).collect();
    // Where the counts of bits and the kinds of extra samples lie, which do not fit their entries.
    let (bits, extra) = (8 + values.len() as u32, 8 + values.len() as u32 + 2 * samples);
    let directory = extra + 2 * (samples - 1);
    let entries = [
        (256u16, 4u16, 1u32, width),
        (257, 4, 1, height),
        (258, 3, samples, bits),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, samples),
        (278, 4, 1, height),
        (279, 4, 1, values.len() as u32),
        (338, 3, samples - 1, extra),
    ];
    let mut bytes = [&b"II\x2a\0"[..], &directory.to_le_bytes(), &values].concat();
    (0..samples).for_each(|_| bytes.extend(16u16.to_le_bytes()));
    (1..samples).for_each(|_| bytes.extend(0u16.to_le_bytes()));
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    vec![("bands".into(), bytes)]
}

/// TIFFs of each kind that is read: bands, palettes, few bits, inks, orders of bytes and bands.
pub fn tiffs() -> Seeds {
    let of = |samples, bits| Tif::formula(7, 5, samples, bits);
    let palette: Vec<u16> = (0..48).map(|i| i * 999).collect();
    let floats = vec![0.5f64.to_bits(); 7 * 5 * 2];
    let all = [
        ("infrared", Tif { photometric: 2, extra: vec![0], ..of(4, 8) }),
        ("alpha first", Tif { photometric: 2, extra: vec![2, 0], motorola: true, ..of(5, 16) }),
        ("planar", Tif { photometric: 2, planar: true, big: true, ..of(3, 8) }),
        ("palette", Tif { photometric: 3, palette, ..of(1, 4) }),
        ("bits", Tif { photometric: 0, orientation: Some(6), ..of(1, 1) }),
        ("inks", Tif { photometric: 5, ..of(4, 8) }),
        ("doubles", Tif { format: 3, nodata: Some("-9999"), ..Tif::new(7, 5, 2, 64, floats) }),
    ];
    all.iter().map(|(name, file)| (name.to_string(), file.bytes())).collect()
}

/// Images whose files say how they are turned.
pub fn turned() -> Seeds {
    use image::ImageFormat::{Jpeg, Png, WebP};
    let first = |format| pictures(&[format]).swap_remove(0).1;
    let (png, jpeg, webp) = (first(Png), first(Jpeg), first(WebP));
    vec![
        ("png".into(), png_with_exif(&png, 6, false)),
        ("png, behind".into(), png_with_exif(&png, 5, true)),
        ("jpeg".into(), jpeg_with_exif(&jpeg, 8)),
        ("webp".into(), webp_with_exif(&webp, (13, 9), 7, true)),
    ]
}

/// The same with maps of indices.
pub fn turned_maps() -> Seeds {
    let (png, map) = (maps(&["png"]).swap_remove(0).1, Tif::formula(7, 5, 1, 32));
    vec![
        ("png".into(), png_with_exif(&png, 6, true)),
        ("tiff".into(), Tif { orientation: Some(8), ..map }.bytes()),
        ("bits".into(), Tif { photometric: 0, ..Tif::formula(7, 5, 1, 2) }.bytes()),
    ]
}

/// The weights of a `.pth` in each precision.
pub fn precisions() -> Seeds {
    let exact = WeightsFile::parse(&golden(&["weights/zip.pth"])[0].1).unwrap();
    [Precision::F16, Precision::I8]
        .map(|p| (format!("{p:?}"), exact.to_safetensors(p).unwrap()))
        .into()
}

/// A U-Net's weights with few channels.
pub fn safetensors() -> Seeds {
    let shapes = |ngf: usize| {
        let (mut shapes, mut prefix) = (Vec::new(), "model".to_string());
        for level in 0..5usize {
            let channels = |level: usize| ngf << level.min(3);
            let (inner, outer) =
                (channels(level), if level == 0 { 3 } else { channels(level - 1) });
            let (down, up, norm) = match level {
                0 => ("model.0", "model.3", None),
                4 => ("model.1", "model.3", Some(("", "model.4", outer))),
                _ => ("model.1", "model.5", Some(("model.2", "model.6", outer))),
            };
            shapes.push((format!("{prefix}.{down}.weight"), vec![inner, outer, 4, 4]));
            shapes.push((
                format!("{prefix}.{up}.weight"),
                vec![if level == 4 { inner } else { 2 * inner }, outer, 4, 4],
            ));
            if level == 0 {
                shapes.push((format!("{prefix}.{up}.bias"), vec![outer]));
            }
            if let Some((first, second, outer)) = norm {
                for (name, c) in
                    [(first, inner), (second, outer)].into_iter().filter(|(n, _)| !n.is_empty())
                {
                    for part in ["weight", "bias", "running_mean", "running_var"] {
                        shapes.push((format!("{prefix}.{name}.{part}"), vec![c]));
                    }
                }
            }
            prefix = format!("{prefix}.model.{}", if level == 0 { 1 } else { 3 });
        }
        shapes
    };
    vec![("unet_32".into(), encode(&shapes(1)))]
}

/// Two networks in one file, as a converted checkpoint has them.
pub fn prefixed() -> Seeds {
    let net = WeightsFile::parse(&safetensors()[0].1).unwrap();
    let mut both = WeightsFile::default();
    for (name, values) in net.tensors {
        both.tensors.insert(format!("netG._orig_mod.{name}"), values);
    }
    both.tensors.insert("netD.model.0.weight".into(), (vec![1, 6, 4, 4], vec![0.5; 96]).into());
    vec![("two".into(), both.to_safetensors(Precision::F32).unwrap())]
}

/// Features by label.
pub fn features() -> Seeds {
    let centres = |n: usize| (vec![n, 3], vec![0.25; 3 * n]);
    // Enough values that not every mutation meets the header.
    let tensors = [("label_3", centres(99)), ("label_26", centres(1))];
    let tensors = tensors.map(|(name, values)| (name.to_string(), values.into())).into();
    let file = WeightsFile { tensors, ..WeightsFile::default() };
    vec![("features".into(), file.to_safetensors(Precision::F32).unwrap())]
}

/// A safetensors file of zeros.
fn encode(shapes: &[(String, Vec<usize>)]) -> Vec<u8> {
    let (mut header, mut at) = (String::from("{"), 0);
    for (name, shape) in shapes {
        let end = at + 4 * shape.iter().product::<usize>();
        let comma = if at == 0 { "" } else { "," };
        header += &format!(
            "{comma}\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{at},{end}]}}"
        );
        at = end;
    }
    header.push('}');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + at, 0);
    bytes
}

pub fn tuning() -> Seeds {
    use pixtape::io::tuning::TuningFile;
    use pixtape::tune::Identity;
    let word = || "word".to_string();
    let identity = Identity {
        adapter: word(),
        ids: word(),
        driver: word(),
        family: word(),
        checked: false,
        kernels: word(),
    };
    vec![("empty".into(), TuningFile::new(identity).text().into_bytes())]
}

pub fn texts(all: &[&str]) -> Seeds {
    all.iter().enumerate().map(|(i, t)| (i.to_string(), t.as_bytes().to_vec())).collect()
}

pub const CONFIG: &str =
    "# a run\nlr = 1e-4\nbatch-size = 2\nnetG = \"unet_128\"\nno_flip = true\n\nlambda_L1 = 50\n";
pub const OPTIONS: &str = r#"{"format_version": 1, "options": {"netG": "unet_32", "ngf": 4, "input_nc": 3, "output_nc": 3, "norm": "batch", "no_dropout": false,
"direction": "AtoB", "preprocess": "resize_and_crop", "crop_size": 32}}"#;
pub const STATE: &str = r#"{"format_version": 1, "step": 30, "epoch": 2, "batch": 4, "seed": 18446744073709551615, "digests": {}}"#;
pub const LOSSES: &str = "{\"step\":1,\"epoch\":1,\"G_GAN\":0.7,\"G_L1\":30.5,\"D_real\":0.6,\"D_fake\":0.8}\n{\"step\":2,\"epoch\":1,\"G_GAN\":0.7,\"G_L1\":29.5,\"D_real\":0.6,\"D_fake\":0.8}\n";
pub const LIST: &str =
    "input\ttarget\na.png\tb.png\n# a remark\n\nsub/c.tif\t./sub/d e.npy\na.png\tx/../b.png\n";
