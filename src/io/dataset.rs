//! A folder of A|B pairs: which files, in which order, cut how.
//!
//! Nothing here keeps a position. Order and augmentation are functions of (seed, epoch, index), so
//! a run resumed at (epoch, batch) sees what an uninterrupted one sees.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::io::picture::{Picture, list_pictures};
use crate::{Error, Result};

/// Which half of a pair is the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Input A (left), target B (right).
    AtoB,
    /// Input B (right), target A (left).
    BtoA,
}

/// How a half becomes a picture of the training size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preprocess {
    /// Resize to load x load, then a random crop x crop.
    ResizeAndCrop,
    /// A random crop x crop.
    Crop,
    /// Width = load, height = max(load * h / w, crop).
    ScaleWidth,
    /// As `ScaleWidth`, then a random crop x crop.
    ScaleWidthAndCrop,
    /// As it is.
    None,
}

/// What to read and how. Names and meanings are the reference implementation's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlignedOptions {
    /// Folder that holds the phases.
    pub root: PathBuf,
    /// Subfolder of `root` to read: `train`, `val`, `test`.
    pub phase: String,
    /// Which half is the input.
    pub direction: Direction,
    /// How halves are brought to one size.
    pub preprocess: Preprocess,
    /// Pixels a side (or of the width) after resizing.
    pub load_size: u32,
    /// Pixels a side after cropping.
    pub crop_size: u32,
    /// Mirror half of the pairs at random.
    pub flip: bool,
    /// Keep the sorted order instead of shuffling each epoch.
    pub serial_batches: bool,
    /// Pairs in a batch.
    pub batch_size: usize,
    /// Decides order, crops and flips.
    pub seed: u64,
    /// Use only the first so many files, in sorted order.
    pub max_dataset_size: Option<usize>,
    /// Channels of the input, 1 or 3, whichever half it is.
    pub input_nc: u32,
    /// Channels of the target, 1 or 3.
    pub output_nc: u32,
    /// Both sides must be multiples of this: 2^depth of a U-Net, 1 for no rule.
    pub multiple_of: u32,
}

/// One pair, ready for a batch. Both pictures have [`AlignedDataset::image_size`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What the generator sees, `input_nc` channels.
    pub input: Picture,
    /// What it should make of it, `output_nc` channels.
    pub target: Picture,
    /// The file both come from.
    pub path: PathBuf,
}

/// The pairs of one phase. Opening reads every file's header, not its pixels.
#[derive(Debug)]
pub struct AlignedDataset {
    options: AlignedOptions,
    paths: Vec<PathBuf>,
    /// Size of each whole A|B file, as its header says.
    sizes: Vec<(u32, u32)>,
    image_size: (u32, u32),
}

impl AlignedDataset {
    /// Lists the files, reads their headers and decides the size of a batch's pictures.
    ///
    /// # Errors
    /// [`Error::File`] for a missing or empty folder (with the layout expected), a broken header, or
    /// a picture whose size does not work; [`Error::Usage`] for options that cannot work together.
    pub fn open(options: AlignedOptions) -> Result<Self> {
        check_options(&options)?;
        let mut paths = list_phase(&options)?;
        paths.truncate(options.max_dataset_size.unwrap_or(usize::MAX));
        if paths.len() < options.batch_size {
            return Err(Error::Usage(format!(
                "{}: {} pairs do not fill one batch of {}; lower --batch_size or add pictures",
                options.root.join(&options.phase).display(),
                paths.len(),
                options.batch_size
            )));
        }
        let sizes: Vec<_> = paths.iter().map(|p| Picture::dimensions(p)).collect::<Result<_>>()?;
        let image_size = common_size(&options, &paths, &sizes)?;
        check_multiple(&options, image_size)?;
        Ok(Self { options, paths, sizes, image_size })
    }

    /// The options it was opened with.
    pub fn options(&self) -> &AlignedOptions {
        &self.options
    }

    /// Number of pairs.
    #[expect(clippy::len_without_is_empty, reason = "open refuses empty folders")]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whole batches in an epoch, at least 1. Shapes are fixed, so a rest that does not fill a batch
    /// is left out; the shuffle makes it a different rest each epoch.
    pub fn batches_per_epoch(&self) -> usize {
        self.len() / self.options.batch_size
    }

