//! What the losses of pix2pix mean, and what its sample grids show.

use super::Pix2PixConfig;
use crate::train::description::{Column, Content, Description, Loss, Mapping, Role};
use crate::train::{Chance, GanMode};

/// The planes of a sample.
pub(super) const PLANES: [&str; 2] = ["input", "target"];

/// Names of the losses.
pub(super) const G_GAN: &str = "G_GAN";
pub(super) const G_L1: &str = "G_L1";
pub(super) const D_REAL: &str = "D_real";
pub(super) const D_FAKE: &str = "D_fake";
pub(super) const G_TV: &str = "G_TV";
pub(super) const D_GP: &str = "D_GP";

impl Pix2PixConfig {
    /// Whether the discriminator has a gradient penalty.
    pub(super) fn has_penalty(&self) -> bool {
        self.gan_mode == GanMode::Wgangp && self.lambda_gp > 0.0
    }
}

pub(super) fn describe(config: &Pix2PixConfig) -> Description {
    // By way of decimals: the weights that were given, rather than the floats nearest to them.
    let given = |value: f32| value.to_string().parse::<f64>().unwrap_or(value.into());
    let chance = Chance::of(config.gan_mode, given(config.label_smoothing));
    let generator = chance.and_then(|c| c.weighted_generator(given(config.lambda_gan)));
    let mut losses = vec![
        Loss::new(G_GAN, Role::Generator, "adversarial loss of the generator, weighted")
            .with_chance(generator),
        Loss::new(G_L1, Role::Distance, "distance from the target, weighted"),
        Loss::new(D_REAL, Role::Real, "discriminator on real pairs")
            .with_chance(chance.map(|c| c.real))
            .with_least(chance.map_or(0.0, |c| c.least_real)),
        Loss::new(D_FAKE, Role::Fake, "discriminator on generated pairs")
            .with_chance(chance.map(|c| c.fake)),
    ];
    if config.lambda_tv > 0.0 {
        losses.push(Loss::new(G_TV, Role::Regulariser, "total variation of the output, weighted"));
    }
    if config.has_penalty() {
        losses.push(Loss::new(D_GP, Role::Penalty, "gradient penalty, weighted"));
    }
    let [input, target] = PLANES;
    Description {
        losses,
        generators: vec![Mapping { name: "G", from: input, to: target }],
        paired: true,
        columns: vec![
            Column { name: "input", content: Content::Plane(input) },
            Column { name: "output", content: Content::generated("G", "input") },
            Column { name: "target", content: Content::Plane(target) },
        ],
    }
}
