//! `pixtape import`: converts weights of other programs to safetensors.

use crate::messages::shown;
use crate::options::choice;
use clap::Args;
use pixtape::io::weights::{
    ChannelOrder, ConcatOrder, Conversion, Net, Pick, Precision, Wanted, WeightsFile,
};
use pixtape::io::write_aside;
use pixtape::{Error, Result};
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
    /// Of several networks in the file the one at this key (dots for nesting): netG,
    /// state_dict.generator.
    #[arg(long)]
    pub key: Option<String>,
    /// Order of the channels that the decoder concatenates: skip_first (PyTorch) or up_first
    /// (Torch, TensorFlow: the upsampled channels before the skip's).
    #[arg(long, default_value = "skip_first", value_parser = choice::<ConcatOrder>())]
    pub concat_order: ConcatOrder,
    /// Order of the images' channels that the net was trained with: rgb or bgr (Torch).
    #[arg(long, default_value = "rgb", value_parser = choice::<ChannelOrder>())]
    pub channel_order: ChannelOrder,
}

/// Runs `import`.
pub(crate) fn run(args: &ImportArgs) -> Result<()> {
    let named = |e: String| Error::file(&args.input, e);
    let pick = Pick { key: args.key.as_deref(), wanted: Wanted::Any };
    let mut file = WeightsFile::read_net(&args.input, &pick)?;
    let net = Net::recognise(&file).map_err(named)?;
    let conversion = Conversion { concat: args.concat_order, channels: args.channel_order };
    conversion.apply(&mut file).map_err(named)?;
    write_aside(&args.output, &file.to_safetensors(Precision::F32).map_err(named)?)?;
    println!("{net}, written to {}", shown(&args.output));
    Ok(())
}
