//! Every reader of files that users bring, with files that it accepts and the memory it may take.

use super::mutate::Kind;
use super::seeds::{self, Seeds, texts};
use pixtape::Result;
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::limits;
use pixtape::io::weights::{ChannelOrder, ConcatOrder, Conversion, Net, Precision, WeightsFile};
use pixtape::io::{
    AnyPicture, Checked, Dataset, DatasetOptions, Header, IndexHeader, IndexMap, Picture,
};
use pixtape::run::options::Layer;
use pixtape::run::{Log, Options, State};
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

/// All of them.
pub fn all() -> Vec<Reader> {
    use image::ImageFormat::{Bmp, Jpeg, OpenExr, Png, Pnm, Tiff, WebP};
    let of = |name, kind, seeds, read| Reader {
        name,
        file: "picture",
        kind,
        seeds,
        read,
        bound: of_pictures,
        manner: Manner::Strict,
    };
    let pictures = |name, kind, formats: &[_]| of(name, kind, seeds::pictures(formats), picture);
    let weights = |name, seeds, read| Reader {
        name,
        file: "weights",
        kind: Kind::Plain,
        seeds,
        read,
        bound: of_weights,
        manner: Manner::Strict,
    };
    let text = |name: &'static str, file, seeds, read| Reader {
        name,
        file,
        kind: Kind::Plain,
        seeds,
        read,
        bound: of_texts,
        manner: Manner::Strict,
    };
    let webp = [
        seeds::pictures(&[WebP]),
        seeds::golden(&["pictures/lossy.webp", "pictures/faded.webp", "pictures/moving.webp"]),
    ]
    .concat();
    vec![
        pictures("png", Kind::Png, &[Png]),
        pictures("jpeg", Kind::Plain, &[Jpeg]),
        pictures("bmp and pnm", Kind::Plain, &[Bmp, Pnm]),
        pictures("tiff", Kind::Plain, &[Tiff]),
        pictures("any picture", Kind::Png, &[Png, Jpeg, Bmp, Pnm, Tiff, WebP, OpenExr]),
        of("webp", Kind::Plain, webp, picture),
        of("exr", Kind::Plain, seeds::pictures(&[OpenExr]), any_picture),
        of("npy", Kind::Plain, seeds::arrays(), any_picture),
        of(
            "tiff of bands",
            Kind::Plain,
            [seeds::bands(), seeds::pictures(&[Tiff])].concat(),
            any_picture,
        ),
        of("map, png", Kind::Png, seeds::maps(&["png"]), map),
        of("map, tiff and npy", Kind::Plain, seeds::maps(&["tiff", "npy"]), map),
        weights("safetensors", seeds::safetensors(), unet),
        weights("safetensors, few bits", seeds::precisions(), import),
        weights("pth, zip", seeds::golden(&["weights/zip.pth"]), import),
        weights("pth, legacy", seeds::golden(&["weights/legacy.pth"]), import),
        weights("pth, other types", seeds::golden(&["weights/types.pth"]), |path| {
            WeightsFile::read(path).map(drop)
        }),
        weights("pict", seeds::golden(&["weights/small.pict"]), import),
        Reader {
            manner: Manner::Guarded,
            ..text("tuning file", "tuning.json", seeds::tuning(), |path| {
                pixtape::io::tuning::TuningFile::read(path).map(drop)
            })
        },
        text("list", "list.tsv", texts(&[seeds::LIST]), list),
        text(
            "palette",
            "palette.txt",
            texts(&["#0000aa background\n255 0 0 facade\n 1,2,3\n"]),
            |file| pixtape::io::palette::read(file).map(drop),
        ),
        text("options", "options.json", texts(&[seeds::OPTIONS]), |file| {
            Options::of_run(folder(file)).map(drop)
        }),
        text("state", "latest_state.json", texts(&[seeds::STATE]), |file| {
            State::read(file).map(drop)
        }),
        Reader {
            manner: Manner::Lenient,
            ..text("losses", "losses.jsonl", texts(&[seeds::LOSSES]), |file| {
                Log::open(file, 1).map(drop)
            })
        },
        text("config", "config.toml", texts(&[seeds::CONFIG]), |file| {
            let layer = Layer::of_toml(file, &mut |_, _| Ok(false))?;
            Options::from_layers(None, &[&layer]).map(drop)
        }),
    ]
}