    /// The files, sorted; positions in here are what [`order`](Self::order) shuffles.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Width and height in pixels that every input and target has.
    pub fn image_size(&self) -> (u32, u32) {
        self.image_size
    }

    /// Positions into [`paths`](Self::paths) in the order in which `epoch` visits them: a shuffle
    /// that only the seed and the epoch decide, or 0, 1, 2 … with `serial_batches`.
    pub fn order(&self, epoch: u64) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        if !self.options.serial_batches {
            let mut random = Random::new([self.options.seed, epoch, ORDER]);
            for i in (1..order.len()).rev() {
                order.swap(i, random.below(i as u64 + 1) as usize);
            }
        }
        order
    }

    /// The pair at place `index_in_epoch` of the epoch's order. Shuffles anew on each call: to walk
    /// an epoch, take [`order`](Self::order) once and call [`sample`](Self::sample).
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn pair(&self, epoch: u64, index_in_epoch: usize) -> Result<Sample> {
        match self.order(epoch).get(index_in_epoch) {
            Some(&index) => self.sample(epoch, index as usize),
            None => Err(self.no_such(index_in_epoch)),
        }
    }

    /// Decodes the pair of file `index` (a position in [`paths`](Self::paths)) and cuts it as
    /// `epoch` wants it: same crop, same mirroring for A and B.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be decoded or is not what it was when the dataset was
    /// opened; [`Error::Usage`] when there is no such index.
    pub fn sample(&self, epoch: u64, index: usize) -> Result<Sample> {
        let (Some(path), Some(&(w, h))) = (self.paths.get(index), self.sizes.get(index)) else {
            return Err(self.no_such(index));
        };
        let whole = Picture::load(path, 3)?;
        if (whole.width, whole.height) != (w, h) {
            return Err(Error::file(
                path,
                format!("is {}x{} now but was {w}x{h} when the run started; leave the folder alone during a run", whole.width, whole.height),
            ));
        }
        let (a, b) = whole.split_pair()?;
        let o = &self.options;
        let (input, target) = match o.direction {
            Direction::AtoB => (a, b),
            Direction::BtoA => (b, a),
        };
        let cut = self.cut(epoch, index);
        Ok(Sample {
            input: self.prepare(input.into_channels(o.input_nc), (w / 2, h), cut)?,
            target: self.prepare(target.into_channels(o.output_nc), (w / 2, h), cut)?,
            path: path.clone(),
        })
    }

    /// Crop offsets and mirroring. Always three draws, so that --no_flip does not move the crops.
    fn cut(&self, epoch: u64, index: usize) -> Cut {
        let (w, h) = self.sizes[index];
        let (w, h) = scaled(&self.options, (w / 2, h));
        let mut random = Random::new([self.options.seed, epoch, CUT ^ index as u64]);
        let mut offset = |side: u32, kept: u32| random.below(u64::from(side - kept) + 1) as u32;
        let (x, y) = (offset(w, self.image_size.0), offset(h, self.image_size.1));
        Cut { x, y, flip: random.below(2) == 1 && self.options.flip }
    }

    /// `half_size` is A's, for both halves: with an odd width B is a pixel wider, and is scaled to
    /// the same size or cropped at the same place.
    fn prepare(&self, half: Picture, half_size: (u32, u32), cut: Cut) -> Result<Picture> {
        let p = &self.options.preprocess;
        let (w, h) = scaled(&self.options, half_size);
        let resized = if p.scales() { half.resize(w, h)? } else { half };
        let (w, h) = self.image_size;
        let cropped = if p.crops() { resized.crop(cut.x, cut.y, w, h)? } else { resized };
        Ok(if cut.flip { cropped.flip_horizontal() } else { cropped })
    }

    fn no_such(&self, index: usize) -> Error {
        Error::Usage(format!("pair {index} was asked for, the dataset has {}", self.len()))
    }
}

#[derive(Clone, Copy)]
struct Cut {
    x: u32,
    y: u32,
    flip: bool,
}

impl Preprocess {
    fn scales(self) -> bool {
        !matches!(self, Self::Crop | Self::None)
    }

    fn crops(self) -> bool {
        matches!(self, Self::ResizeAndCrop | Self::Crop | Self::ScaleWidthAndCrop)
    }
}

