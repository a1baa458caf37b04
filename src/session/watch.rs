//! Watchers: each looks for one thing that goes wrong in such trainings, and reports it once, with
//! what usually helps.
//!
//! They see what is logged and nothing else, so a resumed run shows them its logs and continues
//! where it stood.

use crate::train::Description;
use std::collections::BTreeSet;

/// Steps that a state of D must last before it is worth a word.
const LONG: u64 = 1000;
/// Epochs without a better mean distance that count as a plateau, and how much better counts.
const PLATEAU_EPOCHS: u64 = 20;
const PLATEAU_GAIN: f64 = 0.01;
/// Weight of a new value in the running means: about 100 steps.
const NEW: f64 = 0.01;

/// Something worth saying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The step.
    pub step: u64,
    /// A short name: `d_wins`, `d_collapsed`, `plateau`, `dead_generator`, `inverted`.
    pub kind: &'static str,
    /// What was seen, and what usually helps; options of a run in backticks.
    pub message: String,
}

/// Losses of a step that the watchers look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub step: u64,
    pub epoch: u64,
    /// Sum of the losses that measure distance; as logged: weighted.
    pub distance: f64,
    /// The losses that say how well real and fake are told apart, in the model's order.
    pub discriminators: Vec<f64>,
}

impl Seen {
    /// From losses by name; one that is missing counts as 0.
    pub fn new(
        model: &Description,
        step: u64,
        epoch: u64,
        value: impl Fn(&str) -> Option<f64>,
    ) -> Seen {
        let discriminators =
            model.discriminators().map(|loss| value(loss.name).unwrap_or(0.0)).collect();
        Seen { step, epoch, distance: model.distance(value), discriminators }
    }
}

/// How the outputs of a few inputs differ, in 8-bit levels: see [`Watch::outputs`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The largest standard deviation within one output.
    pub within: f64,
    /// The same for the targets.
    pub targets: f64,
    /// The largest mean difference between two outputs, and between two inputs.
    pub between: f64,
    pub inputs: f64,
}

/// Outputs that are like negatives of their inputs: correlation below this, for so many steps.
const INVERTED: f64 = -0.3;
const INVERTED_STEPS: u64 = 300;

#[derive(Debug)]
pub struct Watch {
    model: Description,
    said: BTreeSet<String>,
    /// Running means of D's loss and of its distance from chance.
    d: Option<(f64, f64)>,
    /// Steps in a row in which D won, or had collapsed.
    winning: u64,
    collapsed: u64,
    epoch: Epoch,
    /// The best epoch's mean distance, and which it was.
    best: Option<(f64, u64)>,
    /// Since when each generator's outputs have been like negatives.
    inverted: Vec<Option<u64>>,
}

/// The epoch under way: number, sum of distances, steps.
#[derive(Debug, Default)]
struct Epoch {
    number: u64,
    sum: f64,
    steps: u64,
}

impl Watch {
    /// `said`: kinds that were said in an earlier part of the run.
    pub fn new(model: Description, said: BTreeSet<String>) -> Watch {
        let inverted = vec![None; model.generators.len()];
        Watch {
            model,
            said,
            d: None,
            winning: 0,
            collapsed: 0,
            epoch: Epoch::default(),
            best: None,
            inverted,
        }
    }

    /// Looks at a step's losses.
    pub fn losses(&mut self, seen: Seen) -> Vec<Remark> {
        [self.discriminator(&seen), self.plateau(&seen)].into_iter().flatten().collect()
    }

    fn discriminator(&mut self, seen: &Seen) -> Option<Remark> {
        let chance = self.model.discriminator_chance()?;
        let least = self.model.discriminator_least()?;
        let count = seen.discriminators.len() as f64;
        let d = seen.discriminators.iter().sum::<f64>() / count;
        let levels = self.model.discriminators().filter_map(|loss| loss.chance);
        let off = seen.discriminators.iter().zip(levels).map(|(d, level)| (d - level).abs());
        let off = off.sum::<f64>() / count;
        let (mean, mean_off) =
            self.d.map_or((d, off), |(m, o)| (m + NEW * (d - m), o + NEW * (off - o)));
        self.d = Some((mean, mean_off));
        let count = |long: &mut u64, now: bool| *long = if now { *long + 1 } else { 0 };
        count(&mut self.winning, mean - least < 0.1 * (chance - least));
        count(&mut self.collapsed, mean_off < 0.03 * (chance - least) || mean > 3.0 * chance);
        if self.winning >= LONG {
            let message = format!(
                "D has been winning for {LONG} steps (its loss is {mean:.3} on average, \
                 {chance:.3} is chance): G learns from {} alone now; a lower rate for D, \
                 fewer layers (`n_layers_D` 2, `netD` pixel) or `gan_mode` lsgan usually help",
                self.distances(", ")
            );
            return self.say("d_wins", seen.step, message);
        }
        if self.collapsed >= LONG {
            let message = format!(
                "D has been uninformative for {LONG} steps (its loss is {mean:.3} on average, \
                 {chance:.3} is chance): G gets no adversarial signal; {}raise D's rate or \
                 `ndf`, or start again with another `seed`",
                if self.model.paired {
                    "check that the halves of the pairs are not swapped (`direction`), "
                } else {
                    ""
                }
            );
            return self.say("d_collapsed", seen.step, message);
        }
        None
    }

