//! A generator run layer by layer, each layer in strips of rows, so that a picture of any size
//! passes a device of any size.
//!
//! What a convolution makes lies on the host, before its norm. A layer's strips take the rows that
//! they need of what is around them (a kernel's reach, no more), and a norm's statistics are those
//! of the whole picture, gathered in f64: the result is that of the whole picture at once, up to
//! rounding, and no seam can show. As the statistics pass through here, they can also be kept from
//! one picture to the next: so video does not flicker.

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::nets::{Mode, NormParams, Unet, UnetLayer, Upsample};
use crate::ops::{Act, BatchNorm, NormMode};
use crate::plan::{Plan, PlanOptions, StepValues};
use crate::shape::{Channels, Conv, Shape};
use crate::store::Store;
use crate::tape::{Tape, Tensor};
use std::ops::Range;

/// Mean and biased variance of a norm's input, channel by channel.
#[derive(Clone, Debug, PartialEq)]
struct Moments {
    mean: Vec<f64>,
    var: Vec<f64>,
}

/// The statistics of all norms of a generator.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics(Vec<Option<Moments>>);

/// A tensor `[1, h, w, c]` on the host, as it lies on the device.
#[derive(Debug)]
struct Map {
    height: u32,
    width: u32,
    channels: Channels,
    data: Vec<f32>,
}

impl Map {
    fn new(height: u32, width: u32, channels: Channels) -> Map {
        Map {
            height,
            width,
            channels,
            data: vec![0.0; height as usize * width as usize * channels.physical() as usize],
        }
    }

    fn rows(&self, rows: Range<u32>) -> Range<usize> {
        let row = self.width as usize * self.channels.physical() as usize;
        rows.start as usize * row..rows.end as usize * row
    }

    /// In two passes over all pixels, in order.
    fn moments(&self) -> Moments {
        let places: Vec<usize> = self.channels.places().map(|p| p as usize).collect();
        let count = f64::from(self.height) * f64::from(self.width);
        let mean_of = |value: &dyn Fn(usize, f32) -> f64| -> Vec<f64> {
            let mut sums = vec![0f64; self.channels.physical() as usize];
            for pixel in self.data.chunks_exact(sums.len()) {
                for (lane, v) in pixel.iter().enumerate() {
                    sums[lane] += value(lane, *v);
                }
            }
            sums.iter().map(|s| s / count).collect()
        };
        let means = mean_of(&|_, v| f64::from(v));
        let vars = mean_of(&|lane, v| (f64::from(v) - means[lane]).powi(2));
        let pick = |all: &[f64]| places.iter().map(|&p| all[p]).collect();
        Moments { mean: pick(&means), var: pick(&vars) }
    }
}

impl Moments {
    /// As the kernel that applies a norm takes them: means, then `1 / sqrt(var + eps)`.
    fn rows(&self) -> Vec<f32> {
        let eps = f64::from(BatchNorm::default().eps);
        self.mean
            .iter()
            .map(|m| *m as f32)
            .chain(self.var.iter().map(|v| (1.0 / (v + eps).sqrt()) as f32))
            .collect()
    }

    fn blend(&self, before: &Moments, keep: f64) -> Moments {
        let mix = |new: &[f64], old: &[f64]| {
            new.iter().zip(old).map(|(n, o)| keep * o + (1.0 - keep) * n).collect()
        };
        Moments { mean: mix(&self.mean, &before.mean), var: mix(&self.var, &before.var) }
    }
}

/// A strip: `rows` rows of the input from `start` on make the output's rows `makes`; the first of
/// them is row `skip` of what comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    start: u32,
    makes: Range<u32>,
    skip: u32,
}

/// The strips of a layer, each of `rows` rows of its input of `height`, and the output's height.
fn windows((conv, transposed): (Conv, bool), height: u32, rows: u32) -> Option<(Vec<Window>, u32)> {
    let out = |h| if transposed { conv.transposed_out(h) } else { conv.out(h) };
    let (s, k, p) = (i64::from(conv.stride), i64::from(conv.kernel), i64::from(conv.pad));
    // Input rows that an output row is made of, those outside the picture left out.
    let needs = |o: i64| {
        let (first, last) = if transposed {
            (-(k - 1 - o - p).div_euclid(s), (o + p).div_euclid(s))
        } else {
            (o * s - p, o * s - p + k - 1)
        };
        (first.max(0), last.min(i64::from(height) - 1))
    };
    let (total, span) = (i64::from(out(height)?), i64::from(out(rows)?));
    let align = |row: i64| if transposed { row } else { row / s * s };
    let mut made = Vec::new();
    let mut next = 0;
    while next < total {
        let start = align(needs(next).0.min(i64::from(height - rows)));
        let origin = if transposed { start * s } else { start / s };
        let whole = |o: &i64| {
            needs(*o).0 >= start && needs(*o).1 < start + i64::from(rows) && *o < origin + span
        };
        let end = (next..total).take_while(whole).last()? + 1;
        made.push(Window {
            start: start as u32,
            makes: next as u32..end as u32,
            skip: (next - origin) as u32,
        });
        next = end;
    }
    Some((made, total as u32))
}