/// Size of a half before cropping.
fn scaled(o: &AlignedOptions, (w, h): (u32, u32)) -> (u32, u32) {
    match o.preprocess {
        Preprocess::ResizeAndCrop => (o.load_size, o.load_size),
        Preprocess::ScaleWidth | Preprocess::ScaleWidthAndCrop => {
            let height = u64::from(o.load_size) * u64::from(h) / u64::from(w.max(1));
            (o.load_size, u32::try_from(height).unwrap_or(u32::MAX).max(o.crop_size))
        }
        Preprocess::Crop | Preprocess::None => (w, h),
    }
}

fn check_options(o: &AlignedOptions) -> Result<()> {
    let usage = |message: String| Err(Error::Usage(message));
    for (flag, nc) in [("--input_nc", o.input_nc), ("--output_nc", o.output_nc)] {
        if nc != 1 && nc != 3 {
            return usage(format!("{flag} is {nc}; a folder of pictures gives 1 (gray) or 3 (RGB)"));
        }
    }
    if o.batch_size == 0 || o.max_dataset_size == Some(0) {
        return usage("--batch_size and --max_dataset_size must be at least 1".into());
    }
    if o.load_size == 0 || o.crop_size == 0 {
        return usage("--load_size and --crop_size must be at least 1".into());
    }
    if o.preprocess.scales() && o.preprocess.crops() && o.load_size < o.crop_size {
        return usage(format!(
            "--load_size {} is smaller than --crop_size {}: --preprocess {} cannot cut that much; raise --load_size or lower --crop_size",
            o.load_size, o.crop_size, o.preprocess
        ));
    }
    Ok(())
}

fn list_phase(o: &AlignedOptions) -> Result<Vec<PathBuf>> {
    let phase = &o.phase;
    let layout = format!("expected ROOT/{phase}/*.jpg|png with A on the left and B on the right of each picture");
    if !o.root.is_dir() {
        return Err(Error::file(&o.root, format!("no such folder; {layout} (--dataroot names ROOT)")));
    }
    let dir = o.root.join(phase);
    if !dir.is_dir() {
        let seen = subfolders(&o.root);
        let unaligned = seen.contains(&format!("{phase}A"));
        let hint = match (unaligned, seen.is_empty()) {
            (true, _) => format!("; {phase}A is for --dataset_mode unaligned"),
            (_, true) => String::new(),
            _ => format!("; ROOT has {}", Vec::from_iter(seen.into_iter().take(6)).join(", ")),
        };
        return Err(Error::file(dir, format!("no such folder; {layout} (--phase names the folder){hint}")));
    }
    let paths = list_pictures(&dir)?;
    if paths.is_empty() {
        return Err(Error::file(dir, format!("no picture in it; {layout} (--phase names the folder)")));
    }
    Ok(paths)
}

fn subfolders(root: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let folders = entries.filter(|e| e.path().is_dir());
    folders.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

/// The one size that all halves come to, or whose file stands in the way.
fn common_size(o: &AlignedOptions, paths: &[PathBuf], sizes: &[(u32, u32)]) -> Result<(u32, u32)> {
    let mode = o.preprocess;
    let crop = o.crop_size;
    let mut first: Option<(&Path, (u32, u32))> = None;
    for (path, &(width, height)) in paths.iter().zip(sizes) {
        let refuse = |message: String| Err(Error::file(path, message));
        if width < 2 || height == 0 {
            return refuse(format!("is {width}x{height}: no room for A and B; remove it"));
        }
        if mode == Preprocess::None && width % 2 == 1 {
            return refuse(format!("is {width}x{height}: with an odd width its halves differ; cut a column off or use --preprocess resize_and_crop"));
        }
        let half = scaled(o, (width / 2, height));
        if mode.crops() {
            if half.0 < crop || half.1 < crop {
                return refuse(format!(
                    "is {width}x{height}, so each half is {}x{}: too small for --crop_size {crop}; use --preprocess resize_and_crop or lower --crop_size",
                    half.0, half.1
                ));
            }
            continue;
        }
        match first {
            None => first = Some((path, half)),
            Some((_, size)) if size == half => {}
            Some((other, size)) => {
                return refuse(format!(
                    "its halves come to {}x{}, those of {} to {}x{}: --preprocess {mode} needs one size for all; use --preprocess resize_and_crop",
                    half.0,
                    half.1,
                    other.display(),
                    size.0,
                    size.1
                ));
            }
        }
    }
    Ok(first.map_or((crop, crop), |(_, size)| size))
}

fn check_multiple(o: &AlignedOptions, (w, h): (u32, u32)) -> Result<()> {
    let m = o.multiple_of.max(1);
    if w.is_multiple_of(m) && h.is_multiple_of(m) {
        return Ok(());
    }
    let down = |side: u32| (side / m * m).max(m);
    let up = |side: u32| side.next_multiple_of(m);
    let mut near = format!("{}x{}", down(w), down(h));
    if (up(w), up(h)) != (down(w), down(h)) {
        near += &format!(" or {}x{}", up(w), up(h));
    }
    let flag = match o.preprocess {
        Preprocess::ScaleWidth => "--load_size",
        Preprocess::None => "--preprocess resize_and_crop with --crop_size",
        _ => "--crop_size",
    };
    Err(Error::Usage(format!(
        "--preprocess {} gives pictures of {w}x{h}, the generator needs multiples of {m}, {near} for example; change {flag}, or --netG to a shallower one",
        o.preprocess
    )))
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtoB => "AtoB",
            Self::BtoA => "BtoA",
        })
    }
}

