//! What pix2pixHD's networks see beside an image: a map of labels as one channel for each class, or
//! an image, and the edges between instances.

use crate::error::{Error, Result};
use crate::picture::{Encoding, PictureFormat, Plane};
use crate::shape::Channels;
use crate::tape::{Tape, Tensor};

/// The input of pix2pixHD without features.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Condition {
    /// What the image is made from.
    pub source: Source,
    /// Whether the edges between instances are given too.
    pub edges: bool,
}

/// What an image is made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A map of labels of so many classes.
    Labels(u32),
    /// An image of so many channels.
    Image(u32),
}

/// Names of the planes.
pub(super) const LABEL: &str = "label";
pub(super) const INPUT: &str = "input";
pub(super) const INSTANCES: &str = "instances";
pub(super) const IMAGE: &str = "image";
pub(super) const FEATURES: &str = "features";

impl Condition {
    /// The condition of a generator on so many channels, of which `features` are features.
    ///
    /// # Errors
    /// [`Error::Usage`] if nothing is left for labels.
    pub fn of_channels(input_nc: u32, edges: bool, features: u32) -> Result<Condition> {
        let classes = input_nc.checked_sub(u32::from(edges) + features).filter(|n| *n > 0);
        let classes = classes.ok_or_else(|| {
            Error::Usage(format!(
                "a generator on {input_nc} channels has none for labels beside {features} \
                 features{}",
                if edges { " and the edges of instances" } else { "" }
            ))
        })?;
        Ok(Condition { source: Source::Labels(classes), edges })
    }

    /// The name of the first plane.
    pub fn first(&self) -> &'static str {
        match self.source {
            Source::Labels(_) => LABEL,
            Source::Image(_) => INPUT,
        }
    }

    /// The planes that it is made of: labels or an image, and instances if their edges are given or
    /// they are needed for features.
    pub fn planes(&self, format: PictureFormat, instances: bool) -> Vec<Plane> {
        let first = match self.source {
            Source::Labels(_) => Plane::map(LABEL, Encoding::Labels),
            Source::Image(channels) => Plane::image(INPUT, channels, format),
        };
        let instances = instances || self.edges;
        let instances = instances.then(|| Plane::map(INSTANCES, Encoding::Instances));
        [first].into_iter().chain(instances).collect()
    }

    /// Its channels: those of the classes, or of the image, then one of edges.
    pub fn channels(&self) -> Channels {
        let (Source::Labels(first) | Source::Image(first)) = self.source;
        let edges = self.edges.then(|| Channels::new(1));
        let parts: Vec<Channels> = [Channels::new(first)].into_iter().chain(edges).collect();
        Channels::concat(&parts).expect("two parts at most")
    }

    /// Its channels and those of further parts.
    ///
    /// # Errors
    /// [`Error::Usage`] for more parts than a tensor has.
    pub fn with(&self, more: &[Channels]) -> Result<Channels> {
        let parts: Vec<Channels> = [self.channels()].iter().chain(more).copied().collect();
        Channels::concat(&parts).ok_or_else(|| Error::Usage("too many parts".into()))
    }

    /// Records its parts from the values of its planes: `[n, h, w, classes]` or the image, then
    /// `[n, h, w, 1]`.
    ///
    /// # Errors
    /// [`Error::Usage`] without instances where their edges are given, [`Error::Shape`] for planes
    /// of other shapes.
    pub fn record(
        &self,
        tape: &mut Tape,
        first: Tensor,
        instances: Option<Tensor>,
    ) -> Result<Vec<Tensor>> {
        let mut parts = vec![match self.source {
            Source::Labels(classes) => tape.one_hot(first, classes)?,
            Source::Image(_) => first,
        }];
        if self.edges {
            let instances =
                instances.ok_or_else(|| Error::Usage("edges need a map of instances".into()))?;
            parts.push(tape.instance_edges(instances)?);
        }
        Ok(parts)
    }
}
