//! Flags of the commands that bring weights in and out.

use crate::options::values::choice;
use clap::{Args, ValueEnum};
use pixtape::io::Direction;
use pixtape::io::weights::{ChannelOrder, ConcatOrder, Range};
use pixtape::ops::NormMode;
use std::path::PathBuf;

/// Flags of `import`.
#[derive(Args, Clone, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Example: pixtape import --input latest_net_G.pth --output \
                  facades.safetensors\nA .pth or .pict can be given to --checkpoint and --init_G \
                  as it is, too."
)]
pub(crate) struct ImportArgs {
    /// Weights of a net: .pth of PyTorch (a state dict), .pict, or safetensors; the content
    /// decides.
    #[arg(long)]
    pub input: PathBuf,
    /// Where to write them, as safetensors.
    #[arg(long)]
    pub output: PathBuf,
    /// What the decoder's layers take first: skip_first (PyTorch) or up_first (Torch, TensorFlow:
    /// what comes from below).
    #[arg(long, default_value = "skip_first", value_parser = choice::<ConcatOrder>())]
    pub concat_order: ConcatOrder,
    /// Order of the images' channels that the net was trained with: rgb or bgr (Torch).
    #[arg(long, default_value = "rgb", value_parser = choice::<ChannelOrder>())]
    pub channel_order: ChannelOrder,
}

/// Flags of `export`.
#[derive(Args, Clone, Debug)]
#[command(
    rename_all = "snake_case",
    after_help = "Example: pixtape export --checkpoint checkpoints/first --format onnx --output \
                  first.onnx"
)]
pub(crate) struct ExportArgs {
    /// A run's folder, or a generator's file (safetensors, .pth, .pict).
    #[arg(long)]
    pub checkpoint: PathBuf,
    /// Which weights of a run's folder: latest, or an epoch.
    #[arg(long, default_value = "latest")]
    pub epoch: String,
    /// AtoB or BtoA: which of the two generators of a run of cycle_gan.
    #[arg(long, value_parser = choice::<Direction>())]
    pub direction: Option<Direction>,
    /// safetensors (exact, PyTorch's names), half (weights in 16 bits), small (weights in 8 bits),
    /// onnx.
    #[arg(long, value_enum)]
    pub format: Format,
    /// The file to write.
    #[arg(long)]
    pub output: PathBuf,
    /// Images to measure the error of half and small on: an image or a folder. Without them
    /// nothing is measured.
    #[arg(long)]
    pub input: Option<PathBuf>,
    /// Statistics of the norms in an ONNX graph: batch (of each image; instance is the same) or
    /// running (folded into the convolutions).
    #[arg(long, default_value = "batch", value_parser = choice::<NormMode>())]
    pub norm_mode: NormMode,
    /// What an ONNX graph takes and gives: signed (NCHW in -1 to 1), unit (NCHW in 0 to 1), bytes
    /// (NHWC, 0 to 255).
    #[arg(long, default_value = "signed", value_parser = choice::<Range>())]
    pub value_range: Range,
    /// Adapter: an index of `pixtape devices`, or part of a name.
    #[arg(long)]
    pub adapter: Option<String>,
}

/// What a generator is written as.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Safetensors,
    Half,
    Small,
    Onnx,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Format::Safetensors => "safetensors",
            Format::Half => "half",
            Format::Small => "small",
            Format::Onnx => "onnx",
        })
    }
}
