//! You will learn: how to run a generator from a weights file, recognised by its names and
//! shapes.
//!
//! Run: `cargo run --release --example 05_translate_picture -- WEIGHTS.safetensors IN.png OUT.png`
//! (`-- --smoke`: makes its own files)
//!
//! Expect: `wrote …, …x… pixels`

use pixtape::io::Picture;
use pixtape::io::checkpoint::{TensorFile, save_weights};
use pixtape::nets::{Generator, InitType, Mode, NormKind, UnetConfig};
use pixtape::ops::NormMode;
use pixtape::train::Translator;
use pixtape::{Error, Gpu, Plan, PlanOptions, Result, StepValues, Store, Tape};
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let gpu = pollster::block_on(Gpu::request(&Default::default()))?;
    let [weights, input, output] = match arguments.as_slice() {
        [smoke] if smoke == "--smoke" => made_up(&gpu)?,
        [weights, input, output] => [weights, input, output].map(PathBuf::from),
        _ => return Err(Error::Usage(
            "three files are needed: weights, the image to translate, where to write; or --smoke"
                .into(),
        )),
    };

    // The names and shapes in a file give the network: depth, widths, channels, norm.
    let file = TensorFile::read(&weights)?;
    let config = file.recognise_generator()?;
    println!(
        "a {config}, {} to {} channels, {} norm",
        config.input_nc(),
        config.output_nc(),
        config.norm()
    );
    let mut store = Store::new();
    let generator = Generator::new(&mut store, "G", config)?;
    file.load_into(&gpu, &store, generator.weights())?;

    // Statistics of the image itself, as upstream at test time, but no dropout, so that results
    // repeat. Nothing is trained here, so the plan keeps no activations for a backward pass.
    let mode = Mode::run(NormMode::Instance, false);
    let picture = Picture::load(&input, config.input_nc())?;
    let translator = Translator::new(
        &gpu,
        &store,
        &generator,
        picture.width,
        picture.height,
        mode,
        PlanOptions::default(),
    )?;
    println!("{}", translator.program().plan().memory());

    let bytes = pollster::block_on(translator.run(&picture.data, 0, 0))?;
    let made = Picture::new(picture.width, picture.height, config.output_nc(), bytes)?;
    made.save_png(&output)?;
    println!("wrote {}, {}x{} pixels", output.display(), made.width, made.height);
    Ok(())
}

/// Initial weights and an image of stripes, in a temporary folder.
fn made_up(gpu: &Gpu) -> Result<[PathBuf; 3]> {
    let folder = std::env::temp_dir().join(format!("pixtape-05-{}", std::process::id()));
    pixtape::io::create_dir(&folder)?;
    let files = ["G.safetensors", "in.png", "out.png"].map(|name| folder.join(name));

    let config = UnetConfig {
        input_nc: 3,
        output_nc: 3,
        ngf: 8,
        downs: 6,
        norm: NormKind::Batch,
        dropout: true,
        ..UnetConfig::default()
    };
    let mut store = Store::new();
    let generator = Generator::new(&mut store, "G", config)?;
    let mut tape = Tape::new();
    generator.weights().record_init(&mut tape, &store, InitType::Normal, 0.02, 0);
    Plan::new(&tape, &store, &[], gpu.family(), PlanOptions::default())?
        .prepare(gpu, &store)?
        .step(&StepValues::default())?;
    pollster::block_on(save_weights(gpu, &store, generator.weights(), 0, None, &files[0]))?;

    stripes(&files[1])?;
    Ok(files)
}

fn stripes(path: &Path) -> Result<()> {
    let data = (0..64 * 64)
        .flat_map(|i: u32| [(i / 8 % 2 * 255) as u8, (i / 512 % 2 * 255) as u8, 128])
        .collect();
    Picture::new(64, 64, 3, data)?.save_png(path)
}
