//! Every reader of files that users bring, with files that it accepts and the memory it may take.

use super::mutate::Kind;
use pixtape::Result;
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::{Picture, limits};
use std::io::Cursor;
use std::path::Path;

/// A reader.
pub struct Reader {
    pub name: &'static str,
    /// Name of the file.
    pub file: &'static str,
    pub kind: Kind,
    /// Files that it accepts.
    pub seeds: Vec<(String, Vec<u8>)>,
    pub read: fn(&Path) -> Result<()>,
    /// Most bytes of memory for a file of so many.
    pub bound: fn(u64) -> u64,
    pub manner: Manner,
}

/// What a reader does with broken files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Refuses many, but not all.
    Strict,
    /// Refuses all: a digest or the like guards them.
    Guarded,
    /// Leaves out what it does not understand: a log whose last line is cut off is one.
    Lenient,
}

const MIB: u64 = 1 << 20;

/// The decoder's limit, for what it decodes and again for RGB of it, and the file.
fn of_pictures(file: u64) -> u64 {
    5 * limits::decoded(file) + 16 * MIB
}

/// Parsed values take some times their text.
fn of_texts(file: u64) -> u64 {
    64 * file + MIB
}

fn picture(path: &Path) -> Result<()> {
    // A header that is refused does not spare the pixels.
    let header = Picture::dimensions(path);
    let whole = Picture::load(path, 3)?;
    assert_eq!(whole.data.len(), whole.width as usize * whole.height as usize * 3);
    header.map(drop)
}

fn weights(path: &Path) -> Result<()> {
    TensorFile::read(path)?.recognise_unet().map(drop)
}

/// Small pictures in each format and kind of pixel that the encoders know.
fn pictures(formats: &[image::ImageFormat]) -> Vec<(String, Vec<u8>)> {
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

/// A U-Net's weights with few channels, and a file of two tensors that is none.
fn safetensors() -> Vec<(String, Vec<u8>)> {
    let shapes = |ngf: usize| {
        let (mut shapes, mut prefix) = (Vec::new(), "model".to_string());
        for level in 0..5usize {
            let channels = |level: usize| ngf << level.min(3);
            let (inner, outer) = (channels(level), if level == 0 { 3 } else { channels(level - 1) });
            let (down, up, norm) = match level {
                0 => ("model.0", "model.3", None),
                4 => ("model.1", "model.3", Some(("", "model.4", outer))),
                _ => ("model.1", "model.5", Some(("model.2", "model.6", outer))),
            };
            shapes.push((format!("{prefix}.{down}.weight"), vec![inner, outer, 4, 4]));
            shapes.push((format!("{prefix}.{up}.weight"), vec![if level == 4 { inner } else { 2 * inner }, outer, 4, 4]));
            if level == 0 {
                shapes.push((format!("{prefix}.{up}.bias"), vec![outer]));
            }
            if let Some((first, second, outer)) = norm {
                for (name, c) in [(first, inner), (second, outer)].into_iter().filter(|(n, _)| !n.is_empty()) {
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

/// A safetensors file of zeros.
fn encode(shapes: &[(String, Vec<usize>)]) -> Vec<u8> {
    let (mut header, mut at) = (String::from("{"), 0);
    for (name, shape) in shapes {
        let end = at + 4 * shape.iter().product::<usize>();
        let comma = if at == 0 { "" } else { "," };
        header += &format!("{comma}\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{at},{end}]}}");
        at = end;
    }
    header.push('}');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + at, 0);
    bytes
}

/// A reader of the program, by name.
fn program(name: &str) -> fn(&Path) -> Result<()> {
    pixtape::app::READERS.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no reader {name}")).1
}

fn tuning() -> Vec<(String, Vec<u8>)> {
    use pixtape::io::tuning::TuningFile;
    use pixtape::tune::Identity;
    let word = || "word".to_string();
    let identity = Identity { adapter: word(), ids: word(), driver: word(), family: word(), checked: false, kernels: word() };
    vec![("empty".into(), TuningFile::new(identity).text().into_bytes())]
}

fn texts(all: &[&str]) -> Vec<(String, Vec<u8>)> {
    all.iter().enumerate().map(|(i, t)| (i.to_string(), t.as_bytes().to_vec())).collect()
}

/// All of them.
pub fn all() -> Vec<Reader> {
    use image::ImageFormat::{Bmp, Jpeg, Png, Pnm, Tiff};
    let pictures =
        |name, kind, formats: &[_]| Reader { name, file: "picture", kind, seeds: pictures(formats), read: picture, bound: of_pictures, manner: Manner::Strict };
    let text = |name: &'static str, file, seeds| Reader { name, file, kind: Kind::Plain, seeds, read: program(name), bound: of_texts, manner: Manner::Strict };
    vec![
        pictures("png", Kind::Png, &[Png]),
        pictures("jpeg", Kind::Plain, &[Jpeg]),
        pictures("bmp and pnm", Kind::Plain, &[Bmp, Pnm]),
        pictures("tiff", Kind::Plain, &[Tiff]),
        pictures("any picture", Kind::Png, &[Png, Jpeg, Bmp, Pnm, Tiff]),
        Reader {
            name: "safetensors",
            file: "x.safetensors",
            kind: Kind::Plain,
            seeds: safetensors(),
            read: weights,
            bound: |file| 40 * file + MIB,
            manner: Manner::Strict,
        },
        Reader {
            name: "tuning file",
            file: "tuning.json",
            kind: Kind::Plain,
            seeds: tuning(),
            read: |path| pixtape::io::tuning::TuningFile::read(path).map(drop),
            bound: of_texts,
            manner: Manner::Guarded,
        },
        text("palette", "palette.txt", texts(&["#0000aa background\n255 0 0 facade\n 1,2,3\n"])),
        text("options", "options.json", texts(&[OPTIONS])),
        text("state", "latest_state.json", texts(&[STATE])),
        Reader { manner: Manner::Lenient, ..text("losses", "losses.jsonl", texts(&[LOSSES])) },
        text("config", "config.toml", texts(&[CONFIG])),
    ]
}

const CONFIG: &str = "# a run\nlr = 1e-4\nbatch-size = 2\nnetG = \"unet_128\"\nno_flip = true\n\nlambda_L1 = 50\n";
const OPTIONS: &str = r#"{"format_version": 1, "options": {"netG": "unet_32", "ngf": 4, "input_nc": 3, "output_nc": 3, "norm": "batch", "no_dropout": false,
"direction": "AtoB", "preprocess": "resize_and_crop", "crop_size": 32}}"#;
const STATE: &str = r#"{"format_version": 1, "step": 30, "epoch": 2, "batch": 4, "seed": 18446744073709551615, "digests": {}}"#;
const LOSSES: &str = "{\"step\":1,\"epoch\":1,\"G_GAN\":0.7,\"G_L1\":30.5,\"D_real\":0.6,\"D_fake\":0.8}\n{\"step\":2,\"epoch\":1,\"G_GAN\":0.7,\"G_L1\":29.5,\"D_real\":0.6,\"D_fake\":0.8}\n";
