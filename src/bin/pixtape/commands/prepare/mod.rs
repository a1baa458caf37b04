//! `pixtape prepare`: converts images to training data. One file per command, with its flags.

mod blank;
mod check;
mod coco;
mod combine;
mod edges;
mod grayscale;
mod instances;
mod joints;
pub(crate) mod palette;
pub(crate) mod planes;
mod resize;
mod split;
mod tile;
mod words;
mod work;

use clap::{Args, Subcommand};
use pixtape::Result;

/// Flags of `prepare`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PrepareArgs {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "Examples:
  pixtape prepare check     --input data
  pixtape prepare combine   --fold_A labels --fold_B photos --fold_AB pairs
  pixtape prepare split     --input pairs --output data --train 8 --val 1 --test 1 --seed 1
  pixtape prepare edges     --input photos --output edges2photos --pairs
  pixtape prepare grayscale --input photos --output gray
  pixtape prepare blank     --input photos --output inpainting --pairs
  pixtape prepare palette   --input labels --output indices --to index --palette find
  pixtape prepare instances --input train_label --output train_inst --things 24-33
  pixtape prepare coco      --input panoptic --json panoptic.json --output data --images photos
  pixtape prepare joints    --input keypoints.csv --images poses/trainB --output poses/trainA
  pixtape prepare words     --input captions.tsv --output captions/trainA --size 256
  pixtape prepare resize    --input photos --output small --size 256
  pixtape prepare tile      --input maps --output tiles --size 512 --overlap 64

Originals are never changed, existing files only with --overwrite; results are PNG files of the same
names, 8 bits per value (instances have 16 or 32; joints and words are .npy files of many channels;
split copies files as they are).";

#[derive(Subcommand, Clone, Debug)]
enum What {
    /// Report on a folder: layout, counts, sizes, channels, bit depths, misfits.
    Check(check::CheckArgs),
    /// Combine two folders of images (or x_A, x_B in one) into A|B files.
    Combine(combine::CombineArgs),
    /// Split files into train, val and test, by shares and a seed or by lists of names.
    Split(split::SplitArgs),
    /// Detect edges of photographs, on the device (Canny, thinned; not HED).
    Edges(edges::EdgesArgs),
    /// Convert images to grayscale.
    Grayscale(grayscale::GrayscaleArgs),
    /// Blank a square or a mask of each image, for inpainting.
    Blank(blank::BlankArgs),
    /// Convert label colours to label numbers, or back.
    Palette(palette::PaletteArgs),
    /// Make instance maps from label maps: connected components, numbered as Cityscapes' are.
    Instances(instances::InstancesArgs),
    /// Make label and instance maps from COCO's panoptic annotations.
    Coco(coco::CocoArgs),
    /// Make planes of joints from COCO's keypoints or DeepFashion's, for poses.
    Joints(joints::JointsArgs),
    /// Make planes of words from captions of a small vocabulary.
    Words(words::WordsArgs),
    /// Resize images or A|B pairs to one size.
    Resize(resize::ResizeArgs),
    /// Cut large images or A|B pairs into overlapping tiles.
    Tile(tile::TileArgs),
}

/// Runs `prepare`.
pub(crate) fn run(args: &PrepareArgs) -> Result<()> {
    match &args.what {
        What::Check(args) => check::run(args),
        What::Combine(args) => combine::run(args),
        What::Split(args) => split::run(args),
        What::Edges(args) => edges::run(args),
        What::Grayscale(args) => grayscale::run(args),
        What::Blank(args) => blank::run(args),
        What::Palette(args) => palette::run(args),
        What::Instances(args) => instances::run(args),
        What::Coco(args) => coco::run(args),
        What::Joints(args) => joints::run(args),
        What::Words(args) => words::run(args),
        What::Resize(args) => resize::run(args),
        What::Tile(args) => tile::run(args),
    }
}
