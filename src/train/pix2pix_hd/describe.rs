//! What the losses of pix2pixHD mean, and what its sample grids show.

use super::Pix2PixHdConfig;
use super::condition::IMAGE;
use crate::train::Chance;
use crate::train::description::{Column, Content, Description, Loss, Mapping, Role};

/// Names of the losses.
pub(super) const G_GAN: &str = "G_GAN";
pub(super) const G_GAN_FEAT: &str = "G_GAN_Feat";
pub(super) const G_VGG: &str = "G_VGG";
pub(super) const D_REAL: &str = "D_real";
pub(super) const D_FAKE: &str = "D_fake";

pub(super) fn describe(config: &Pix2PixHdConfig) -> Description {
    let chance = Chance::of(config.gan_mode, 0.0).map(|one| one.summed_over(config.num_d));
    let mut losses = vec![
        Loss::new(G_GAN, Role::Generator, "adversarial loss of the generator, all scales")
            .with_chance(chance.and_then(|c| c.generator)),
    ];
    if config.feature_matching {
        let label = "distance from the target in the discriminator's features, weighted";
        losses.push(Loss::new(G_GAN_FEAT, Role::Distance, label));
    }
    if config.vgg.is_some() {
        let label = "distance from the target in VGG's features, weighted";
        losses.push(Loss::new(G_VGG, Role::Distance, label));
    }
    losses.extend([
        Loss::new(D_REAL, Role::Real, "discriminator on real images, all scales")
            .with_chance(chance.map(|c| c.real)),
        Loss::new(D_FAKE, Role::Fake, "discriminator on generated images, all scales")
            .with_chance(chance.map(|c| c.fake)),
    ]);
    let from = config.condition.first();
    Description {
        losses,
        generators: vec![Mapping { name: "G", from, to: IMAGE }],
        paired: true,
        columns: vec![
            Column { name: "input", content: Content::Plane(from) },
            Column { name: "output", content: Content::generated("G", "input") },
            Column { name: "target", content: Content::Plane(IMAGE) },
        ],
    }
}
