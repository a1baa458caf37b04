//! Where values come from: defaults, a run's own options, files, a command line.

use super::choice::{Choice, DatasetMode, ModelKind};
use super::file::written;
use super::flag::{Kept, Set};
use super::place::Place;
use super::table::{Flag, Options, flags};
use crate::run::names::OPTIONS;
use crate::train::GanMode;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::path::Path;

/// What one source says: values of some options. Of two for the same option the later one counts.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    given: Vec<(&'static Flag, Set<Options>)>,
}

impl Layer {
    /// A layer of words: `Layer::of(&[("netG", "unet_128"), ("no_flip", "true")])`.
    ///
    /// # Errors
    /// [`Error::Usage`] or [`Error::Config`] for an unknown name or a value that its option does
    /// not take.
    pub fn of(words: &[(&str, &str)]) -> Result<Layer> {
        let mut layer = Layer::default();
        for (name, word) in words {
            let (flag, negated) = Flag::named(name)
                .ok_or_else(|| Error::Usage(format!("`{name}`: there is no such option")))?;
            let word = if negated { "false" } else { *word };
            let set =
                flag.parse(word).map_err(|why| Error::Usage(format!("`{name}` {word}: {why}")))?;
            layer.give(flag, set);
        }
        Ok(layer)
    }

    /// Adds a value.
    pub fn give(&mut self, flag: &'static Flag, set: Set<Options>) {
        self.given.push((flag, set));
    }

    /// Whether it has a value for an option.
    pub fn gives(&self, name: &str) -> bool {
        self.given.iter().any(|(flag, _)| flag.name == name)
    }

    /// Whether it has no value for any option.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// What of it belongs to a model.
    pub fn of_model(&self, model: ModelKind) -> Layer {
        let given = self.given.iter().filter(|(flag, _)| flag.is_of(model));
        Layer { given: given.cloned().collect() }
    }

    /// Flags that it gives a value to.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> + '_ {
        self.given.iter().map(|(flag, _)| *flag)
    }

    /// What the folder of a run has written down, but for what a resumed run does not inherit.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, or does not say what its networks are.
    pub fn of_run(folder: &Path) -> Result<Layer> {
        Layer::of_json(&written(folder)?).map_err(|why| {
            Error::file(folder.join("options.json"), format!("options of another version: {why}"))
        })
    }

    /// The same of what options.json holds. What it does not know is left alone; what it lacks is
    /// what older runs meant, or the default.
    pub(in crate::run) fn of_json(options: &Value) -> Result<Layer, String> {
        let mut layer = Layer::default();
        let model = options.get("model").and_then(Value::as_str).map(ModelKind::of_word);
        let model = model.transpose()?.unwrap_or(ModelKind::Pix2Pix);
        for flag in flags().filter(|flag| flag.kept == Kept::Run) {
            let set = match (options.get(flag.name), flag.older) {
                (Some(value), _) => flag.read(value),
                (None, _) if flag.required && flag.is_of(model) => {
                    return Err(format!("{} is missing", flag.name));
                }
                (None, Some(word)) => flag.parse(word),
                (None, None) => continue,
            };
            layer.give(flag, set.map_err(|why| format!("{}: {why}", flag.name))?);
        }
        Ok(layer)
    }
}

impl Flag {
    /// The flag of a name, and whether the name is that of its [`Opposite`](super::Opposite).
    pub fn named(name: &str) -> Option<(&'static Flag, bool)> {
        flags().find_map(|flag| match flag.opposite {
            _ if flag.name == name || flag.aliases.contains(&name) => Some((flag, false)),
            Some(opposite) if opposite.name == name => Some((flag, true)),
            _ => None,
        })
    }
}

impl Options {
    /// The defaults of the model that the layers name, and over them the layers in order: a run's
    /// own options, which may be of another model, then what is given at a start.
    ///
    /// # Errors
    /// [`Error::Usage`] or [`Error::Config`] for an option of another model, and for values that do
    /// not go together.
    pub fn from_layers(own: Option<&Layer>, given: &[&Layer]) -> Result<Options> {
        let options = Options::laid(own, given);
        let foreign = |flag: &&Flag| !flag.is_of(options.model);
        if let Some(flag) = given.iter().flat_map(|layer| layer.flags()).find(foreign) {
            return Err(Error::Usage(format!(
                "`{}` does not apply to `model` {}; leave it out",
                flag.name, options.model
            )));
        }
        options.check()?;
        Ok(options)
    }