impl FromStr for Direction {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "AtoB" => Ok(Self::AtoB),
            "BtoA" => Ok(Self::BtoA),
            _ => Err(Error::Usage(format!("direction {s:?} is unknown; use AtoB or BtoA"))),
        }
    }
}

const MODES: [(Preprocess, &str); 5] = [
    (Preprocess::ResizeAndCrop, "resize_and_crop"),
    (Preprocess::Crop, "crop"),
    (Preprocess::ScaleWidth, "scale_width"),
    (Preprocess::ScaleWidthAndCrop, "scale_width_and_crop"),
    (Preprocess::None, "none"),
];

impl fmt::Display for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = MODES.iter().find(|(mode, _)| mode == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Preprocess {
    type Err = Error;

    /// Takes `-` for `_` as well.
    fn from_str(s: &str) -> Result<Self> {
        let wanted = s.replace('-', "_");
        let found = MODES.iter().find(|(_, name)| *name == wanted);
        found.map(|(mode, _)| *mode).ok_or_else(|| {
            let names = MODES.map(|(_, name)| name).join(", ");
            Error::Usage(format!("preprocess {s:?} is unknown; use one of {names}"))
        })
    }
}

// What a stream of random numbers is for; keeps the streams apart. CUT leaves low bits to the index.
const ORDER: u64 = 1 << 62;
const CUT: u64 = 1 << 63;

/// splitmix64 from a key: small, and the same on every machine and in every version of ours.
struct Random(u64);

impl Random {
    fn new(key: [u64; 3]) -> Self {
        Self(key.into_iter().fold(0, |state, word| mix(state ^ mix(word.wrapping_add(GOLDEN)))))
    }

    /// 0 to `n` - 1. The bias of n / 2^64 is of no consequence.
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        ((u128::from(mix(self.0)) * u128::from(n)) >> 64) as u64
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::io::picture::tests::formula;

    pub(crate) fn options(root: &Path) -> AlignedOptions {
        AlignedOptions {
            root: root.to_owned(),
            phase: "train".into(),
            direction: Direction::AtoB,
            preprocess: Preprocess::ResizeAndCrop,
            load_size: 12,
            crop_size: 8,
            flip: true,
            serial_batches: false,
            batch_size: 2,
            seed: 7,
            max_dataset_size: None,
            input_nc: 3,
            output_nc: 3,
            multiple_of: 4,
        }
    }

    /// A folder with `train/00.png` and so on; B repeats A, so that any disagreement shows.
    pub(crate) fn folder(sizes: &[(u32, u32)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("train")).unwrap();
        for (i, &(w, h)) in sizes.iter().enumerate() {
            let a = formula(w / 2, h, 3, i as u32 + 1);
            let pair = Picture::grid(&[vec![a.clone(), a]], w % 2).unwrap();
            pair.save_png(&dir.path().join(format!("train/{i:02}.png"))).unwrap();
        }
        dir
    }

    fn refusal(options: AlignedOptions) -> String {
        let message = AlignedDataset::open(options).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    }

    #[test]
    fn order_is_decided_by_seed_and_epoch() {
        let dir = folder(&[(16, 8); 20]);
        let open = |seed, serial_batches| AlignedDataset::open(AlignedOptions { seed, serial_batches, ..options(dir.path()) }).unwrap();
        let data = open(7, false);
        assert_eq!(data.order(3), open(7, false).order(3));
        assert_ne!(data.order(3), data.order(4));
        assert_ne!(data.order(3), open(8, false).order(3));
        let mut sorted = data.order(3);
        sorted.sort_unstable();
        assert_eq!(sorted, Vec::from_iter(0..20));
        assert_eq!(open(7, true).order(3), sorted);
        // Pinned: a change here would make resumed runs differ from uninterrupted ones.
        assert_eq!(data.order(1)[..5], [4, 11, 13, 1, 8]);
    }

    #[test]
    fn crop_and_flip_agree_between_halves_and_vary() {
        let dir = folder(&[(32, 16), (32, 16)]);
        let base = AlignedOptions { preprocess: Preprocess::Crop, ..options(dir.path()) };
        let data = AlignedDataset::open(base.clone()).unwrap();
        let plain = AlignedDataset::open(AlignedOptions { flip: false, ..base }).unwrap();
        let mut seen = Vec::new();
        let mut flips = 0;
        for epoch in 1..=40 {
            let (got, unflipped) = (data.sample(epoch, 0).unwrap(), plain.sample(epoch, 0).unwrap());
            assert_eq!(got.input, got.target);
            assert_eq!((got.input.width, got.input.height), data.image_size());
            assert_eq!(got, data.sample(epoch, 0).unwrap());
            if got.input != unflipped.input {
                assert_eq!(got.input, unflipped.input.flip_horizontal());
                flips += 1;
            }
            if !seen.contains(&unflipped.input) {
                seen.push(unflipped.input);
            }
        }
        assert!((10..=30).contains(&flips), "{flips} flips of 40");
        assert!(seen.len() > 20, "{} crops of 81", seen.len());
    }

    #[test]
    fn offsets_reach_both_ends() {
        let mut random = Random::new([1, 2, 3]);
        let draws = Vec::from_iter((0..200).map(|_| random.below(5)));
        assert_eq!(BTreeSet::from_iter(draws), BTreeSet::from([0, 1, 2, 3, 4]));
    }

    #[test]
    fn direction_and_channels() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("train")).unwrap();
        let (a, b) = (formula(8, 8, 3, 1), formula(8, 8, 3, 2));
        let whole = Picture::grid(&[vec![a.clone(), b.clone()]], 0).unwrap();
        whole.save_png(&dir.path().join("train/p.png")).unwrap();
        let base = AlignedOptions { preprocess: Preprocess::None, flip: false, batch_size: 1, ..options(dir.path()) };
        let back = AlignedOptions { direction: Direction::BtoA, input_nc: 1, ..base.clone() };
        let forth = AlignedDataset::open(base).unwrap().pair(1, 0).unwrap();
        assert_eq!((forth.input, forth.target), (a.clone(), b.clone()));
        let back = AlignedDataset::open(back).unwrap().pair(1, 0).unwrap();
        assert_eq!((back.input, back.target), (b.into_channels(1), a));
    }

    #[test]
    fn odd_width_gives_equal_sizes() {
        let dir = folder(&[(33, 16), (33, 16)]);
        for preprocess in [Preprocess::ResizeAndCrop, Preprocess::Crop, Preprocess::ScaleWidth] {
            let o = AlignedOptions { preprocess, multiple_of: 1, ..options(dir.path()) };
            let data = AlignedDataset::open(o).unwrap();
            let s = data.pair(1, 1).unwrap();
            assert_eq!((s.input.width, s.input.height), data.image_size());
            assert_eq!((s.target.width, s.target.height), data.image_size());
        }
        let none = AlignedOptions { preprocess: Preprocess::None, ..options(dir.path()) };
        assert!(refusal(none).contains("00.png: is 33x16: with an odd width"));
    }

    #[test]
    fn scale_width_follows_the_reference() {
        let dir = folder(&[(32, 24), (64, 48)]);
        let size = |preprocess, crop_size| {
            let o = AlignedOptions { preprocess, crop_size, ..options(dir.path()) };
            AlignedDataset::open(AlignedOptions { multiple_of: 1, ..o }).unwrap().image_size()
        };
        assert_eq!(size(Preprocess::ScaleWidth, 8), (12, 18));
        assert_eq!(size(Preprocess::ScaleWidth, 20), (12, 20));
        assert_eq!(size(Preprocess::ScaleWidthAndCrop, 8), (8, 8));
    }

    #[test]
    fn missing_and_empty_folders_print_the_layout() {
        let dir = tempfile::tempdir().unwrap();
        let missing = refusal(options(&dir.path().join("nowhere")));
        assert!(missing.contains("nowhere: no such folder; expected ROOT/train/*"), "{missing}");
        std::fs::create_dir(dir.path().join("val")).unwrap();
        let phase = refusal(options(dir.path()));
        assert!(phase.contains("train: no such folder") && phase.contains("ROOT has val"), "{phase}");
        std::fs::create_dir(dir.path().join("train")).unwrap();
        let empty = refusal(options(dir.path()));
        assert!(empty.contains("no picture in it; expected ROOT/train/*"), "{empty}");
    }

    #[test]
    fn sizes_that_do_not_work_are_refused_with_numbers() {
        let dir = folder(&[(32, 16), (32, 18)]);
        let with = |preprocess, crop_size, multiple_of| refusal(AlignedOptions { preprocess, crop_size, multiple_of, ..options(dir.path()) });
        let none = with(Preprocess::None, 8, 1);
        assert!(none.contains("01.png: its halves come to 16x18, those of"), "{none}");
        assert!(none.contains("00.png to 16x16"), "{none}");
        let small = with(Preprocess::Crop, 17, 1);
        assert!(small.contains("each half is 16x16: too small for --crop_size 17"), "{small}");
        let multiple = with(Preprocess::Crop, 10, 8);
        assert!(multiple.contains("10x10, the generator needs multiples of 8, 8x8 or 16x16"), "{multiple}");
        let load = with(Preprocess::ResizeAndCrop, 16, 1);
        assert!(load.contains("--load_size 12 is smaller than --crop_size 16"), "{load}");
    }

    #[test]
    fn batches_are_whole_and_there_is_at_least_one() {
        let dir = folder(&[(16, 8); 5]);
        let open = |batch_size, max_dataset_size| {
            let o = AlignedOptions { batch_size, max_dataset_size, ..options(dir.path()) };
            AlignedDataset::open(o)
        };
        assert_eq!(open(2, None).unwrap().batches_per_epoch(), 2);
        assert_eq!(open(5, None).unwrap().batches_per_epoch(), 1);
        assert_eq!(open(1, Some(3)).unwrap().len(), 3);
        let message = open(6, None).unwrap_err().to_string();
        assert!(message.contains("5 pairs do not fill one batch of 6"), "{message}");
    }

    #[test]
    fn broken_and_changed_files_are_named() {
        let dir = folder(&[(16, 8); 2]);
        let path = dir.path().join("train/01.png");
        let data = AlignedDataset::open(options(dir.path())).unwrap();
        formula(20, 8, 3, 1).save_png(&path).unwrap();
        let changed = data.sample(1, 1).unwrap_err().to_string();
        assert!(changed.contains("01.png: is 20x8 now but was 16x8"), "{changed}");
        std::fs::write(&path, b"not a picture").unwrap();
        assert!(refusal(options(dir.path())).contains("01.png: cannot be decoded"));
    }

    #[test]
    fn names_round_trip() {
        for (mode, name) in MODES {
            assert_eq!(name.parse::<Preprocess>().unwrap(), mode);
            assert_eq!(mode.to_string(), name);
        }
        assert_eq!("scale-width".parse::<Preprocess>().unwrap(), Preprocess::ScaleWidth);
        assert!("resize".parse::<Preprocess>().is_err());
        for direction in [Direction::AtoB, Direction::BtoA] {
            assert_eq!(direction.to_string().parse::<Direction>().unwrap(), direction);
        }
        assert!("atob".parse::<Direction>().is_err());
    }
}
