//! Every reader of files that users bring, with files that it accepts and the memory it may take.

use super::mutate::Kind;
use super::seeds::{self, Seeds, texts};
use pixtape::Result;
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::limits;
use pixtape::io::weights::{
    ChannelOrder, ConcatOrder, Conversion, Net, Pick, Precision, Wanted, WeightsFile,
};
use pixtape::io::{
    AnyPicture, Checked, Dataset, DatasetOptions, Header, IndexHeader, IndexMap, LabelEdit, Picture,
};
use pixtape::run::options::{Layer, written};
use pixtape::run::{FeatureCentres, Log, Options, State, describe, newest};
use std::path::Path;

/// A reader.
pub struct Reader {
    pub name: &'static str,
    /// Name of the file.
    pub file: &'static str,
    pub kind: Kind,
    /// Files that it accepts.
    pub seeds: Seeds,
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
    /// Skips what it does not understand, such as a log's last line if that is cut off.
    Lenient,
}

const MIB: u64 = 1 << 20;

/// The decoder's limit, for what it decodes and again for RGB of it, and the file.
fn of_pictures(file: u64) -> u64 {
    5 * limits::decoded(file) + 16 * MIB
}

/// 16-bit values become floats, are permuted, and written again; a pickle's values take more than
/// its operations.
fn of_weights(file: u64) -> u64 {
    40 * file + MIB
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

fn unet(path: &Path) -> Result<()> {
    TensorFile::read(path)?.recognise_unet().map(drop)
}

/// The same with the depth and the channels that the file has.
fn any_picture(path: &Path) -> Result<()> {
    let header = Header::read(path);
    let whole = AnyPicture::load(path)?;
    let header = header?;
    assert_eq!(
        (whole.size(), whole.channels(), whole.depth()),
        ((header.width, header.height), header.channels, header.depth)
    );
    whole.to_8bit(None);
    Ok(())
}

/// A map of indices, of the size and kind that its header says.
fn map(path: &Path) -> Result<()> {
    let header = IndexHeader::read(path);
    let map = IndexMap::load(path)?;
    let header = header?;
    assert_eq!((map.width, map.height, 1), (header.width, header.height, header.channels));
    assert_eq!(map.data.len(), map.width as usize * map.height as usize);
    assert!(map.bits() <= header.bits);
    Ok(())
}

/// What `import` does, with every conversion: a file that is read can be written.
fn import(path: &Path) -> Result<()> {
    let named = |e: String| pixtape::Error::file(path, e);
    let mut file = WeightsFile::read(path)?;
    Net::recognise(&file).map_err(named)?;
    Conversion { concat: ConcatOrder::UpFirst, channels: ChannelOrder::Bgr }
        .apply(&mut file)
        .map_err(named)?;
    file.to_safetensors(Precision::F32).map(drop).map_err(named)
}

/// A list of pairs; that the files it names are not there is no failure of the list.
fn list(path: &Path) -> Result<()> {
    let Checked { samples, misfits, .. } = Dataset::check(
        DatasetOptions { root: path.into(), ..DatasetOptions::default() },
        &|_, _| (),
    )?;
    assert!(samples > 0 && misfits.len() <= samples);
    for text in misfits.iter().map(|m| format!("{}: {}", m.path.display(), m.message)) {
        assert!(!text.contains(['\n', '\r', '\0']), "{text:?}");
    }
    Ok(())
}

/// The folder of a file, for readers that take the folder.
fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// Names of the families: readers of one kind of file, which a target of cargo-fuzz tries together.
pub const FAMILIES: [&str; 6] = ["pictures", "bands", "maps", "weights", "pth", "texts"];

/// The readers of a family.
pub fn family(name: &str) -> Vec<Reader> {
    match name {
        "pictures" => pictures(),
        "bands" => bands(),
        "maps" => maps(),
        "weights" => weights(),
        "pth" => pth(),
        "texts" => texts_of_a_run(),
        _ => panic!("no family {name}"),
    }
}

/// All of them.
pub fn all() -> Vec<Reader> {
    FAMILIES.into_iter().flat_map(family).collect()
}

type Read = fn(&Path) -> Result<()>;

fn of_picture(name: &'static str, kind: Kind, seeds: Seeds, read: Read) -> Reader {
    let (file, bound, manner) = ("picture", of_pictures as fn(u64) -> u64, Manner::Strict);
    Reader { name, file, kind, seeds, read, bound, manner }
}

fn of_weight(name: &'static str, seeds: Seeds, read: Read) -> Reader {
    let (file, bound) = ("weights", of_weights as fn(u64) -> u64);
    Reader { name, file, kind: Kind::Plain, seeds, read, bound, manner: Manner::Strict }
}

fn of_text(name: &'static str, file: &'static str, seeds: Seeds, read: Read) -> Reader {
    let bound = of_texts as fn(u64) -> u64;
    Reader { name, file, kind: Kind::Plain, seeds, read, bound, manner: Manner::Strict }
}

fn pictures() -> Vec<Reader> {
    use image::ImageFormat::{Bmp, Jpeg, OpenExr, Png, Pnm, Tiff, WebP};
    let of = |name, kind, formats: &[_]| of_picture(name, kind, seeds::pictures(formats), picture);
    let webp = [
        seeds::pictures(&[WebP]),
        seeds::golden(&["pictures/lossy.webp", "pictures/faded.webp", "pictures/moving.webp"]),
    ]
    .concat();
    let all = seeds::pictures(&[Png, Jpeg, Bmp, Pnm, Tiff, WebP, OpenExr]);
    vec![
        of("png", Kind::Png, &[Png]),
        of("jpeg", Kind::Plain, &[Jpeg]),
        of("bmp and pnm", Kind::Plain, &[Bmp, Pnm]),
        of("tiff", Kind::Plain, &[Tiff]),
        of_picture("any picture", Kind::Png, all, any_picture),
        of_picture("webp", Kind::Plain, webp, picture),
    ]
}

fn bands() -> Vec<Reader> {
    use image::ImageFormat::{Farbfeld, Gif, Hdr, OpenExr, Qoi, Tga, Tiff};
    let (plain, light) = (seeds::pictures(&[Gif, Tga, Qoi]), seeds::pictures(&[Hdr, Farbfeld]));
    let tiff = [seeds::bands(), seeds::pictures(&[Tiff])].concat();
    vec![
        of_picture("exr", Kind::Plain, seeds::pictures(&[OpenExr]), any_picture),
        of_picture("npy", Kind::Plain, seeds::arrays(), any_picture),
        of_picture("tiff of bands", Kind::Plain, tiff, any_picture),
        of_picture("tiff of all kinds", Kind::Plain, seeds::tiffs(), any_picture),
        of_picture("gif, tga and qoi", Kind::Plain, plain, any_picture),
        of_picture("hdr and farbfeld", Kind::Plain, light, any_picture),
        of_picture("turned", Kind::Png, seeds::turned(), any_picture),
    ]
}

fn maps() -> Vec<Reader> {
    vec![
        of_picture("map, png", Kind::Png, seeds::maps(&["png"]), map),
        of_picture("map, turned", Kind::Png, seeds::turned_maps(), map),
        of_picture("map, tiff and npy", Kind::Plain, seeds::maps(&["tiff", "npy"]), map),
    ]
}

fn weights() -> Vec<Reader> {
    vec![
        of_weight("safetensors", seeds::safetensors(), unet),
        of_weight("safetensors, few bits", seeds::precisions(), import),
        of_weight("safetensors of two", seeds::prefixed(), |path| {
            TensorFile::read_net(path, &Pick::of(Wanted::Generator))?
                .recognise_generator()
                .map(drop)
        }),
        of_weight("features", seeds::features(), |path| FeatureCentres::read(path).map(drop)),
        of_weight("pict", seeds::golden(&["weights/small.pict"]), import),
    ]
}

fn pth() -> Vec<Reader> {
    let any: Read = |path| WeightsFile::read(path).map(drop);
    vec![
        of_weight("pth, zip", seeds::golden(&["weights/zip.pth"]), import),
        of_weight("pth, legacy", seeds::golden(&["weights/legacy.pth"]), import),
        of_weight("pth, one of several", seeds::golden(&["weights/lightning.ckpt"]), |path| {
            let pick = Pick { key: Some("state_dict.discriminator"), wanted: Wanted::Any };
            let by_key = TensorFile::read_net(path, &pick);
            TensorFile::read_net(path, &Pick::of(Wanted::Generator))?.recognise_generator()?;
            by_key.map(drop)
        }),
        of_weight("pth, other types", seeds::golden(&["weights/types.pth"]), any),
    ]
}

fn texts_of_a_run() -> Vec<Reader> {
    let palette = ["#0000aa background\n255 0 0 facade\n 1,2,3\n"];
    vec![
        Reader {
            manner: Manner::Guarded,
            ..of_text("tuning file", "tuning.json", seeds::tuning(), |path| {
                pixtape::io::tuning::TuningFile::read(path).map(drop)
            })
        },
        of_text("list", "list.tsv", texts(&[seeds::LIST]), list),
        of_text("palette", "palette.txt", texts(&palette), |file| {
            pixtape::io::palette::read(file).map(drop)
        }),
        of_text("options", "options.json", texts(&[seeds::OPTIONS]), |file| {
            let options = Options::of_run(folder(file))?;
            // What a page and `info` read of it, and what `translate` makes of it.
            describe(&written(folder(file))?);
            options.notes();
            options.generator().map(drop)
        }),
        of_text("state", "latest_state.json", texts(&[seeds::STATE]), |file| {
            State::read(file).map(drop)
        }),
        of_text("checkpoints", "latest_state.json", texts(&[seeds::STATE]), |file| {
            newest(folder(file)).map(drop)
        }),
        of_text("edits of labels", "edits.txt", texts(&["26001=7,24000=,3=none"]), |file| {
            let text = pixtape::io::file::read_text(file);
            let text = text.map_err(|e| pixtape::Error::file(file, e.to_string()))?;
            let edits = text.split(',').map(str::parse::<LabelEdit>);
            edits
                .collect::<std::result::Result<Vec<_>, String>>()
                .map_err(pixtape::Error::Usage)?;
            Ok(())
        }),
        Reader {
            manner: Manner::Lenient,
            ..of_text("losses", "losses.jsonl", texts(&[seeds::LOSSES]), |file| {
                Log::open(file, 1).map(drop)
            })
        },
        of_text("config", "config.toml", texts(&[seeds::CONFIG]), |file| {
            let layer = Layer::of_toml(file, &mut |_, _| Ok(false))?;
            Options::from_layers(None, &[&layer]).map(drop)
        }),
    ]
}
