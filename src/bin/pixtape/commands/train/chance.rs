//! What the adversarial losses are where D cannot tell real from fake, so that a log can be read.

use pixtape::train::GanMode;

/// Losses of a D that gives everything one answer, the one that costs it least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chance {
    /// G's, with its weight, as it is logged. None under hinge, where every answer from -1 to 1
    /// costs D the same, and where the weight is 0.
    pub g_gan: Option<f64>,
    /// D's on real pictures.
    pub d_real: f64,
    /// D's on made ones.
    pub d_fake: f64,
    /// The least that the mean of D's two losses can be. Smoothed labels keep cross-entropy above
    /// 0.
    pub least: f64,
    /// Whether there are two games, as in CycleGAN: the losses are then `G_A` and `G_B` of the
    /// generators, `D_A` and `D_B` of the discriminators, each the mean of what is real and what is
    /// made.
    two: bool,
}

impl Chance {
    /// None for losses without such a level (wgangp: they are differences of scores).
    pub fn of(mode: GanMode, lambda_gan: f64, smoothing: f64) -> Option<Chance> {
        // Real pictures have this label, made ones 0; the best single answer is the mean of the
        // two.
        let label = 1.0 - smoothing;
        let answer = label / 2.0;
        let (level, g_gan): (fn(f64, f64) -> f64, bool) = match mode {
            GanMode::Vanilla => (cross_entropy, true),
            GanMode::Lsgan => (|label, answer| (answer - label).powi(2), true),
            GanMode::Hinge => (|_, _| 1.0, false),
            GanMode::Wgangp => return None,
        };
        Some(Chance {
            // G asks for the whole label.
            g_gan: (g_gan && lambda_gan > 0.0).then(|| lambda_gan * level(1.0, answer)),
            d_real: level(label, answer),
            d_fake: level(0.0, answer),
            least: if mode == GanMode::Vanilla { cross_entropy(label, label) / 2.0 } else { 0.0 },
            two: false,
        })
    }

    /// The same for a model without pairs, which has neither that weight nor smoothing.
    pub fn unpaired(mode: GanMode) -> Option<Chance> {
        let one = Chance::of(mode, 1.0, 0.0)?;
        Some(Chance { d_real: one.d(), d_fake: one.d(), two: true, ..one })
    }

    /// Mean of D's two losses.
    pub fn d(&self) -> f64 {
        (self.d_real + self.d_fake) / 2.0
    }

    /// The losses that have a level, by name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let (g, real, fake) = (self.g_gan, Some(self.d_real), Some(self.d_fake));
        let losses = if self.two {
            [("G_A", g), ("G_B", g), ("D_A", real), ("D_B", fake)]
        } else {
            [("G_GAN", g), ("", None), ("D_real", real), ("D_fake", fake)]
        };
        losses.into_iter().filter_map(|(name, level)| Some((name, level?)))
    }

    /// Each level with the names of the losses that have it.
    pub fn levels(&self) -> Vec<(f64, String)> {
        let mut levels: Vec<(f64, Vec<&str>)> = Vec::new();
        for (name, level) in self.named() {
            match levels.iter_mut().find(|(other, _)| (other - level).abs() < 1e-9) {
                Some((_, names)) => names.push(name),
                None => levels.push((level, vec![name])),
            }
        }
        let joined = |names: Vec<&str>| match names.split_last() {
            Some((last, [])) => last.to_string(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
            None => String::new(),
        };
        levels.into_iter().map(|(level, names)| (level, joined(names))).collect()
    }

    /// The levels for a line of losses: one number where all have it.
    pub fn text(&self) -> String {
        match &self.levels()[..] {
            [(level, _)] if self.g_gan.is_some() => format!("{level:.3}"),
            _ => self.by_name(),
        }
    }

    /// The levels with the names of all losses.
    pub fn by_name(&self) -> String {
        self.levels()
            .iter()
            .map(|(level, names)| format!("{names} {level:.3}"))
            .collect::<Vec<_>>()
            .join(", ")
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

    const MODES: [GanMode; 4] = [GanMode::Vanilla, GanMode::Lsgan, GanMode::Hinge, GanMode::Wgangp];

    /// D's losses on logits, and G's, as `src/train/gan.rs` records them.
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
            let Some(chance) = Chance::of(mode, 0.5, smoothing) else {
                assert_eq!(mode, GanMode::Wgangp);
                continue;
            };
            let mean = |logit: f64| losses(mode, logit, smoothing)[1..].iter().sum::<f64>() / 2.0;
            let best = logits().min_by(|a, b| mean(*a).total_cmp(&mean(*b))).unwrap();
            assert!(
                (mean(best) - chance.d()).abs() < 1e-6,
                "{mode} {smoothing}: {} and {}",
                mean(best),
                chance.d()
            );
            let Some(g_gan) = chance.g_gan else {
                // All answers between are as good: G's loss may be any of theirs.
                assert!(mode == GanMode::Hinge && (mean(-1.0) - mean(1.0)).abs() < 1e-12);
                continue;
            };
            let wanted = losses(mode, best, smoothing);
            for (level, loss) in
                [(g_gan, 0.5 * wanted[0]), (chance.d_real, wanted[1]), (chance.d_fake, wanted[2])]
            {
                assert!((level - loss).abs() < 2e-3, "{mode} {smoothing}: {level} and {loss}");
            }
            // The least: real and made pictures told apart as well as can be.
            let least = [1, 2]
                .map(|at| {
                    logits().map(|l| losses(mode, l * 10.0, smoothing)[at]).fold(f64::MAX, f64::min)
                })
                .iter()
                .sum::<f64>()
                / 2.0;
            assert!(
                (least - chance.least).abs() < 1e-4,
                "{mode} {smoothing}: {least} and {}",
                chance.least
            );
        }
    }

    #[test]
    fn equal_levels_are_said_once_and_others_by_name() {
        let text = |mode, lambda, smoothing| {
            Chance::of(mode, lambda, smoothing).map(|c| c.text()).unwrap_or_default()
        };
        assert_eq!(text(GanMode::Vanilla, 1.0, 0.0), "0.693");
        assert_eq!(text(GanMode::Lsgan, 1.0, 0.0), "0.250");
        assert_eq!(text(GanMode::Lsgan, 0.5, 0.0), "G_GAN 0.125, D_real and D_fake 0.250");
        assert_eq!(text(GanMode::Vanilla, 0.0, 0.0), "D_real and D_fake 0.693");
        assert_eq!(text(GanMode::Hinge, 1.0, 0.0), "D_real and D_fake 1.000");
        assert_eq!(text(GanMode::Vanilla, 1.0, 0.1), "G_GAN 0.799, D_real 0.778, D_fake 0.598");
        assert_eq!(text(GanMode::Wgangp, 1.0, 0.0), "");
        let by_name =
            |mode| Chance::unpaired(mode).map(|c| (c.text(), c.by_name())).unwrap_or_default();
        assert_eq!(by_name(GanMode::Lsgan), ("0.250".into(), "G_A, G_B, D_A and D_B 0.250".into()));
        assert_eq!(by_name(GanMode::Hinge).0, "D_A and D_B 1.000");
        assert!(Chance::unpaired(GanMode::Wgangp).is_none());
    }
}
