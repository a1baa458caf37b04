//! One training step, in the reference's order.

use crate::nets::{PatchGan, Unet};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor};

const LR: f64 = 2e-4;
const LAMBDA_L1: f64 = 100.0;

/// Networks and optimizers.
pub struct Trainer {
    generator: Unet,
    discriminator: PatchGan,
    adam_g: ModuleOptimizer,
    adam_d: ModuleOptimizer,
    device: Device,
}

/// Binary cross-entropy on logits, against all ones or all zeros.
fn bce(logits: Tensor<4>, real: bool) -> Tensor<1> {
    log_sigmoid(if real { logits } else { logits.neg() }).mean().neg()
}

/// Counts what is trained. Burn's own count includes the norms' running statistics.
struct Count(usize);

impl ModuleVisitor for Count {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if value.is_require_grad() {
            self.0 += value.shape().num_elements();
        }
    }
}

impl Trainer {
    pub fn new(depth: usize, ngf: usize, device: Device) -> Trainer {
        let adam =
            || AdamConfig::new().with_beta_1(0.5).with_beta_2(0.999).with_epsilon(1e-8).init();
        Trainer {
            generator: Unet::new(ngf, depth, &device),
            discriminator: PatchGan::new(ngf, &device),
            adam_g: adam(),
            adam_d: adam(),
            device,
        }
    }

    /// Trainable numbers: generator, discriminator.
    pub fn parameters(&self) -> [usize; 2] {
        let count = |visit: &dyn Fn(&mut Count)| {
            let mut count = Count(0);
            visit(&mut count);
            count.0
        };
        [count(&|c| self.generator.visit(c)), count(&|c| self.discriminator.visit(c))]
    }

    /// One step; the losses come back when the device is done: G's adversarial and L1 terms, D's
    /// real and fake.
    pub fn step(&mut self, input: Tensor<4>, target: Tensor<4>) -> Result<[f32; 4], String> {
        let fake = self.generator.forward(input.clone());
        let pair = |output: Tensor<4>| Tensor::cat(vec![input.clone(), output], 1);

        // Two batches: one would mix the statistics of the norms.
        let d_fake = bce(self.discriminator.forward(pair(fake.clone().detach())), false);
        let d_real = bce(self.discriminator.forward(pair(target.clone())), true);
        let loss = (d_fake.clone() + d_real.clone()) * 0.5;
        let gradients = GradientsParams::from_grads(loss.backward(), &self.discriminator);
        self.discriminator = self.adam_d.step(LR, self.discriminator.clone(), gradients);

        // No gradients for D's weights here; its norms still use the batch's statistics, which
        // `freeze` would stop.
        let frozen = self.discriminator.clone().no_grad();
        let g_gan = bce(frozen.forward(pair(fake.clone())), true);
        let g_l1 = (fake - target).abs().mean() * LAMBDA_L1;
        let loss = g_gan.clone() + g_l1.clone();
        let gradients = GradientsParams::from_grads(loss.backward(), &self.generator);
        self.generator = self.adam_g.step(LR, self.generator.clone(), gradients);

        // Reading a loss does not wait for the Adam queued behind it.
        self.device.sync().map_err(|e| format!("the device failed: {e}"))?;
        Ok([g_gan, g_l1, d_real, d_fake].map(|loss| loss.into_scalar::<f32>()))
    }
}
