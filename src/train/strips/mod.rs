//! A network run in strips of rows, part by part, so that a picture of any size passes a device of
//! any size.
//!
//! The network is cut into [stages](stage::Stage), of one convolution each at most; the maps
//! between them lie on the host. A stage's strips take the rows that they need of what is around
//! them (a kernel's reach, no more, however deep the network), padding included, which is seen at
//! the borders of the picture only. A norm's statistics are those of the whole picture, gathered in
//! f64: the result is that of the whole picture at once, up to rounding, and no seam can show. As
//! the statistics pass through here, they can also be kept from one picture to the next: so video
//! does not flicker.

mod map;
mod stage;
#[cfg(test)]
mod tests;
mod window;

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::nets::{Generator, GeneratorConfig, Mode, ResnetConfig, UnetConfig};
use crate::picture::{Encoding, PictureFormat, Plane, Values, named};
use crate::plan::{Plan, PlanOptions, StepValues};
use crate::shape::Shape;
use crate::store::{Store, StoreId};
use crate::tape::{Source, Tape, Tensor};
use map::{Map, Moments};
use stage::{Stage, Stages};
use std::collections::{HashMap, HashSet};
use std::fmt;
use window::Rows;

/// The statistics of all norms of a network that were taken of a picture, or kept from others.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics(Vec<Moments>);

/// A network on a tape, from the values of its planes to its output.
type Network<'a> = dyn Fn(&mut Tape, &[Tensor]) -> Result<Tensor> + 'a;

/// A network that runs in strips: planes in, an image out.
pub struct Strips<'a> {
    gpu: &'a Gpu,
    store: &'a Store,
    planes: Vec<Plane>,
    network: Box<Network<'a>>,
    rows: u32,
    options: PlanOptions,
}

/// A network recorded for a sample of one size, and cut.
struct Whole {
    tape: Tape,
    inputs: Vec<Tensor>,
    output: Tensor,
    stages: Stages,
}

/// A stage recorded for one strip.
struct Recorded {
    tape: Tape,
    /// The strips of its sources.
    inputs: Vec<Tensor>,
    statistics: Vec<Tensor>,
    output: Tensor,
}

