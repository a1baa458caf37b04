//! From the options of a run to its session, in one call.

use super::{Session, SessionOptions};
use crate::Result;
use crate::gpu::Gpu;
use crate::io::Dataset;
use crate::plan::PlanOptions;
use crate::run::{About, InitialWeights, Opening, Options, Trainer, load_frozen};
use std::sync::Arc;

impl Session<'_> {
    /// A session of the run that options describe, in the folder that they name: resumed where it
    /// holds a run (with the kernels that the run began with), or begun there. `overwrite` without
    /// `continue_train` replaces a run.
    ///
    /// A resumed run continues with these options, not with those that it wrote down before:
    /// [`Options::resumed`] reads these.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for options that cannot work,
    /// [`Error::File`](crate::Error::File) for data that cannot be read, or a folder that holds a
    /// run that cannot be resumed, and what the device reports.
    pub fn open(gpu: &Gpu, mut options: Options) -> Result<Self> {
        options.check_run()?;
        let path = options.folder();
        let opening = if options.run.overwrite && !options.run.continue_train {
            Opening::create(&path, true)?
        } else {
            Opening::resume_or_create(&path)?
        };
        let dataset = Arc::new(Dataset::open(options.dataset()?)?);
        let model = options.resolve(&dataset)?;
        let plan = opening.plan_options(gpu, &model, options.plan())?;
        let of_samples = PlanOptions { tuning: plan.tuning.clone(), ..PlanOptions::default() };
        let mut trainer = Trainer::new(gpu, model, plan)?;
        load_frozen(&options, &trainer)?;
        let mut notes = options.notes();
        if opening.found().is_none() {
            notes.extend(InitialWeights::read(&options)?.load(&trainer)?);
        }
        let about = About::new(&options, &trainer)?;
        let folder = opening.open(&mut trainer, about)?;
        let (schedule, own) = (options.schedule(), SessionOptions::from(&options));
        let nothing = &mut |_, _| {};
        let mut session =
            Self::with_progress(trainer, dataset, folder, schedule, own, of_samples, nothing)?;
        notes.into_iter().for_each(|note| session.note(note));
        Ok(session)
    }
}
