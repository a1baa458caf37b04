//! `pixtape export`: a generator for other programs, or in a smaller file.

use crate::commands::translate::{pictures, translator};
use crate::messages::shown;
use crate::options::choice;
use clap::{Args, ValueEnum};
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::weights::{Precision, Range, WeightsFile, onnx};
use pixtape::io::{AnyPicture, Direction, Frame, Picture, write_aside};
use pixtape::nets::Mode;
use pixtape::ops::NormMode;
use pixtape::picture::PictureFormat;
use pixtape::run::options::Tune;
use pixtape::run::{Checkpoint, Generator, weights_name};
use pixtape::{Error, Result};
use std::path::{Path, PathBuf};

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
    /// Of several networks in a PyTorch checkpoint the one at this key (dots for nesting): netG,
    /// state_dict.generator. Without it the only generator is taken.
    #[arg(long)]
    pub key: Option<String>,
    /// Which weights of a run's folder: latest, or an epoch.
    #[arg(long, default_value = "latest")]
    pub epoch: String,
    /// AtoB or BtoA: which of the two generators of a run of cycle_gan.
    #[arg(long, value_parser = choice::<Direction>())]
    pub direction: Option<Direction>,
    /// Another network of a run's folder than the generator: D, E, D_A, G_ema.
    #[arg(long)]
    pub net: Option<String>,
    /// safetensors (exact, PyTorch's names), pth (the same as PyTorch's own file), half (weights in
    /// 16 bits), small (weights in 8 bits), onnx.
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
    Pth,
    Half,
    Small,
    Onnx,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Format::Safetensors => "safetensors",
            Format::Pth => "pth",
            Format::Half => "half",
            Format::Small => "small",
            Format::Onnx => "onnx",
        })
    }
}

/// Runs `export`.
pub(crate) fn run(args: &ExportArgs) -> Result<()> {
    if let Some(net) = &args.net {
        return other(args, net);
    }
    let (epoch, key) = (&args.epoch, args.key.as_deref());
    let checkpoint = Checkpoint::read(&args.checkpoint, epoch, args.direction, key)?;
    let named = |e: String| Error::file(&args.checkpoint, e);
    let weights = checkpoint.weights();
    let bytes = match args.format {
        Format::Onnx => onnx(weights, &checkpoint.config, args.norm_mode, args.value_range),
        Format::Half => weights.to_safetensors(Precision::F16),
        Format::Small => weights.to_safetensors(Precision::I8),
        Format::Safetensors => weights.to_safetensors(Precision::F32),
        Format::Pth => Ok(weights.to_pth()),
    };
    let bytes = bytes.map_err(named)?;
    let error = match (&args.input, args.format) {
        (Some(input), Format::Half | Format::Small) => {
            Some(error(args, &checkpoint, &bytes, input)?)
        }
        _ => None,
    };
    write_aside(&args.output, &bytes)?;
    println!(
        "{}: {}, {:.1} MB, written to {}",
        args.format,
        checkpoint.config,
        bytes.len() as f64 / 1e6,
        shown(&args.output)
    );
    if let Some((pictures, mean, largest)) = error {
        println!(
            "Its images differ by {mean:.3} 8-bit levels on average, by {largest} at most \
             ({pictures} of them)."
        );
    }
    Ok(())
}

/// Another network of a run than its generator, which has no images to compare and no graph.
fn other(args: &ExportArgs, net: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::Usage(format!("--net {net}: {why}")));
    if !args.checkpoint.is_dir() {
        return refuse("names a network of a run; give its folder to --checkpoint");
    }
    if args.direction.is_some() || args.input.is_some() {
        return refuse("goes without --direction and --input, which are for generators");
    }
    let file = TensorFile::read(&args.checkpoint.join(weights_name(&args.epoch, net)))?;
    let weights = file.contents();
    let bytes = match args.format {
        Format::Onnx => return refuse("--format onnx is for generators"),
        Format::Half => weights.to_safetensors(Precision::F16),
        Format::Small => weights.to_safetensors(Precision::I8),
        Format::Safetensors => weights.to_safetensors(Precision::F32),
        Format::Pth => Ok(weights.to_pth()),
    };
    let bytes = bytes.map_err(|e| Error::file(&args.checkpoint, e))?;
    write_aside(&args.output, &bytes)?;
    let (size, to) = (bytes.len() as f64 / 1e6, shown(&args.output));
    println!("{}: {net}, {size:.1} MB, written to {to}", args.format);
    Ok(())
}

/// Compares images made with the file and with the exact weights: number of images, mean and
/// largest difference in 8-bit levels.
fn error(
    args: &ExportArgs,
    exact: &Checkpoint,
    bytes: &[u8],
    input: &Path,
) -> Result<(usize, f64, u8)> {
    let coarse = WeightsFile::parse(bytes).map_err(Error::Internal)?;
    let gpu = crate::device::gpu(args.adapter.as_deref())?;
    let coarse = Generator::of(&gpu, exact.config, &exact.with(coarse))?;
    let generator = Generator::new(&gpu, exact)?;
    let (mut count, mut values, mut sum, mut largest) = (0, 0usize, 0u64, 0);
    for path in pictures(input)?.files {
        let picture = AnyPicture::from(Picture::load(&path, exact.config.input_nc())?);
        let frame = Frame::new(picture.size(), exact.config.multiple());
        let input = frame.encode(&picture, PictureFormat::Bytes, None)?;
        let result = |generator: &Generator| {
            let translator = translator(
                generator,
                frame.padded,
                Mode::run(args.norm_mode, false),
                PictureFormat::Bytes,
                None,
                &Tune::Auto,
                &mut |_, _| (),
            )?;
            pollster::block_on(translator.run(&input, 0, 0))
        };
        let (a, b) = (result(&generator)?, result(&coarse)?);
        for difference in a.iter().zip(&b).map(|(a, b)| a.abs_diff(*b)) {
            sum += u64::from(difference);
            largest = largest.max(difference);
        }
        values += a.len();
        count += 1;
    }
    Ok((count, sum as f64 / values as f64, largest))
}