impl fmt::Debug for Strips<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Strips");
        all.field("planes", &self.planes).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<'a> Strips<'a> {
    /// A generator of one image in strips of `rows` rows of it (of smaller maps: of as many of
    /// theirs), on the weights in `store`. Images are given in `format`.
    ///
    /// # Errors
    /// [`Error::Config`] if `mode` has dropout: its masks belong to whole pictures.
    pub fn new(
        gpu: &'a Gpu,
        store: &'a Store,
        net: &'a Generator,
        mode: Mode,
        format: PictureFormat,
        rows: u32,
        options: PlanOptions,
    ) -> Result<Strips<'a>> {
        let dropout = matches!(
            net.config(),
            GeneratorConfig::Unet(UnetConfig { dropout: true, .. })
                | GeneratorConfig::Resnet(ResnetConfig { dropout: true, .. })
        );
        if mode.dropout && dropout {
            let why = "makes one mask for a whole image; turn it off (`dropout` off) with tiles \
                       and sequences";
            return Err(Error::config("dropout", why));
        }
        let mode = Mode { update_running: false, ..mode };
        let plane = Plane::image("input", net.config().input_nc(), format);
        let network =
            move |tape: &mut Tape, planes: &[Tensor]| net.record(tape, store, planes[0], mode);
        Ok(Self::of_planes(gpu, store, vec![plane], network, rows, options))
    }

    /// A network that takes several planes: `network` records it on a tape, from their values in
    /// the order given, without dropout and without updating anything.
    pub fn of_planes(
        gpu: &'a Gpu,
        store: &'a Store,
        planes: Vec<Plane>,
        network: impl Fn(&mut Tape, &[Tensor]) -> Result<Tensor> + 'a,
        rows: u32,
        options: PlanOptions,
    ) -> Strips<'a> {
        let options = PlanOptions { memory_limit: None, ..options.on(gpu) };
        let (network, rows) = (Box::new(network), rows.max(1));
        Strips { gpu, store, planes, network, rows, options }
    }

    /// As many rows as `limit` bytes of device memory and the sizes of bindings allow, for pictures
    /// of this size.
    ///
    /// # Errors
    /// [`Error::Config`] if the smallest strips need more, [`Error::Usage`] if the image does not
    /// pass the net.
    pub fn fit(self, size: (u32, u32), limit: Option<u64>) -> Result<Strips<'a>> {
        let mut strips = Strips { rows: size.1, ..self };
        loop {
            match (strips.memory(size), limit) {
                (Ok(needed), Some(limit)) if needed > limit && strips.rows == 1 => {
                    let why = format!(
                        "{limit}: an image of {}x{} needs {needed} bytes in the smallest strips; \
                         raise it",
                        size.0, size.1
                    );
                    return Err(Error::config("memory_limit", why));
                }
                (Ok(needed), limit) if limit.is_none_or(|l| needed <= l) => return Ok(strips),
                (Err(e), _) if strips.rows == 1 || !matches!(e, Error::Limit { .. }) => {
                    return Err(e);
                }
                _ => strips.rows = strips.rows.div_ceil(2),
            }
        }
    }

    /// Rows of the picture in a strip.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The planes that it reads.
    pub fn planes(&self) -> &[Plane] {
        &self.planes
    }

    /// Device memory that pictures of this size take, in bytes: all weights, and the largest
    /// stage's strip with what is read back of it.
    ///
    /// # Errors
    /// [`Error::Limit`] if a strip is too large to be bound, [`Error::Usage`] for sizes that do not
    /// pass the net.
    pub fn memory(&self, size: (u32, u32)) -> Result<u64> {
        let whole = self.whole(size)?;
        let mut largest = 0;
        for stage in &whole.stages.all {
            let rows = rows_of(&whole, stage)?.strip(size.1, self.rows);
            let Recorded { tape, output, .. } = record(&whole, stage, rows)?;
            let memory = *self.plan(&tape, output)?.memory();
            let made = tape.shape(output).bytes();
            largest = largest.max(memory.activations + memory.inputs + memory.uniforms + made);
        }
        let stored = whole.stored().into_iter().map(|id| self.store.shape(id).bytes());
        Ok(largest + stored.map(|bytes| bytes.next_multiple_of(256)).sum::<u64>())
    }

    /// The network on a sample of a size.
    fn whole(&self, (width, height): (u32, u32)) -> Result<Whole> {
        if let Some(plane) = self.planes.iter().find(|plane| plane.encoding == Encoding::Vector) {
            let why = format!("{}: no map, and strips are cut of maps", plane.name);
            return Err(Error::Usage(why));
        }
        let mut tape = Tape::new();
        let shapes = self.planes.iter().map(|plane| (plane.name, plane.shape([1, height, width])));
        let inputs: Vec<Tensor> = shapes.map(|(name, shape)| tape.input(name, shape)).collect();
        let output = (self.network)(&mut tape, &inputs)?;
        let stages = Stages::of(&tape, output)?;
        Ok(Whole { tape, inputs, output, stages })
    }

    fn plan(&self, tape: &Tape, output: Tensor) -> Result<Plan> {
        Plan::new(tape, self.store, &[output], self.gpu.family(), self.options.clone())
    }

    /// Runs a picture: `[h, w, input_nc]` in its format to `[h, w, output_nc]` in [-1, 1], and the
    /// statistics that were used.
    ///
    /// `before` are statistics and their share: 1 uses them alone, 0.9 mixes a tenth of the
    /// picture's own into them. Norms with running statistics use those alone.
    ///
    /// # Errors
    /// [`Error::Usage`] for sizes that do not pass the net, the wrong number of values, or a
    /// network of several planes, and what the device reports.
    pub async fn run<'v>(
        &self,
        picture: impl Into<Values<'v>>,
        size: (u32, u32),
        before: Option<(&Statistics, f64)>,
    ) -> Result<(Vec<f32>, Statistics)> {
        let name = self.planes.first().map_or("", |plane| plane.name);
        self.run_planes(&[(name, picture.into())], size, before).await
    }

    /// Like [`run`](Self::run), on planes by name.
    ///
    /// # Errors
    /// [`Error::Usage`] for a plane that is missing, or another number or kind of values, and as
    /// [`run`](Self::run).
    pub async fn run_planes(
        &self,
        planes: &[(&str, Values<'_>)],
        size: (u32, u32),
        before: Option<(&Statistics, f64)>,
    ) -> Result<(Vec<f32>, Statistics)> {
        let whole = self.whole(size)?;
        let mut maps = HashMap::new();
        for (plane, tensor) in self.planes.iter().zip(&whole.inputs) {
            let shape = whole.tape.shape(*tensor);
            let values = plane.numbers(&named(plane.name, planes)?, &shape)?;
            maps.insert(*tensor, Map::of(&values, shape.h, shape.w, shape.c));
        }
        let mut used: HashMap<Tensor, Moments> = HashMap::new();
        for (at, stage) in whole.stages.all.iter().enumerate() {
            let map = self.run_stage(&whole, stage, &maps, &used, size.1).await?;
            for (number, (statistics, of)) in whole.stages.statistics.iter().enumerate() {
                if *of == stage.output {
                    used.insert(*statistics, moments(number, &map, before));
                }
            }
            maps.insert(stage.output, map);
            // What no later stage reads is gone.
            let later = &whole.stages.all[at + 1..];
            maps.retain(|map, _| {
                *map == whole.output || later.iter().any(|stage| stage.sources.contains(map))
            });
        }
        let last = maps.remove(&whole.output);
        let last = last.ok_or_else(|| Error::Internal("a network without a result".into()))?;
        let statistics = whole.stages.statistics.iter().filter_map(|(t, _)| used.remove(t));
        Ok((last.values(), Statistics(statistics.collect())))
    }

    async fn run_stage(
        &self,
        whole: &Whole,
        stage: &Stage,
        maps: &HashMap<Tensor, Map>,
        used: &HashMap<Tensor, Moments>,
        picture: u32,
    ) -> Result<Map> {
        let cut = rows_of(whole, stage)?;
        let rows = cut.strip(picture, self.rows);
        let Recorded { tape, inputs, statistics, output } = record(whole, stage, rows)?;
        let shape = tape.shape(output);
        let windows = cut.windows(rows, shape.h).ok_or_else(|| {
            Error::Internal(format!("{}: no strips of {rows} rows", label(whole, stage)))
        })?;
        let program = self.plan(&tape, output)?.prepare(self.gpu, self.store)?;
        for (tensor, of) in statistics.iter().zip(&stage.statistics) {
            program.write(*tensor, &used[of].rows())?;
        }
        let mut made = Map::new(cut.out, shape.w, shape.c);
        for window in windows {
            for (tensor, source) in inputs.iter().zip(&stage.sources) {
                let map = &maps[source];
                let strip = &map.data[map.rows(window.start..window.start + rows)];
                program.write_bytes(*tensor, bytemuck::cast_slice(strip))?;
            }
            program.step(&StepValues::default())?;
            let bytes = program.read_bytes(output).await?;
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            let from = made.rows(window.skip..window.skip + window.makes.len() as u32);
            let to = made.rows(window.makes);
            made.data[to].copy_from_slice(&values[from]);
        }
        Ok(made)
    }
}

impl Whole {
    /// The weights that it reads.
    fn stored(&self) -> HashSet<StoreId> {
        let read = self.tape.nodes().iter().flat_map(|node| &node.inputs);
        read.filter_map(|tensor| match self.tape.info(*tensor).source {
            Source::Stored(id) => Some(id),
            _ => None,
        })
        .collect()
    }
}

/// A stage for strips of `rows` rows of its sources.
fn record(whole: &Whole, stage: &Stage, rows: u32) -> Result<Recorded> {
    let mut tape = Tape::new();
    let shape = |tensor: &Tensor| whole.tape.shape(*tensor);
    let inputs: Vec<Tensor> = (stage.sources.iter())
        .map(|map| tape.input("strip", Shape { h: rows, ..shape(map) }))
        .collect();
    let statistics: Vec<Tensor> =
        stage.statistics.iter().map(|of| tape.input("statistics", shape(of))).collect();
    let given = stage.sources.iter().chain(&stage.statistics).copied();
    let mut made: HashMap<Tensor, Tensor> =
        given.zip(inputs.iter().chain(&statistics).copied()).collect();
    for (at, kind) in &stage.nodes {
        let node = &whole.tape.nodes()[*at];
        let lost = || Error::Internal(format!("{}: an operand is gone", node.label));
        let operand = |tensor: &Tensor| {
            made.get(tensor).copied().or_else(|| tape.stored_of(&whole.tape, *tensor))
        };
        let operands: Option<Vec<Tensor>> = node.inputs.iter().map(operand).collect();
        let result = *node.outputs.last().ok_or_else(lost)?;
        tape.scope(node.label.rsplit_once('/').map_or("", |(scope, _)| scope));
        let y = kind.record(&mut tape, &operands.ok_or_else(lost)?, shape(&result))?;
        made.insert(result, y);
    }
    Ok(Recorded { tape, inputs, statistics, output: made[&stage.output] })
}

fn rows_of(whole: &Whole, stage: &Stage) -> Result<Rows> {
    Rows::of(&whole.tape, stage).ok_or_else(|| {
        Error::Internal(format!("{}: maps of different heights", label(whole, stage)))
    })
}

/// The label of a stage's last operation.
fn label<'a>(whole: &'a Whole, stage: &Stage) -> &'a str {
    stage.nodes.last().map_or("", |(at, _)| &whole.tape.nodes()[*at].label)
}

/// The statistics to use of a map, for a norm.
fn moments(number: usize, map: &Map, before: Option<(&Statistics, f64)>) -> Moments {
    match before.and_then(|(all, keep)| Some((all.0.get(number)?, keep))) {
        Some((moments, keep)) if keep >= 1.0 => moments.clone(),
        Some((moments, keep)) => map.moments().blend(moments, keep),
        None => map.moments(),
    }
}