    fn plateau(&mut self, seen: &Seen) -> Option<Remark> {
        if seen.epoch != self.epoch.number {
            let over = std::mem::replace(
                &mut self.epoch,
                Epoch { number: seen.epoch, sum: 0.0, steps: 0 },
            );
            if over.steps > 0 {
                let mean = over.sum / over.steps as f64;
                if self.best.is_none_or(|(best, _)| mean < best * (1.0 - PLATEAU_GAIN)) {
                    self.best = Some((mean, over.number));
                }
            }
        }
        self.epoch.sum += seen.distance;
        self.epoch.steps += 1;
        let (best, since) = self.best?;
        if best > 0.0 && seen.epoch > since + PLATEAU_EPOCHS {
            let message = format!(
                "{} has not improved by {:.0} % since epoch {since} (mean {best:.3}): more \
                 epochs at this rate bring little; let the rate fall (`n_epochs_decay`), \
                 {}or give the net more (`ngf`, more images)",
                self.distances(" + "),
                100.0 * PLATEAU_GAIN,
                if self.model.paired { "compare with val/ for overfitting, " } else { "" }
            );
            return self.say("plateau", seen.step, message);
        }
        None
    }

    /// Looks at the outputs of a generator, by its place in the model, on a few inputs.
    pub fn outputs(&mut self, step: u64, generator: usize, spread: Spread) -> Option<Remark> {
        let flat = spread.within < 1.0 && spread.targets > 4.0;
        let same = spread.between < 0.25 && spread.inputs > 4.0;
        let what = match (flat, same) {
            (true, _) => "each output is one flat colour",
            (_, true) => "the outputs are the same for different inputs",
            _ => return None,
        };
        let name = self.generator(generator);
        let pairs =
            if self.model.paired { "check that inputs and targets belong together, " } else { "" };
        let message = format!(
            "{name} is dead: {what}; start again with a lower `lr` or another `seed`, {pairs}and \
             leave `norm` as it is by default"
        );
        self.say("dead_generator", step, message)
    }

    /// Looks at the correlation between each generator's outputs and inputs: Pearson's, of gray
    /// values. Below zero light becomes dark: a known dead end of training without pairs, out of
    /// which no cycle loss leads.
    pub fn correlations(&mut self, step: u64, found: &[f64]) -> Option<Remark> {
        let mut remark = None;
        for (net, (since, found)) in self.inverted.iter_mut().zip(found.iter().copied()).enumerate()
        {
            let first = since.get_or_insert(step);
            if found >= INVERTED || found.is_nan() {
                *since = None;
            } else if step >= *first + INVERTED_STEPS {
                remark.get_or_insert((net, step - *first, found));
            }
        }
        let (net, steps, found) = remark?;
        let net = self.generator(net);
        let message = format!(
            "{net} has turned light into dark for {steps} steps (correlation of input and output \
             {found:.2}): cycles allow negatives, and it seldom comes back by itself; \
             start again with a larger `lambda_identity`, a smaller `init_gain` (0.01), or another `seed`"
        );
        self.say("inverted", step, message)
    }

    /// Names of the losses that measure distance.
    fn distances(&self, between: &str) -> String {
        self.model.distances().map(|loss| loss.name).collect::<Vec<_>>().join(between)
    }

