//! When a loss or a weight is no longer finite: nothing of it is saved, the batch is kept as
//! images, and the steps since the last checkpoint run again, the last ones node by node, to find
//! where it begins.

use super::{Event, Session};
use crate::io::{AnyPicture, Batch, Depth, Loader, Picture, create_dir};
use crate::picture::{PictureValues, Plane, PlaneValues};
use crate::run::{newest, write_json};
use crate::{Error, Result};
use serde_json::json;
use std::path::PathBuf;

/// Longer than this nobody waits for an explanation.
const MOST_SECONDS: f64 = 900.0;

impl Session<'_> {
    /// Explains a divergence seen at `step`: `what` (a loss or a tensor) was `value`.
    pub(super) fn diverged(&mut self, step: u64, what: &str, value: f32) -> Result<String> {
        let saved = newest(self.folder.path()).ok().flatten().map(|found| found.state.step);
        let images = self.keep_batch(step);
        let cause = self.find_node(step);
        let (kind, mut parts) = match cause {
            Ok(Cause::None) => ("device", not_again(step, what, value)),
            cause => ("nan", diverged(step, what, value, images, cause)),
        };
        if let Some(saved) = saved {
            parts.insert(
                1,
                format!(
                    "the checkpoint of step {saved} is the last good one, and a resumed run starts \
                     from it"
                ),
            );
        }
        let message = parts.join("; ");
        let logged =
            self.folder.events.line(&json!({ "step": step, "kind": kind, "message": message }));
        if let Err(e) = logged.and_then(|()| self.folder.flush()) {
            self.emit(Event::Warning(e.to_string()))?;
        }
        Ok(message)
    }

    /// Writes the batch of a step: a row per sample, and the names of its files.
    fn keep_batch(&self, step: u64) -> Result<Option<PathBuf>> {
        let Some((_, batch)) = self.recent.iter().find(|(s, _)| *s == step) else {
            return Ok(None);
        };
        let folder = self.folder.path().join("diverged");
        create_dir(&folder)?;
        let path = folder.join(format!("step_{step}.png"));
        Picture::grid(&self.images(batch)?, 4)?.save_png(&path)?;
        // Names that are not UTF-8 as far as they go: JSON has no others.
        let files: Vec<_> = batch.paths.iter().map(|path| path.to_string_lossy()).collect();
        write_json(
            &folder.join(format!("step_{step}.json")),
            &json!({ "step": step, "epoch": batch.epoch, "files": files }),
        )?;
        Ok(Some(path))
    }

    /// The images and maps of a batch as the model read them: values from -1 to 1 are shown from
    /// black to white, indices by their last 8 bits.
    fn images(&self, batch: &Batch) -> Result<Vec<Vec<Picture>>> {
        let (width, height) = self.dataset.image_size();
        let one = |at: usize, plane: &Plane, values: &PlaneValues| -> Result<Option<Picture>> {
            let size = (width * height * plane.channels) as usize;
            let range = at * size..(at + 1) * size;
            let bytes = match values {
                PlaneValues::Image(PictureValues::Bytes(bytes)) => bytes[range].to_vec(),
                PlaneValues::Image(PictureValues::Floats(values)) => {
                    let (values, size) = (&values[range], (width, height));
                    AnyPicture::from_values(values, size, plane.channels, Depth::U8, None)?
                        .to_8bit(None)
                        .data
                }
                PlaneValues::Indices(indices) => indices[range].iter().map(|i| *i as u8).collect(),
                PlaneValues::Vector(_) => return Ok(None),
            };
            Ok(Some(Picture::new(width, height, plane.channels, bytes)?.visible()))
        };
        let planes = self.dataset.planes();
        let row = |at: usize| {
            let planes = planes.iter().zip(&batch.planes);
            planes.filter_map(|(plane, (_, values))| one(at, plane, values).transpose()).collect()
        };
        (0..batch.paths.len()).map(row).collect()
    }

    /// Runs the steps since the last checkpoint again, the one before `step` and `step` node by
    /// node. The trainer is not to be used after this.
    fn find_node(&mut self, step: u64) -> Result<Cause> {
        let Some(found) = newest(self.folder.path())? else { return Ok(Cause::Unknown) };
        let steps = step.saturating_sub(found.state.step);
        if steps as f64 * self.pace.seconds_per_step() > MOST_SECONDS || steps == 0 {
            return Ok(Cause::Unknown);
        }
        self.emit(Event::Searching { step, steps })?;
        found.load(&mut self.trainer)?;
        self.schedule.state = found.state.schedule;
        let mut loader = Loader::new(
            self.dataset.clone(),
            found.state.epoch,
            found.state.batch,
            self.options.threads,
        )?;
        while self.trainer.steps() < step {
            if self.stops() {
                return Ok(Cause::Unknown);
            }
            let batch = loader.next()?;
            if self.schedule.frees(batch.epoch, self.trainer.steps()) {
                self.trainer.restart_generators()?;
            }
            let (next, rate) = (self.trainer.steps() + 1, self.schedule.at(batch.epoch));
            if next + 1 < step {
                self.trainer.step(&batch.values(), rate)?;
                continue;
            }
            self.trainer.finish()?;
            self.trainer.set_planes(&batch.values())?;
            match pollster::block_on(
                self.trainer.program().run_checked(&self.trainer.values(next, rate)),
            ) {
                Ok(()) => self.trainer.set_steps(next),
                Err(Error::Check { node, label, message }) => {
                    return Ok(Cause::Node(format!(
                        "it begins in step {next} at node {node} {label:?}: {message}"
                    )));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(Cause::None)
    }
}

/// Where values that are not finite come from.
enum Cause {
    /// A node of the plan, in a sentence.
    Node(String),
    /// Nothing of the kind happened when the same steps ran again.
    None,
    /// It was not searched for.
    Unknown,
}

/// What is said of a divergence that happens again. `kept`: where the images of the step are.
fn diverged(
    step: u64,
    what: &str,
    value: f32,
    kept: Result<Option<PathBuf>>,
    cause: Result<Cause>,
) -> Vec<String> {
    let mut parts =
        vec![format!("{what} is {value} at step {step}: training has diverged and stops here")];
    match kept {
        Ok(Some(path)) => {
            parts.push(format!("the images of step {step} are in {}", path.display()))
        }
        Ok(None) => {}
        Err(e) => parts.push(format!("the images of step {step} could not be kept ({e})")),
    }
    parts.push(match cause {
        Ok(Cause::Node(node)) => node,
        Ok(_) => "where it begins was not searched: the last checkpoint is too far back \
                  (`save_latest_freq` sets how often there is one)"
            .into(),
        Err(e) => format!("where it begins could not be found ({e})"),
    });
    parts.push(
        "a lower `lr` usually helps, or another `gan_mode`; if one image is to blame, remove it"
            .into(),
    );
    parts
}

/// What is said of one that does not: equal steps give equal bits on a device that works.
fn not_again(step: u64, what: &str, value: f32) -> Vec<String> {
    vec![
        format!(
            "{what} was {value} at step {step}, and did not happen again when the same steps ran \
             again: the device gave a wrong result once (hardware, overclocking, heat or driver), \
             and training stops here"
        ),
        "if it comes back, check the device (`pixtape devices` can)".into(),
    ]
}
