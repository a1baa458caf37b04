//! The description of a model beside its step: what its losses mean, what its generators map, and
//! what its sample grids show. Watchers, charts, logs and grids go by it and know no model by name.

/// What a model is to those who watch it train.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Its losses, in the order in which they are logged.
    pub losses: Vec<Loss>,
    /// Its generators.
    pub generators: Vec<Mapping>,
    /// Whether the images of a sample belong together, so that an output can be compared with the
    /// target of its input.
    pub paired: bool,
    /// Columns of its sample grids; one row for each sample.
    pub columns: Vec<Column>,
}

/// A loss of a step, as it is logged: with its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Its name in logs: `G_L1` for example.
    pub name: &'static str,
    /// What it measures.
    pub role: Role,
    /// The same in a few words, for charts.
    pub label: &'static str,
    /// Its value where the discriminator cannot tell real from fake, if there is such a level.
    pub chance: Option<f64>,
    /// The smallest value that it can have.
    pub least: f64,
}

/// What a loss measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Adversarial loss of a generator.
    Generator,
    /// A discriminator's loss on real images.
    Real,
    /// A discriminator's loss on generated images.
    Fake,
    /// Mean of a discriminator's losses on real and on generated images.
    Discriminator,
    /// A further term of a discriminator: a gradient penalty.
    Penalty,
    /// Distance of a generator's output from its target, or from the input after a cycle: the
    /// measure of progress, which the plateau watcher and the plateau learning rate follow.
    Distance,
    /// A further term of a generator: identity, total variation.
    Regulariser,
}

/// What a generator maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The network's public name: `G`, `G_A`.
    pub name: &'static str,
    /// The plane of the images that it takes.
    pub from: &'static str,
    /// The plane whose images it imitates.
    pub to: &'static str,
}

/// A column of a sample grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading: `real_A`, `fake_B`.
    pub name: &'static str,
    /// What it shows.
    pub content: Content,
}

/// What a column of a sample grid shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A plane of the sample.
    Plane(&'static str),
    /// What a generator makes of an earlier column.
    Generated {
        /// Name of the generator.
        generator: &'static str,
        /// Name of the column.
        from: &'static str,
    },
}

impl Loss {
    /// A loss without a level of chance, and 0 as its least value.
    pub fn new(name: &'static str, role: Role, label: &'static str) -> Loss {
        Loss { name, role, label, chance: None, least: 0.0 }
    }

    /// With a level of chance.
    #[must_use]
    pub fn with_chance(self, chance: Option<f64>) -> Loss {
        Loss { chance, ..self }
    }

    /// With its smallest possible value.
    #[must_use]
    pub fn with_least(self, least: f64) -> Loss {
        Loss { least, ..self }
    }

    /// Name and label, for people.
    pub fn title(&self) -> String {
        format!("{}: {}", self.name, self.label)
    }
}

impl Role {
    /// Whether it is a discriminator's loss, which says how well real and fake are told apart.
    pub fn is_discriminator(self) -> bool {
        matches!(self, Role::Real | Role::Fake | Role::Discriminator)
    }

    /// Whether it falls while a generator learns, rather than being a move in the game between
    /// generator and discriminator.
    pub fn falls(self) -> bool {
        matches!(self, Role::Distance | Role::Regulariser)
    }
}

impl Content {
    /// What `generator` makes of the column `from`.
    pub fn generated(generator: &'static str, from: &'static str) -> Content {
        Content::Generated { generator, from }
    }
}

impl Description {
    /// The loss of a name.
    pub fn loss(&self, name: &str) -> Option<&Loss> {
        self.losses.iter().find(|loss| loss.name == name)
    }

    /// The losses of the discriminators that say how well real and fake are told apart.
    pub fn discriminators(&self) -> impl Iterator<Item = &Loss> {
        self.losses.iter().filter(|loss| loss.role.is_discriminator())
    }

    /// The losses that measure distance: see [`Role::Distance`].
    pub fn distances(&self) -> impl Iterator<Item = &Loss> {
        self.losses.iter().filter(|loss| loss.role == Role::Distance)
    }

    /// Sum of the distances among a step's losses.
    pub fn distance(&self, value: impl Fn(&str) -> Option<f64>) -> f64 {
        self.distances().filter_map(|loss| value(loss.name)).fold(0.0, |sum, v| sum + v)
    }