    fn generator(&self, at: usize) -> &'static str {
        self.model.generators.get(at).map_or("G", |generator| generator.name)
    }

    fn say(&mut self, kind: &'static str, step: u64, message: String) -> Option<Remark> {
        self.said.insert(kind.into()).then_some(Remark { step, kind, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::train::{CycleGanConfig, GanMode, Model, Pix2PixConfig};

    const CHANCE: f64 = std::f64::consts::LN_2;

    fn watch(gan_mode: GanMode, label_smoothing: f32, said: &[&str]) -> Watch {
        let config = Pix2PixConfig { gan_mode, label_smoothing, ..Pix2PixConfig::default() };
        Watch::new(config.describe(), said.iter().map(|kind| kind.to_string()).collect())
    }

    /// One whose losses have no level of chance.
    fn without_chance() -> Watch {
        watch(GanMode::Wgangp, 0.0, &[])
    }

    fn unpaired() -> Watch {
        Watch::new(CycleGanConfig::default().describe(), BTreeSet::new())
    }

    fn seen(step: u64, d_real: f64, d_fake: f64) -> Seen {
        Seen { step, epoch: 1, distance: 1.0, discriminators: vec![d_real, d_fake] }
    }

    fn kinds(watch: &mut Watch, steps: impl Iterator<Item = Seen>) -> Vec<(&'static str, u64)> {
        steps.flat_map(|seen| watch.losses(seen)).map(|r| (r.kind, r.step)).collect()
    }

    fn steady(count: u64, d_real: f64, d_fake: f64) -> impl Iterator<Item = Seen> {
        (1..=count).map(move |step| seen(step, d_real, d_fake))
    }

    #[test]
    fn each_state_of_d_is_said_once_and_only_if_it_lasts() {
        let smoothed = |smoothing| watch(GanMode::Vanilla, smoothing, &[]);
        let new = || smoothed(0.0);
        assert_eq!(kinds(&mut new(), steady(3000, 0.01, 0.02)), [("d_wins", LONG)]);
        assert_eq!(kinds(&mut new(), steady(3000, CHANCE, CHANCE + 0.01)), [("d_collapsed", LONG)]);
        assert_eq!(kinds(&mut new(), steady(3000, 5.0, 4.0)), [("d_collapsed", LONG)]);
        assert_eq!(kinds(&mut new(), steady(LONG - 1, 0.01, 0.02)), []);
        // Labels smoothed to 0.9: D's loss on real pictures is no less than their entropy, 0.325,
        // and each loss has its own level of chance.
        assert_eq!(kinds(&mut smoothed(0.1), steady(3000, 0.327, 0.02)), [("d_wins", LONG)]);
        assert_eq!(kinds(&mut smoothed(0.1), steady(3000, 0.778, 0.598)), [("d_collapsed", LONG)]);
        assert_eq!(kinds(&mut smoothed(0.1), steady(3000, 0.5, 0.4)), []);
        // Healthy: near chance on average, but not at each step.
        let healthy = (1..=5000).map(|step| {
            let d = if step % 2 == 0 { 0.4 } else { 0.95 };
            seen(step, d, 1.3 - d)
        });
        assert_eq!(kinds(&mut new(), healthy), []);
        assert_eq!(kinds(&mut without_chance(), steady(3000, 0.0, 0.0)), []);
        let mut said = watch(GanMode::Vanilla, 0.0, &["d_wins"]);
        assert_eq!(kinds(&mut said, steady(3000, 0.01, 0.02)), []);
        // Two discriminators, each with one loss.
        assert_eq!(kinds(&mut unpaired(), steady(3000, 0.01, 0.02)), [("d_wins", LONG)]);
        assert_eq!(kinds(&mut unpaired(), steady(3000, 0.25, 0.251)), [("d_collapsed", LONG)]);
    }

    #[test]
    fn an_l1_that_stays_is_a_plateau_and_a_log_read_again_gives_the_same() {
        let row = |step: u64, l1: fn(u64) -> f64| Seen {
            step,
            epoch: step.div_ceil(10),
            distance: l1(step.div_ceil(10)),
            discriminators: vec![0.5; 2],
        };
        let falling = |epoch: u64| 100.0 * 0.98f64.powi(epoch as i32);
        let stuck = |epoch: u64| 10.0 + 5.0 / epoch.min(7) as f64;
        assert_eq!(kinds(&mut without_chance(), (1..=600).map(|s| row(s, falling))), []);
        let mut whole = without_chance();
        assert_eq!(
            kinds(&mut whole, (1..=600).map(|s| row(s, stuck))),
            [("plateau", 10 * (7 + PLATEAU_EPOCHS) + 1)]
        );
        let mut first = without_chance();
        assert_eq!(kinds(&mut first, (1..=137).map(|s| row(s, stuck))), []);
        assert_eq!(
            kinds(&mut first, (138..=600).map(|s| row(s, stuck))),
            [("plateau", 10 * (7 + PLATEAU_EPOCHS) + 1)]
        );
    }

    #[test]
    fn negatives_are_said_once_if_they_last() {
        let mut watch = unpaired();
        let looks: Vec<_> = (0..20)
            .filter_map(|k| watch.correlations(100 * k, &[0.5, if k == 4 { 0.1 } else { -0.8 }]))
            .collect();
        assert_eq!(looks.iter().map(|r| (r.kind, r.step)).collect::<Vec<_>>(), [("inverted", 300)]);
        assert!(looks[0].message.contains("G_B"), "{}", looks[0].message);
        let mut watch = unpaired();
        assert!((0..20).all(|k| {
            watch.correlations(100 * k, &[-0.2, if k % 3 == 0 { 0.1 } else { -0.9 }]).is_none()
        }));
    }

    #[test]
    fn a_generator_without_variance_is_dead() {
        let alive = Spread { within: 30.0, targets: 50.0, between: 12.0, inputs: 40.0 };
        let mut watch = without_chance();
        assert_eq!(watch.outputs(1, 0, alive), None);
        // Flat targets ask for flat outputs; one input alone says nothing of others.
        assert_eq!(watch.outputs(1, 0, Spread { within: 0.0, targets: 0.0, ..alive }), None);
        assert_eq!(watch.outputs(1, 0, Spread { between: 0.0, inputs: 0.0, ..alive }), None);
        let mut same = without_chance();
        assert!(
            same.outputs(2, 0, Spread { between: 0.0, ..alive })
                .unwrap()
                .message
                .contains("the same")
        );
        assert!(
            watch.outputs(3, 0, Spread { within: 0.5, ..alive }).unwrap().message.contains("flat")
        );
        assert_eq!(watch.outputs(4, 0, Spread { within: 0.5, ..alive }), None, "once");
    }
}
