//! A training in the page.

use crate::device::Device;
use crate::{Js, demo, pixels, refused, told};
use pixtape::nets::Mode;
use pixtape::ops::NormMode;
use pixtape::train::{Losses, Pix2Pix, Translator};
use pixtape::{PlanOptions, Result};
use wasm_bindgen::prelude::*;

/// A training of the demo's net, the pairs that it learns from, and its generator ready to be
/// looked at.
///
/// `losses` takes it exclusively until it resolves: nothing else may be called meanwhile.
#[wasm_bindgen]
pub struct Trainer {
    pub(crate) training: Pix2Pix,
    looks: Translator,
    side: u32,
    seed: u64,
    /// RGB bytes of input and target.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

#[wasm_bindgen]
impl Trainer {
    /// A new training for images of a side, with `ngf` channels in both nets, without pairs.
    pub fn create(device: &Device, side: u32, ngf: u32, seed: u32) -> Js<Trainer> {
        let make = || -> Result<Trainer> {
            let (gpu, options) = (&device.gpu, PlanOptions::default());
            let config = demo::config(side, ngf, seed.into());
            let training = Pix2Pix::new(gpu, config, options.clone())?;
            let mode = Mode::run(NormMode::Batch, false);
            let (store, net) = (training.store(), training.generator());
            let looks = Translator::new(gpu, store, net, side, side, mode, options)?;
            Ok(Trainer { training, looks, side, seed: seed.into(), pairs: Vec::new() })
        };
        make().map_err(told)
    }

    /// Adds pairs that the demo draws.
    pub fn draw_pairs(&mut self) {
        let draw = |number| demo::pair(self.seed, number, false, self.side);
        self.pairs = (0..demo::PAIRS).map(draw).collect();
    }

    /// Adds a pair, given as RGBA bytes.
    pub fn add_pair(&mut self, input: &[u8], target: &[u8]) -> Js<()> {
        let bytes = self.side as usize * self.side as usize * 4;
        match (pixels::from_rgba(input, 3), pixels::from_rgba(target, 3)) {
            (Some(a), Some(b)) if input.len() == bytes && target.len() == bytes => {
                self.pairs.push((a, b));
                Ok(())
            }
            _ => {
                let why = format!("a pair that is not of {0}x{0} pixels", self.side);
                Err(refused("Error", &why))
            }
        }
    }

    /// Pairs to learn from.
    pub fn pair_count(&self) -> usize {
        self.pairs.len()
    }

    /// Names of the losses, in the order of [`losses`](Self::losses).
    pub fn loss_names(&self) -> Vec<String> {
        self.training.description().losses.iter().map(|loss| loss.name.to_string()).collect()
    }

    /// What a step takes.
    pub fn describe(&self) -> String {
        let program = self.training.program();
        let flop = program.plan().cost().flop as f64 / 1e9;
        let dispatches = program.dispatch_count();
        let weights: usize = self.training.networks().iter().map(|(_, w, _)| w.count()).sum();
        format!("{weights} weights, {dispatches} dispatches and {flop:.2} GFLOP a step")
    }

    /// Steps submitted so far.
    pub fn steps(&self) -> f64 {
        self.training.steps() as f64
    }

    /// Submits a step and waits for nothing. Call [`losses`](Self::losses) after it.
    pub fn submit(&mut self, rate: f64) -> Js<()> {
        let count = self.pairs.len() as u64;
        if count == 0 {
            return Err(refused("Error", "there are no pairs to learn from"));
        }
        let at = demo::place(self.seed, self.training.steps(), count);
        let (input, target) = &self.pairs[at];
        self.training.submit_pair(input, target, rate).map_err(told)
    }

    /// Waits until at most `in_flight` steps are on their way. Returns a row for each step whose
    /// losses have arrived: its number, then the losses.
    pub async fn losses(&mut self, in_flight: usize) -> Js<Vec<f64>> {
        let row = |l: &Losses| -> Vec<f64> {
            let values = l.named.iter().map(|(_, value)| f64::from(*value));
            std::iter::once(l.step as f64).chain(values).collect()
        };
        let rows = self.training.losses(in_flight).await.map_err(told)?;
        Ok(rows.iter().flat_map(row).collect())
    }

    /// RGBA of what the generator makes of RGBA bytes of the training's size.
    pub async fn translate(&self, rgba: Vec<u8>) -> Js<Vec<u8>> {
        let input = pixels::from_rgba(&rgba, 3).unwrap_or_default();
        let output = self.looks.run(&input, 0, 0).await.map_err(told)?;
        Ok(pixels::to_rgba(&output, 3))
    }
}