    /// The losses that have a level of chance: generators' first.
    pub fn with_chance(&self) -> Vec<(&'static str, f64)> {
        let of = |generators: bool| {
            let losses = self.losses.iter();
            losses.filter(move |loss| (loss.role == Role::Generator) == generators)
        };
        of(true).chain(of(false)).filter_map(|loss| Some((loss.name, loss.chance?))).collect()
    }

    /// Mean of the discriminators' losses at chance, if they have such a level.
    pub fn discriminator_chance(&self) -> Option<f64> {
        mean(self.discriminators().map(|loss| loss.chance))
    }

    /// The smallest possible mean of the discriminators' losses, if there are any.
    pub fn discriminator_least(&self) -> Option<f64> {
        mean(self.discriminators().map(|loss| Some(loss.least)))
    }

    /// Each level of chance with the names of the losses that have it: `G_GAN, D_real and D_fake`.
    pub fn chance_levels(&self) -> Vec<(f64, String)> {
        let mut levels: Vec<(f64, Vec<&str>)> = Vec::new();
        for (name, level) in self.with_chance() {
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

    /// The levels of chance for a line of losses: one number where all adversarial losses have it.
    pub fn chance_text(&self) -> String {
        let mut adversarial =
            self.losses.iter().filter(|l| l.role == Role::Generator || l.role.is_discriminator());
        match &self.chance_levels()[..] {
            [(level, _)] if adversarial.all(|loss| loss.chance.is_some()) => format!("{level:.3}"),
            _ => self.chance_by_name(),
        }
    }

    /// The levels of chance with the names of all losses that have them.
    pub fn chance_by_name(&self) -> String {
        let levels = self.chance_levels();
        let texts: Vec<_> =
            levels.iter().map(|(level, names)| format!("{names} {level:.3}")).collect();
        texts.join(", ")
    }
}

/// Mean of values, if there are any and all are known.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use crate::train::{CycleGanConfig, GanMode, Model, Pix2PixConfig};
    use approx::assert_abs_diff_eq;

    #[test]
    fn equal_levels_are_said_once_and_others_by_name() {
        let text = |gan_mode, lambda_gan, label_smoothing| {
            let config =
                Pix2PixConfig { gan_mode, lambda_gan, label_smoothing, ..Pix2PixConfig::default() };
            config.describe().chance_text()
        };
        assert_eq!(text(GanMode::Vanilla, 1.0, 0.0), "0.693");
        assert_eq!(text(GanMode::Lsgan, 1.0, 0.0), "0.250");
        assert_eq!(text(GanMode::Lsgan, 0.5, 0.0), "G_GAN 0.125, D_real and D_fake 0.250");
        assert_eq!(text(GanMode::Vanilla, 0.0, 0.0), "D_real and D_fake 0.693");
        assert_eq!(text(GanMode::Hinge, 1.0, 0.0), "D_real and D_fake 1.000");
        assert_eq!(text(GanMode::Vanilla, 1.0, 0.1), "G_GAN 0.799, D_real 0.778, D_fake 0.598");
        assert_eq!(text(GanMode::Wgangp, 1.0, 0.0), "");
        let unpaired = |gan_mode| {
            let model = CycleGanConfig { gan_mode, ..CycleGanConfig::default() }.describe();
            (model.chance_text(), model.chance_by_name())
        };
        let all = "G_A, G_B, D_A and D_B 0.250";
        assert_eq!(unpaired(GanMode::Lsgan), ("0.250".into(), all.into()));
        assert_eq!(unpaired(GanMode::Hinge).0, "D_A and D_B 1.000");
    }

    #[test]
    fn the_discriminators_mean_is_of_all_their_losses() {
        let model = Pix2PixConfig { label_smoothing: 0.1, ..Pix2PixConfig::default() }.describe();
        let (chance, least) = (model.discriminator_chance(), model.discriminator_least());
        assert_abs_diff_eq!(chance.unwrap(), 0.688_14, epsilon = 1e-4);
        assert_abs_diff_eq!(least.unwrap(), 0.162_54, epsilon = 1e-4);
        let values = |name: &str| (name == "G_L1").then_some(3.5);
        assert_eq!((model.distance(values), model.distance(|_| None)), (3.5, 0.0));
        let wgan = Pix2PixConfig { gan_mode: GanMode::Wgangp, ..Pix2PixConfig::default() };
        assert_eq!(wgan.describe().discriminator_chance(), None);
    }
}
