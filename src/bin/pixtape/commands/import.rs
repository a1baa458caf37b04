//! `pixtape import`: converts weights of other programs to safetensors.

use crate::options::ImportArgs;
use pixtape::io::weights::{Conversion, Net, Precision, WeightsFile};
use pixtape::io::write_aside;
use pixtape::{Error, Result};

/// Runs `import`.
pub(crate) fn run(args: &ImportArgs) -> Result<()> {
    let named = |e: String| Error::file(&args.input, e);
    let mut file = WeightsFile::read(&args.input)?;
    let net = Net::recognise(&file).map_err(named)?;
    let conversion = Conversion { concat: args.concat_order, channels: args.channel_order };
    conversion.apply(&mut file).map_err(named)?;
    write_aside(&args.output, &file.to_safetensors(Precision::F32).map_err(named)?)?;
    println!("{net}, written to {}", args.output.display());
    Ok(())
}
