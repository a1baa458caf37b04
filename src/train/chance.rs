//! Adversarial losses where the discriminator cannot tell real from fake: the level of chance,
//! which a log of losses is read against.

use super::GanMode;

/// Losses under a discriminator that gives every image the one answer that costs it least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// The generator's loss. None under hinge, where every answer from -1 to 1 costs the
    /// discriminator the same.
    pub generator: Option<f64>,
    /// The discriminator's loss on real images.
    pub real: f64,
    /// The discriminator's loss on generated images.
    pub fake: f64,
    /// The smallest possible loss on real images: smoothed labels keep cross-entropy above 0. On
    /// generated images it is 0.
    pub least_real: f64,
}

impl Chance {
    /// The levels of a loss whose label for real images is `1 - smoothing`. None for losses that
    /// have no such level: those of WGAN are differences of scores.
    pub fn of(mode: GanMode, smoothing: f64) -> Option<Chance> {
        // Generated images have the label 0; the best single answer is the mean of both labels.
        let label = 1.0 - smoothing;
        let answer = label / 2.0;
        let level: fn(f64, f64) -> f64 = match mode {
            GanMode::Vanilla => cross_entropy,
            GanMode::Lsgan => |label, answer| (answer - label).powi(2),
            GanMode::Hinge => |_, _| 1.0,
            GanMode::Wgangp => return None,
        };
        Some(Chance {
            // The generator aims at the whole label.
            generator: (mode != GanMode::Hinge).then(|| level(1.0, answer)),
            real: level(label, answer),
            fake: level(0.0, answer),
            least_real: if mode == GanMode::Vanilla { cross_entropy(label, label) } else { 0.0 },
        })
    }

    /// The generator's loss at a weight; none at weight 0.
    pub fn weighted_generator(&self, weight: f64) -> Option<f64> {
        self.generator.filter(|_| weight > 0.0).map(|level| weight * level)
    }

    /// Mean of the discriminator's two losses.
    pub fn discriminator(&self) -> f64 {
        (self.real + self.fake) / 2.0
    }

    /// The same for losses that are sums over `scales` discriminators.
    #[must_use]
    pub fn summed_over(self, scales: u32) -> Chance {
        let n = f64::from(scales);
        Chance {
            generator: self.generator.map(|level| n * level),
            real: n * self.real,
            fake: n * self.fake,
            least_real: n * self.least_real,
        }
    }
}

/// Of a label and an answer, both probabilities.
fn cross_entropy(label: f64, answer: f64) -> f64 {
    let part = |label: f64, answer: f64| if label == 0.0 { 0.0 } else { -label * answer.ln() };
    part(label, answer) + part(1.0 - label, 1.0 - answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{abs_diff_eq, assert_abs_diff_eq};

    const MODES: [GanMode; 4] = [GanMode::Vanilla, GanMode::Lsgan, GanMode::Hinge, GanMode::Wgangp];

    /// The generator's loss on a logit, and the discriminator's on real and generated images, as
    /// `gan.rs` records them.
    fn losses(mode: GanMode, logit: f64, smoothing: f64) -> [f64; 3] {
        let bce = |target: f64| logit.max(0.0) - logit * target + (-logit.abs()).exp().ln_1p();
        match mode {
            GanMode::Vanilla => [bce(1.0), bce(1.0 - smoothing), bce(0.0)],
            GanMode::Lsgan => {
                [(logit - 1.0).powi(2), (logit - 1.0 + smoothing).powi(2), logit.powi(2)]
            }
            GanMode::Hinge => [-logit, (1.0 - logit).max(0.0), (1.0 + logit).max(0.0)],
            GanMode::Wgangp => [-logit, -logit, logit],
        }
    }

    #[test]
    fn levels_are_the_losses_of_the_best_single_answer() {
        let logits = || (-4000..=4000).map(|i| f64::from(i) / 1000.0);
        for (mode, smoothing) in
            MODES.into_iter().flat_map(|mode| [0.0, 0.1, 0.3].map(|s| (mode, s)))
        {
            let Some(chance) = Chance::of(mode, smoothing) else {
                assert_eq!(mode, GanMode::Wgangp);
                continue;
            };
            let mean = |logit: f64| losses(mode, logit, smoothing)[1..].iter().sum::<f64>() / 2.0;
            let best = logits().min_by(|a, b| mean(*a).total_cmp(&mean(*b))).unwrap();
            let (found, level) = (mean(best), chance.discriminator());
            assert!(
                abs_diff_eq!(found, level, epsilon = 1e-6),
                "{mode} {smoothing}: {found} and {level}"
            );
            let Some(generator) = chance.weighted_generator(0.5) else {
                // All answers between are as good: the generator's loss may be any of theirs.
                assert_eq!(mode, GanMode::Hinge);
                assert_abs_diff_eq!(mean(-1.0), mean(1.0), epsilon = 1e-12);
                continue;
            };
            let at_best = losses(mode, best, smoothing);
            for (level, loss) in [
                (generator, 0.5 * at_best[0]),
                (chance.real, at_best[1]),
                (chance.fake, at_best[2]),
            ] {
                assert!(
                    abs_diff_eq!(level, loss, epsilon = 2e-3),
                    "{mode} {smoothing}: {level} and {loss}"
                );
            }
            // The least: real and generated images told apart as well as possible.
            let [real, fake] = [1, 2].map(|at| {
                logits().map(|l| losses(mode, l * 10.0, smoothing)[at]).fold(f64::MAX, f64::min)
            });
            assert!(
                abs_diff_eq!(real, chance.least_real, epsilon = 2e-4),
                "{mode} {smoothing}: {real}"
            );
            assert!(abs_diff_eq!(fake, 0.0, epsilon = 2e-4), "{mode} {smoothing}: {fake}");
        }
    }

    #[test]
    fn a_generator_without_weight_has_no_level_and_scales_add_up() {
        let one = Chance::of(GanMode::Lsgan, 0.0).unwrap();
        assert_eq!((one.weighted_generator(0.0), one.weighted_generator(2.0)), (None, Some(0.5)));
        let three = one.summed_over(3);
        assert_eq!((three.generator, three.real, three.fake), (Some(0.75), 0.75, 0.75));
    }
}
