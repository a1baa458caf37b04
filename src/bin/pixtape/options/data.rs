//! Flags of a training: what is trained on.

use crate::options::values::{bytes, range, underscored};
use clap::Args;
use pixtape::io::{Dataset, Depth, Mask, Size, Task};
use pixtape::picture::PictureFormat;
use pixtape::{Error, Result};
use serde::{Deserialize, Serialize};

/// What is trained on.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
#[command(rename_all = "snake_case", next_help_heading = "Data")]
pub(crate) struct DataArgs {
    /// AtoB or BtoA.
    #[arg(long, default_value = "AtoB")]
    pub direction: String,
    /// aligned (pairs), unaligned (trainA/ and trainB/ without pairs, the default of --model
    /// cycle_gan), colorization (photos: lightness to colour), inpaint (photos: with a hole to
    /// whole).
    #[arg(long, default_value = "aligned")]
    pub dataset_mode: String,
    /// Holes of --dataset_mode inpaint: center, random, or a folder of masks (white is a hole).
    #[arg(long, default_value = "center", value_name = "center|random|FOLDER")]
    #[serde(default = "center")]
    pub mask: String,
    /// What under --dataroot to train on: PHASE/ with A|B pictures or photos, PHASEA/ and PHASEB/,
    /// or PHASE.tsv.
    #[arg(long, default_value = "train")]
    pub phase: String,
    /// Subfolders of A's folder that hold a band each.
    #[arg(long = "bands_A", value_delimiter = ',', value_name = "DIR,DIR")]
    #[serde(rename = "bands_A", default)]
    pub bands_a: Vec<String>,
    /// Subfolders of B's folder that hold a band each.
    #[arg(long = "bands_B", value_delimiter = ',', value_name = "DIR,DIR")]
    #[serde(rename = "bands_B", default)]
    pub bands_b: Vec<String>,
    /// What becomes black and white of 16-bit and float pictures [default: 0,65535 and 0,1].
    #[arg(long, value_parser = range, value_name = "LO,HI", allow_hyphen_values = true)]
    #[serde(default)]
    pub value_range: Option<[f32; 2]>,
    /// Take pictures in order, without shuffling.
    #[arg(long)]
    pub serial_batches: bool,
    /// Threads that decode ahead.
    #[arg(long, default_value_t = 4)]
    pub num_threads: usize,
    /// Memory for decoded pictures, which need not be decoded again in the next epoch (bytes;
    /// 500MiB and 2GiB are understood; 0 for none).
    #[arg(long, default_value = "1GiB", value_parser = bytes)]
    #[serde(default)]
    pub cache_memory: u64,
    /// Pictures a step.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch_size: u32,
    /// Size that pictures are resized to before they are cropped: a side, or WIDTHxHEIGHT.
    #[arg(long, default_value = "286")]
    pub load_size: Size,
    /// Size of the crop that is trained on: a side, or WIDTHxHEIGHT.
    #[arg(long, default_value = "256")]
    pub crop_size: Size,
    /// Use at most this many pictures.
    #[arg(long)]
    pub max_dataset_size: Option<usize>,
    /// resize_and_crop, crop, scale_width, scale_width_and_crop, scale_shortside_and_crop (keeps
    /// the aspect), none.
    #[arg(long, default_value = "resize_and_crop", value_parser = underscored)]
    pub preprocess: String,
    /// Do not mirror pictures at random.
    #[arg(long)]
    pub no_flip: bool,
    /// Kinds of the values of input and target, told from the files: u8, u16, f32.
    #[arg(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depths: Option<[String; 2]>,
}

fn center() -> String {
    "center".into()
}

impl DataArgs {
    /// What is made of the files.
    pub fn task(&self) -> Result<Task> {
        task(&self.dataset_mode, &self.mask)
    }

    /// How pictures go up to the device: as bytes unless the files say otherwise.
    pub fn pictures(&self) -> PictureFormat {
        let deep = self.depths.iter().flatten().any(|depth| *depth != Depth::U8.to_string());
        if deep || self.value_range.is_some() {
            PictureFormat::Floats
        } else {
            PictureFormat::Bytes
        }
    }

    /// Writes down what a dataset's files said.
    pub fn resolve(&mut self, dataset: &Dataset) {
        self.depths = Some(dataset.depths().map(|depth| depth.to_string()));
    }
}

/// The task of `--dataset_mode` and `--mask`.
pub(crate) fn task(mode: &str, mask: &str) -> Result<Task> {
    Ok(match mode {
        "aligned" => Task::Aligned,
        "unaligned" => Task::Unaligned,
        "colorization" => Task::Colorization,
        "inpaint" => Task::Inpaint(match mask {
            "center" => Mask::Center,
            "random" => Mask::Random,
            folder => Mask::Folder(folder.into()),
        }),
        other => {
            return Err(Error::Usage(format!(
                "--dataset_mode {other}: choose aligned, unaligned, colorization or inpaint"
            )));
        }
    })
}
