//! A discriminator's patch map as a picture.

use pixtape::gpu::Gpu;
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::weights::Net;
use pixtape::nets::{Discriminator, DiscriminatorConfig, DiscriminatorKind, Mode};
use pixtape::plan::{Plan, PlanOptions, Program, StepValues};
use pixtape::run::{Checkpoint, weights_name};
use pixtape::store::Store;
use pixtape::{Channels, Shape};
use pixtape::{Error, Result};
use pixtape::{Tape, Tensor};
use std::path::Path;

/// A run's discriminator on a device.
#[derive(Debug)]
pub(crate) struct Judge {
    gpu: Gpu,
    store: Store,
    net: Discriminator,
    input_nc: u32,
    output_nc: u32,
    conditional: bool,
    mode: Mode,
}

/// The discriminator for pictures of one size.
#[derive(Debug)]
pub(crate) struct Heat {
    program: Program,
    inputs: Vec<Tensor>,
    logits: Tensor,
    shape: Shape,
    size: (u32, u32),
}

/// Colours from 0 to 1: black, violet, red, yellow, white, each brighter than the one before.
const COLOURS: [[f32; 3]; 5] = [
    [0.0, 0.0, 0.0],
    [80.0, 20.0, 110.0],
    [200.0, 50.0, 50.0],
    [250.0, 180.0, 40.0],
    [255.0, 255.0, 240.0],
];

impl Judge {
    /// Reads the discriminator beside a generator: `D` beside `G`, `D_A` beside `G_A`.
    pub fn read(
        gpu: &Gpu,
        run: &Path,
        epoch: &str,
        beside: &Checkpoint,
        mode: Mode,
    ) -> Result<Judge> {
        let (input_nc, output_nc) = (beside.config.input_nc(), beside.config.output_nc());
        if !run.is_dir() {
            return Err(Error::Usage(
                "--heat takes the discriminator of a run: give its folder to --checkpoint".into(),
            ));
        }
        let path = run.join(weights_name(epoch, &beside.net.replacen('G', "D", 1)));
        let file = TensorFile::read(&path)?;
        let (kind, channels, ndf, norm) = match Net::recognise(file.contents())
            .map_err(|e| Error::file(&path, e))?
        {
            Net::Patch { n_layers, input_nc, ndf, norm } => {
                (DiscriminatorKind::Patch { n_layers }, input_nc, ndf, norm)
            }
            Net::Pixel { input_nc, ndf, norm } => (DiscriminatorKind::Pixel, input_nc, ndf, norm),
            Net::MultiScale { scales, .. } => {
                return Err(Error::file(
                    &path,
                    format!("judges at {scales} scales; --heat takes discriminators of one"),
                ));
            }
            Net::Unet(_) | Net::Resnet(_) | Net::Enhancer(_) | Net::Encoder(_) => {
                return Err(Error::file(
                    &path,
                    "the weights of a generator, not of a discriminator",
                ));
            }
        };
        let conditional = channels == input_nc + output_nc;
        if !conditional && channels != output_nc {
            return Err(Error::file(
                &path,
                format!(
                    "judges {channels} channels, and the generator takes {input_nc} and makes \
                     {output_nc}"
                ),
            ));
        }
        let both = Channels::concat(&[input_nc.into(), output_nc.into()])
            .ok_or_else(|| Error::Internal("two parts".into()))?;
        let input = if conditional { both } else { output_nc.into() };
        let mut store = Store::new();
        let net =
            Discriminator::new(&mut store, "D", DiscriminatorConfig { input, ndf, kind, norm })?;
        file.load_into(gpu, &store, net.weights())?;
        Ok(Judge {
            gpu: gpu.clone(),
            store,
            net,
            input_nc,
            output_nc,
            conditional,
            mode: Mode { dropout: false, ..mode },
        })
    }

    /// Makes it ready for pictures of one size.
    pub fn heat(&self, (width, height): (u32, u32)) -> Result<Heat> {
        let mut tape = Tape::new();
        let channels = if self.conditional {
            vec![self.input_nc, self.output_nc]
        } else {
            vec![self.output_nc]
        };
        let mut inputs = Vec::new();
        for c in channels {
            inputs.push(tape.input("picture", Shape::new(1, height, width, c)));
        }
        let x = if let [one] = *inputs { one } else { tape.concat(&inputs)? };
        let logits = self.net.record(&mut tape, &self.store, x, self.mode)?.logits;
        let shape = tape.shape(logits);
        let program =
            Plan::new(&tape, &self.store, &[logits], self.gpu.family(), PlanOptions::default())?
                .prepare(&self.gpu, &self.store)?;
        Ok(Heat { program, inputs, logits, shape, size: (width, height) })
    }
}

impl Heat {
    /// What the discriminator makes of a result (values in -1 to 1), as large as it, RGB:
    /// probabilities of being real, bilinear between the patches' middles.
    pub fn picture(&self, input: &[f32], result: &[f32]) -> Result<Vec<u8>> {
        // An unconditional one sees the result only.
        let pictures = [input, result];
        for (tensor, picture) in self.inputs.iter().rev().zip(pictures.iter().rev()) {
            self.program.write(*tensor, picture)?;
        }
        self.program.step(&StepValues::default())?;
        let logits = pollster::block_on(self.program.read(self.logits))?;
        let map: Vec<f32> = logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
        let (w, h) = (self.shape.w as usize, self.shape.h as usize);
        // The place between two patches that a pixel's middle has, and its share of the second.
        let between = |i: u32, side: u32, patches: usize| {
            let at = ((i as f32 + 0.5) * patches as f32 / side as f32 - 0.5)
                .clamp(0.0, patches as f32 - 1.0);
            (at as usize, (at as usize + 1).min(patches - 1), at.fract())
        };
        let (width, height) = self.size;
        let mut data = Vec::with_capacity(width as usize * height as usize * 3);
        for y in 0..height {
            let (y0, y1, v) = between(y, height, h);
            for x in 0..width {
                let (x0, x1, u) = between(x, width, w);
                let row = |y: usize| map[y * w + x0] * (1.0 - u) + map[y * w + x1] * u;
                data.extend_from_slice(&colour(row(y0) * (1.0 - v) + row(y1) * v));
            }
        }
        Ok(data)
    }
}

fn colour(value: f32) -> [u8; 3] {
    let at = value.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f32;
    let low = (at as usize).min(COLOURS.len() - 2);
    let share = at - low as f32;
    std::array::from_fn(|c| {
        (COLOURS[low][c] * (1.0 - share) + COLOURS[low + 1][c] * share).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_from_black_to_white_and_get_brighter() {
        assert_eq!((colour(-1.0), colour(1.0)), ([0, 0, 0], [255, 255, 240]));
        let brightness: Vec<u32> = (0..=100)
            .map(|i| colour(i as f32 / 100.0).iter().map(|c| u32::from(*c)).sum())
            .collect();
        assert!(brightness.windows(2).all(|w| w[0] <= w[1]));
    }
}