    /// The options of a start: of a new run, or with `continue_train` of the run of that name, if
    /// there is one.
    ///
    /// # Errors
    /// As [`from_layers`](Self::from_layers) and [`resumed`](Self::resumed).
    pub fn started(given: &[&Layer]) -> Result<Options> {
        let first = Options::laid(None, given);
        if !first.run.continue_train {
            return Options::from_layers(None, given);
        }
        first.check_name()?;
        let folder = first.folder();
        if !folder.join(OPTIONS).exists() {
            // What is started again by a scheduler is started a first time too.
            if first.dataroot.is_none() {
                let why =
                    "`continue_train`: holds no run yet, and for a new one `dataroot` is missing";
                return Err(Error::file(folder, why));
            }
            return Options::from_layers(None, given);
        }
        Options::resumed(&folder, given)
    }

    /// The options of the run in a folder, with what is given at the start laid over them.
    ///
    /// # Errors
    /// [`Error::File`] if there is no run, or one of options that cannot be read; as
    /// [`from_layers`](Self::from_layers).
    pub fn resumed(folder: &Path, given: &[&Layer]) -> Result<Options> {
        let own = Layer::of_run(folder)?;
        let mut options = Options::from_layers(Some(&own), given)?;
        let anew = |name: &str| given.iter().any(|layer| layer.gives(name));
        let place = Place::of(folder)?;
        for (name, path) in [("dataroot", &mut options.dataroot), ("vgg", &mut options.hd.vgg)] {
            if let Some(path) = path.as_mut().filter(|_| !anew(name)) {
                *path = place.now(path);
            }
        }
        let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
            return Err(Error::file(folder, "cannot be the folder of a run"));
        };
        options.run.checkpoints_dir = parent.into();
        options.run.name = name.to_string_lossy().into();
        options.run.continue_train = true;
        Ok(options)
    }

    /// Layers over each other, unchecked.
    fn laid(own: Option<&Layer>, given: &[&Layer]) -> Options {
        let layers = || own.into_iter().chain(given.iter().copied()).flat_map(|l| &l.given);
        let mut named = Options::new(ModelKind::Pix2Pix);
        layers()
            .filter(|(flag, _)| flag.name == "model")
            .for_each(|(_, set)| set.apply(&mut named));
        let mut options = Options::new(named.model);
        layers().for_each(|(_, set)| set.apply(&mut options));
        if options.model == ModelKind::Colorization {
            options.data.dataset_mode = DatasetMode::Colorization;
        }
        if options.hd.no_lsgan {
            options.optim.gan_mode = GanMode::Vanilla;
        }
        options
    }

    /// The options that a run wrote down.
    ///
    /// # Errors
    /// As [`Layer::of_run`].
    pub fn of_run(folder: &Path) -> Result<Options> {
        Options::from_layers(Some(&Layer::of_run(folder)?), &[])
    }

    /// What can be read of the options of a run of any version, for pages about it; the rest is as
    /// by default.
    pub fn readable(options: &Value) -> Options {
        let mut layer = Layer::default();
        for flag in flags() {
            let set = match (options.get(flag.name), flag.older) {
                (Some(value), _) => flag.read(value),
                (None, Some(word)) => flag.parse(word),
                (None, None) => continue,
            };
            set.into_iter().for_each(|set| layer.give(flag, set));
        }
        Options::laid(None, &[&layer])
    }

    /// The options as they are written down: everything that decides what a run makes.
    pub fn to_json(&self) -> Value {
        self.json_of(|flag| flag.kept != Kept::Start)
    }

    /// What the files of a run say of its options: what decides what they are good for. Nothing in
    /// it depends on where a run lies or how far it is to go.
    pub fn of_files(&self) -> Value {
        self.json_of(|flag| flag.kept != Kept::Start && !flag.incidental)
    }

    fn json_of(&self, wanted: impl Fn(&Flag) -> bool) -> Value {
        let rows = flags()
            .filter(|flag| wanted(flag) && flag.is_written_by(self.model))
            .map(|flag| (flag, (flag.write)(self)));
        let rows = rows.filter(|(flag, value)| !(flag.sparse && value.is_null()));
        Value::Object(Map::from_iter(rows.map(|(flag, value)| (flag.name.to_string(), value))))
    }
}
