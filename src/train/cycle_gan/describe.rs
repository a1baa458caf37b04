//! What the losses of CycleGAN mean, and what its sample grids show.

use super::CycleGanConfig;
use crate::train::Chance;
use crate::train::description::{Column, Content, Description, Loss, Mapping, Role};

/// The planes of a sample.
pub(super) const PLANES: [&str; 2] = ["A", "B"];
/// Public names of the networks' files, and sets of the store.
pub(super) const GENERATORS: [&str; 2] = ["G_A", "G_B"];
/// Those of the generators' moving averages.
pub(super) const AVERAGES: [&str; 2] = ["G_A_ema", "G_B_ema"];
pub(super) const DISCRIMINATORS: [&str; 2] = ["D_A", "D_B"];

impl CycleGanConfig {
    /// Whether there are identity terms.
    pub(super) fn has_identity(&self) -> bool {
        self.lambda_identity > 0.0
    }
}

pub(super) fn describe(config: &CycleGanConfig) -> Description {
    let chance = Chance::of(config.gan_mode, 0.0);
    let losses = |side: usize| {
        let [d, g, cycle, identity] =
            [["D_A", "G_A", "cycle_A", "idt_A"], ["D_B", "G_B", "cycle_B", "idt_B"]][side];
        let identity = config.has_identity().then(|| {
            let label = "change of an image that the generator should keep, weighted";
            Loss::new(identity, Role::Regulariser, label)
        });
        [
            Loss::new(d, Role::Discriminator, "discriminator on real and generated images")
                .with_chance(chance.map(|c| c.discriminator())),
            Loss::new(g, Role::Generator, "adversarial loss of the generator")
                .with_chance(chance.and_then(|c| c.generator)),
            Loss::new(cycle, Role::Distance, "distance from the image after the cycle, weighted"),
        ]
        .into_iter()
        .chain(identity)
    };
    let columns = |[real, fake, rec, identity]: [&'static str; 4], side: usize| {
        let (there, back) = (GENERATORS[side], GENERATORS[1 - side]);
        let identity = config
            .has_identity()
            .then(|| Column { name: identity, content: Content::generated(back, real) });
        [
            Column { name: real, content: Content::Plane(PLANES[side]) },
            Column { name: fake, content: Content::generated(there, real) },
            Column { name: rec, content: Content::generated(back, fake) },
        ]
        .into_iter()
        .chain(identity)
    };
    Description {
        losses: losses(0).chain(losses(1)).collect(),
        generators: [0, 1]
            .map(|side| Mapping {
                name: GENERATORS[side],
                from: PLANES[side],
                to: PLANES[1 - side],
            })
            .to_vec(),
        paired: false,
        columns: columns(["real_A", "fake_B", "rec_A", "idt_B"], 0)
            .chain(columns(["real_B", "fake_A", "rec_B", "idt_A"], 1))
            .collect(),
    }
}
