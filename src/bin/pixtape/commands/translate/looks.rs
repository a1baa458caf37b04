//! What becomes of label maps before they are translated: edits, and the look of each instance.

use super::args::TranslateArgs;
use super::inputs::Job;
use pixtape::io::{AnyPicture, IndexMap, LabelEdit};
use pixtape::run::{Checkpoint, Encoder, FEATURES_FILE, FeatureCentres, Look, weights_name};
use pixtape::train::{Features, Over};
use pixtape::{Error, Result};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Centres of features, and which of them instances get.
pub(super) struct Looks {
    file: PathBuf,
    centres: FeatureCentres,
    over: Over,
    /// Labels that were met and have no centre.
    missing: RefCell<BTreeSet<u32>>,
}

/// What features are averaged over, or painted onto.
pub(super) fn over(checkpoint: &Checkpoint) -> Over {
    match &checkpoint.options {
        Some(options) if options.hd.label_feat => Over::Labels,
        _ => Over::Instances,
    }
}

impl Looks {
    /// Those of the file that is named, or of the run's own where nothing else says which features
    /// its generator gets.
    pub(super) fn of(args: &TranslateArgs, checkpoint: &Checkpoint) -> Result<Option<Looks>> {
        let own = checkpoint.options.as_ref().and_then(|options| options.features());
        let default = args.checkpoint.join(FEATURES_FILE);
        let by_images = args.images.is_some() || args.encoder.is_some();
        let file = match (&args.features, &checkpoint.options) {
            (Some(file), _) => file.clone(),
            (None, Some(_)) if own.is_some() && !by_images && default.exists() => default,
            (None, _) if args.style.is_some() => {
                let why = "--style needs features by label: write them with `pixtape features`, \
                           or give --features";
                return Err(Error::Usage(why.into()));
            }
            _ => return Ok(None),
        };
        if checkpoint.options.is_some() && own.is_none() {
            let why = "--features are for generators with features, and this one has none; leave \
                       it out";
            return Err(Error::file(file, why));
        }
        let centres = FeatureCentres::read(&file)?;
        match own.map(|own| own.channels()).filter(|channels| *channels != centres.channels()) {
            Some(channels) => Err(Error::file(
                file,
                format!("has {} features, the generator takes {channels}", centres.channels()),
            )),
            None => {
                let looks =
                    Looks { over: over(checkpoint), missing: RefCell::default(), file, centres };
                looks.tell_of_age(args);
                Ok(Some(looks))
            }
        }
    }

    /// What the generator gets.
    pub(super) fn features(&self) -> Features {
        Features::Given(self.centres.channels())
    }

    /// Says so if the run's own file is of another encoder than the weights that are used.
    fn tell_of_age(&self, args: &TranslateArgs) {
        let encoder = args.checkpoint.join(weights_name(&args.epoch, "E"));
        if self.file != args.checkpoint.join(FEATURES_FILE) || !encoder.exists() {
            return;
        }
        let now = Encoder::read(&encoder).ok().and_then(|encoder| encoder.step());
        if let (Some(made), Some(now)) = (self.centres.about["step"].as_u64(), now)
            && made != now
        {
            eprintln!(
                "note: {} was made at step {made} and the weights are of step {now}; `pixtape \
                 features` makes it anew",
                self.file.display()
            );
        }
    }

    /// Features for each pixel of a scene.
    pub(super) fn paint(
        &self,
        args: &TranslateArgs,
        scene: &Scene,
        job: &Job,
    ) -> Result<AnyPicture> {
        let name = job.from.file_stem().unwrap_or_default().to_string_lossy();
        let look = args.style.map_or(Look::Random(args.seed, &name), Look::Style);
        let regions = match self.over {
            Over::Instances => scene.instances()?,
            Over::Labels => scene.labels()?,
        };
        let missing = &mut self.missing.borrow_mut();
        self.centres.paint(scene.labels()?, regions, look, missing).map(AnyPicture::F32)
    }

    /// Says which labels had no features.
    pub(super) fn tell_of_missing(&self) {
        let missing: Vec<String> = self.missing.borrow().iter().map(u32::to_string).collect();
        if !missing.is_empty() {
            let labels = if missing.len() == 1 { "label" } else { "labels" };
            eprintln!(
                "note: {} has no features of {labels} {}; theirs are 0",
                self.file.display(),
                missing.join(", ")
            );
        }
    }
}

/// The maps of a sample.
pub(super) struct Scene {
    /// Labels, of generators from label maps.
    pub labels: Option<IndexMap>,
    /// Instances, where the generator or its features know some.
    pub instances: Option<IndexMap>,
}

impl Scene {
    /// The map of labels.
    pub(super) fn labels(&self) -> Result<&IndexMap> {
        self.labels.as_ref().ok_or_else(|| Error::Internal("a scene without labels".into()))
    }

    /// The map of instances.
    pub(super) fn instances(&self) -> Result<&IndexMap> {
        self.instances.as_ref().ok_or_else(|| Error::Internal("instances without a file".into()))
    }

    /// Makes edits one after another. Where there are no instances, labels are what is edited.
    pub(super) fn edit(&mut self, edits: &[LabelEdit], classes: u32, job: &Job) -> Result<()> {
        if edits.is_empty() {
            return Ok(());
        }
        let Some(labels) = &mut self.labels else {
            return Err(Error::Usage("--edit goes with label maps; leave it out".into()));
        };
        let mut copy = self.instances.is_none().then(|| labels.clone());
        for edit in edits {
            let instances = self.instances.as_mut().or(copy.as_mut());
            let instances = instances.expect("a copy where there are none");
            edit.apply(labels, instances, classes)
                .map_err(|e| Error::file(&job.from, e.to_string()))?;
        }
        Ok(())
    }
}