/// Rows of a layer's strips, for strips of `rows` rows of the picture.
fn strip(conv: Conv, height: u32, picture: u32, rows: u32) -> u32 {
    let scaled = (u64::from(rows) * u64::from(height)).div_ceil(u64::from(picture)) as u32;
    // What is left over must be a multiple of the stride, so that the last strip ends with the
    // picture.
    let wanted = scaled.max(conv.kernel + 2 * conv.stride).min(height);
    height - (height - wanted) / conv.stride * conv.stride
}

/// A layer recorded for one strip.
struct Recorded {
    tape: Tape,
    inputs: Vec<Tensor>,
    stats: Vec<Option<Tensor>>,
    output: Tensor,
}

/// A generator that runs in strips.
#[derive(Debug)]
pub struct Strips<'a> {
    gpu: &'a Gpu,
    store: &'a Store,
    unet: &'a Unet,
    mode: Mode,
    rows: u32,
    options: PlanOptions,
}

impl<'a> Strips<'a> {
    /// A generator in strips of `rows` rows of the picture (deeper layers: of as many of theirs),
    /// on the weights in `store`.
    ///
    /// # Errors
    /// [`Error::Config`] if `mode` has dropout: its masks belong to whole pictures; or the net has
    /// resize convolutions.
    pub fn new(
        gpu: &'a Gpu,
        store: &'a Store,
        unet: &'a Unet,
        mode: Mode,
        rows: u32,
        options: PlanOptions,
    ) -> Result<Strips<'a>> {
        if mode.dropout && unet.config().dropout {
            let why = "makes one mask for a whole image; turn it off (`dropout` off) with tiles \
                       and sequences";
            return Err(Error::config("dropout", why));
        }
        if unet.config().upsample != Upsample::Transpose {
            let why = format!(
                "{}: strips are for nets with transposed convolutions; translate whole images, \
                 without `tile` and `sequence`",
                unet.config().upsample
            );
            return Err(Error::config("upsample", why));
        }
        Ok(Strips {
            gpu,
            store,
            unet,
            mode,
            rows: rows.max(1),
            options: PlanOptions { memory_limit: None, ..options },
        })
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

    /// Device memory that pictures of this size take, in bytes: all weights, and the largest
    /// layer's strip with what is read back of it.
    ///
    /// # Errors
    /// [`Error::Limit`] if a strip is too large to be bound, [`Error::Usage`] for sizes that do not
    /// pass the net.
    pub fn memory(&self, (width, height): (u32, u32)) -> Result<u64> {
        self.unet.config().check_size(width, height)?;
        let layers = self.unet.layers();
        let mut sizes: Vec<(u32, u32, Channels)> = Vec::new();
        let mut largest = 0;
        for layer in &layers {
            let sources: Vec<_> = layer
                .inputs
                .iter()
                .map(|i| {
                    i.map_or((height, width, self.unet.config().input_nc.into()), |at| sizes[at])
                })
                .collect();
            let rows = strip(layer.conv.geometry().0, sources[0].0, height, self.rows);
            let recorded =
                self.record(layer, &layers, &sources, rows, sizes.len() + 1 == layers.len())?;
            let made = recorded.tape.shape(recorded.output);
            let memory = *Plan::new(
                &recorded.tape,
                self.store,
                &[recorded.output],
                self.gpu.family(),
                self.options.clone(),
            )?
            .memory();
            largest =
                largest.max(memory.activations + memory.inputs + memory.uniforms + made.bytes());
            let (_, out) = self.windows(layer, sources[0].0, rows)?;
            sizes.push((out, made.w, made.c));
        }
        Ok(largest
            + self
                .unet
                .weights()
                .params()
                .map(|p| p.layout.shape().bytes().next_multiple_of(256))
                .sum::<u64>())
    }

    fn windows(&self, layer: &UnetLayer<'_>, height: u32, rows: u32) -> Result<(Vec<Window>, u32)> {
        let cannot = || {
            Error::Internal(format!("{}: no strips of {rows} rows out of {height}", layer.label))
        };
        windows(layer.conv.geometry(), height, rows).ok_or_else(cannot)
    }

