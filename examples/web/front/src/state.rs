//! What leaves a training and comes back: weights for the program, and states.

use crate::trainer::Trainer;
use crate::{Js, told};
use pixtape::Result;
use pixtape::io::checkpoint::{TensorFile, moments_bytes, weights_bytes};
use pixtape::io::weights::WeightsFile;
use pixtape::nets::Weights;
use wasm_bindgen::prelude::*;

/// All that a training needs to go on elsewhere: on another device, after its own was lost.
#[wasm_bindgen]
pub struct Snapshot {
    networks: Vec<Vec<u8>>,
    moments: Vec<u8>,
    steps: u64,
}

#[wasm_bindgen]
impl Trainer {
    /// The generator as safetensors, which the program reads.
    pub async fn weights(&self) -> Js<Vec<u8>> {
        self.network(self.training.generator().weights(), 1).await.map_err(told)
    }

    /// Everything that the training has learnt.
    pub async fn snapshot(&self) -> Js<Snapshot> {
        self.state().await.map_err(told)
    }

    /// Goes on where a training of the same size was.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Js<()> {
        self.load(snapshot).map_err(told)
    }
}

impl Trainer {
    async fn network(&self, weights: &Weights, passes: u64) -> Result<Vec<u8>> {
        let (gpu, store) = (self.training.program().gpu(), self.training.store());
        weights_bytes(gpu, store, weights, passes * self.training.steps(), None).await
    }

    async fn state(&self) -> Result<Snapshot> {
        let all = self.training.networks();
        let mut networks = Vec::new();
        for (_, weights, passes) in &all {
            networks.push(self.network(weights, *passes).await?);
        }
        let named: Vec<_> = all.iter().map(|(name, weights, _)| (*name, *weights)).collect();
        let (gpu, store) = (self.training.program().gpu(), self.training.store());
        let moments = moments_bytes(gpu, store, &named, None).await?;
        Ok(Snapshot { networks, moments, steps: self.training.steps() })
    }

    fn load(&mut self, snapshot: &Snapshot) -> Result<()> {
        let parse = |bytes: &[u8]| {
            let file = WeightsFile::parse(bytes).map_err(pixtape::Error::Internal)?;
            Ok::<_, pixtape::Error>(TensorFile::default().with(file))
        };
        let (gpu, store) = (self.training.program().gpu(), self.training.store());
        let all = self.training.networks();
        for ((_, weights, _), bytes) in all.iter().zip(&snapshot.networks) {
            parse(bytes)?.load_into(gpu, store, weights)?;
        }
        let named: Vec<_> = all.iter().map(|(name, weights, _)| (*name, *weights)).collect();
        parse(&snapshot.moments)?.load_moments(gpu, store, &named)?;
        self.training.set_steps(snapshot.steps);
        Ok(())
    }
}