    /// A layer for strips of `rows` rows: norms of its inputs with given statistics, then what the
    /// layer does up to its convolution.
    fn record(
        &self,
        layer: &UnetLayer<'_>,
        all: &[UnetLayer<'_>],
        sources: &[(u32, u32, Channels)],
        rows: u32,
        last: bool,
    ) -> Result<Recorded> {
        let mut tape = Tape::new();
        tape.scope(layer.label.as_str());
        let (mut inputs, mut stats, mut normed) = (Vec::new(), Vec::new(), Vec::new());
        for (from, &(_, width, channels)) in layer.inputs.iter().zip(sources) {
            let x = tape.input("strip", Shape::new(1, rows, width, channels));
            let norm = from.map_or(&NormParams::None, |at| all[at].norm);
            let given =
                norm.is_some().then(|| tape.input("statistics", Shape::new(2, 1, 1, channels)));
            normed
                .push(given.map_or(x, |given| norm.record_given(&mut tape, self.store, x, given)));
            inputs.push(x);
            stats.push(given);
        }
        let mut output = layer.record(&mut tape, self.store, &normed)?;
        if last {
            output = tape.act(output, Act::Tanh);
        }
        Ok(Recorded { tape, inputs, stats, output })
    }

    /// The running statistics of all norms.
    ///
    /// # Errors
    /// [`DeviceLost`](crate::Error::DeviceLost), or the validation error that the device reports.
    pub async fn running(&self) -> Result<Statistics> {
        let mut all = Vec::new();
        for layer in self.unet.layers() {
            all.push(match layer.norm.running() {
                None => None,
                Some([mean, var]) => {
                    let values = [
                        self.store.read(self.gpu, mean.value, &mean.layout).await?,
                        self.store.read(self.gpu, var.value, &var.layout).await?,
                    ];
                    let [mean, var] = values.map(|v| v.into_iter().map(f64::from).collect());
                    Some(Moments { mean, var })
                }
            });
        }
        Ok(Statistics(all))
    }

    /// Runs a picture: `[h, w, input_nc]` in [-1, 1] to `[h, w, output_nc]` in [-1, 1], and the
    /// statistics that were used.
    ///
    /// `before` are statistics and their share: 1 uses them alone, 0.9 mixes a tenth of the
    /// picture's own into them.
    ///
    /// # Errors
    /// [`Error::Usage`] for sizes that do not pass the net or the wrong number of values, and what
    /// the device reports.
    pub async fn run(
        &self,
        picture: &[f32],
        (width, height): (u32, u32),
        before: Option<(&Statistics, f64)>,
    ) -> Result<(Vec<f32>, Statistics)> {
        let config = self.unet.config();
        config.check_size(width, height)?;
        if picture.len() != width as usize * height as usize * config.input_nc as usize {
            return Err(Error::Usage(format!(
                "{} values for a picture of {width}x{height}x{}",
                picture.len(),
                config.input_nc
            )));
        }
        let running =
            if self.mode.norm == NormMode::Running { Some(self.running().await?) } else { None };
        let before = running.as_ref().map(|r| (r, 1.0)).or(before);
        let mut first = Map::new(height, width, config.input_nc.into());
        let (logical, physical) = (config.input_nc as usize, first.channels.physical() as usize);
        for (to, from) in first.data.chunks_exact_mut(physical).zip(picture.chunks_exact(logical)) {
            to[..logical].copy_from_slice(from);
        }
        let layers = self.unet.layers();
        let mut maps: Vec<Option<Map>> = Vec::new();
        let mut used = Vec::new();
        for (at, layer) in layers.iter().enumerate() {
            let map = self.layer(at, layer, &layers, &first, &maps, &used, height).await?;
            used.push(if layer.norm.is_some() { Some(statistics(at, &map, before)) } else { None });
            maps.push(Some(map));
            // What no later layer reads is gone.
            for (old, map) in maps.iter_mut().enumerate().take(at) {
                if !layers[at + 1..].iter().any(|l| l.inputs.contains(&Some(old))) {
                    *map = None;
                }
            }
        }
        let last =
            maps.pop().flatten().ok_or_else(|| Error::Internal("a U-Net without layers".into()))?;
        let places: Vec<usize> = last.channels.places().map(|p| p as usize).collect();
        let values = last
            .data
            .chunks_exact(last.channels.physical() as usize)
            .flat_map(|pixel| places.iter().map(|&p| pixel[p]))
            .collect();
        Ok((values, Statistics(used)))
    }

    async fn layer(
        &self,
        at: usize,
        layer: &UnetLayer<'_>,
        layers: &[UnetLayer<'_>],
        picture: &Map,
        maps: &[Option<Map>],
        used: &[Option<Moments>],
        height: u32,
    ) -> Result<Map> {
        let lost = || Error::Internal(format!("{}: an input is gone", layer.label));
        let sources = layer
            .inputs
            .iter()
            .map(|from| from.map_or(Some(picture), |at| maps[at].as_ref()).ok_or_else(lost))
            .collect::<Result<Vec<_>>>()?;
        let sizes: Vec<_> = sources.iter().map(|m| (m.height, m.width, m.channels)).collect();
        let rows = strip(layer.conv.geometry().0, sources[0].height, height, self.rows);
        let Recorded { tape, inputs, stats, output } =
            self.record(layer, layers, &sizes, rows, at + 1 == layers.len())?;
        let (windows, out) = self.windows(layer, sources[0].height, rows)?;
        let program =
            Plan::new(&tape, self.store, &[output], self.gpu.family(), self.options.clone())?
                .prepare(self.gpu, self.store)?;
        for (tensor, from) in stats.iter().zip(&layer.inputs) {
            if let (Some(tensor), Some(moments)) = (tensor, from.and_then(|at| used[at].as_ref())) {
                program.write(*tensor, &moments.rows())?;
            }
        }
        let shape = tape.shape(output);
        let mut made = Map::new(out, shape.w, shape.c);
        for window in windows {
            for (tensor, map) in inputs.iter().zip(&sources) {
                program.write_bytes(
                    *tensor,
                    bytemuck::cast_slice(&map.data[map.rows(window.start..window.start + rows)]),
                )?;
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

/// The statistics to use for a layer's result.
fn statistics(at: usize, map: &Map, before: Option<(&Statistics, f64)>) -> Moments {
    match before.and_then(|(all, keep)| all.0.get(at)?.as_ref().map(|m| (m, keep))) {
        Some((moments, keep)) if keep >= 1.0 => moments.clone(),
        Some((moments, keep)) => map.moments().blend(moments, keep),
        None => map.moments(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_make_every_row_once_from_all_that_it_needs() {
        let layers = [
            (Conv::new(4, 2, 1), false),
            (Conv::new(4, 2, 1), true),
            (Conv::new(3, 1, 1), false),
            (Conv::new(3, 2, 1).with_output_pad(1), true),
        ];
        for (conv, transposed) in layers {
            for height in [2, 4, 6, 8, 10, 16, 30, 64, 100] {
                for wanted in [1, 8, 12, 31, 64, 200] {
                    let rows = strip(conv, height, height, wanted);
                    let (windows, out) = windows((conv, transposed), height, rows).unwrap();
                    assert_eq!(
                        Some(out),
                        if transposed { conv.transposed_out(height) } else { conv.out(height) }
                    );
                    let mut next = 0;
                    for w in &windows {
                        assert!(
                            w.makes.start == next && w.makes.end > next && w.start + rows <= height
                        );
                        next = w.makes.end;
                        // By brute force: every tap of every row lies in the strip or outside the
                        // picture.
                        for (o, local) in w.makes.clone().zip(w.skip..) {
                            for tap in 0..conv.kernel as i64 {
                                let (s, p) = (i64::from(conv.stride), i64::from(conv.pad));
                                let row = |o: u32| {
                                    let o = i64::from(o);
                                    if transposed {
                                        ((o + p - tap) % s == 0).then_some((o + p - tap) / s)
                                    } else {
                                        Some(o * s - p + tap)
                                    }
                                };
                                let (whole, part) = (row(o), row(local));
                                let inside = |i: i64, n: u32| (0..i64::from(n)).contains(&i);
                                let wanted = whole.filter(|i| inside(*i, height));
                                let found = part
                                    .filter(|i| inside(*i, rows))
                                    .map(|i| i + i64::from(w.start));
                                assert_eq!(
                                    found, wanted,
                                    "{conv} {transposed} {height} {rows} {w:?} row {o} tap {tap}"
                                );
                            }
                        }
                    }
                    assert_eq!(next, out);
                }
            }
        }
    }

    #[test]
    fn moments_are_of_the_channels_only_and_blend() {
        let mut map = Map::new(1, 2, 3.into());
        map.data.copy_from_slice(&[1.0, 2.0, 3.0, 0.0, 3.0, 2.0, 7.0, 0.0]);
        let moments = map.moments();
        assert_eq!(
            (moments.mean.as_slice(), moments.var.as_slice()),
            (&[2.0, 2.0, 5.0][..], &[1.0, 0.0, 4.0][..])
        );
        let zero = Moments { mean: vec![0.0; 3], var: vec![0.0; 3] };
        assert_eq!(moments.blend(&zero, 0.75).mean, [0.5, 0.5, 1.25]);
    }
}
