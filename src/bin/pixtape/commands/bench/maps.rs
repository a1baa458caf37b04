//! Operations on maps of classes and instances, and poolings, at the sizes that pix2pixHD has them
//! at 1024x512: recorded one beside the other, without a network.

use pixtape::gpu::{Family, Gpu};
use pixtape::plan::{Plan, PlanOptions, Program};
use pixtape::store::Store;
use pixtape::{Result, Shape, Tape, Tensor};

/// Stands for a network in names of rows.
pub(crate) const NET: &str = "maps-1024x512";

const WIDTH: u32 = 1024;
const HEIGHT: u32 = 512;
/// Sides of the squares that instances are; there are 512 of them.
const SQUARE: u32 = 32;
const CLASSES: u32 = 35;

/// Operations on random values.
pub(crate) struct Maps {
    tape: Tape,
    /// Tensors that the host writes, with their values.
    given: Vec<(Tensor, Vec<f32>)>,
    /// All of them and the results: a node is measured by itself, when all have run.
    keep: Vec<Tensor>,
}

impl Maps {
    /// Records them; an instance is a square, its class its number modulo [`CLASSES`].
    pub fn record() -> Result<Maps> {
        let mut maps = Maps { tape: Tape::new(), given: Vec::new(), keep: Vec::new() };
        let map = Shape::new(1, HEIGHT, WIDTH, 1);
        let square = |at: u32| at / WIDTH / SQUARE * (WIDTH / SQUARE) + at % WIDTH / SQUARE;
        let instances = (0..map.pixels()).map(|at| (26_000 + square(at)) as f32).collect();
        let classes = (0..map.pixels()).map(|at| (square(at) % CLASSES) as f32).collect();
        let (instances, classes) = (maps.give(map, instances), maps.give(map, classes));
        let planes = maps.tape.one_hot(classes, CLASSES)?;
        let edges = maps.tape.instance_edges(instances)?;
        // Features of an encoder, what D judges, VGG-19's second scale.
        let [features, judged, vgg] = [
            map.with_channels(3),
            map.with_channels(CLASSES + 4),
            Shape::new(1, HEIGHT / 2, WIDTH / 2, 128),
        ]
        .map(|shape| maps.random(shape));
        let mean = maps.tape.instance_mean(features, instances)?;
        let (half, largest) = (maps.tape.avg_pool2d(judged), maps.tape.max_pool2d(vgg)?);
        let losses = [half, largest].map(|y| maps.tape.mean(y));
        let gradients = maps.tape.backward(&losses, &[judged, vgg])?;
        maps.keep.extend([planes, edges, mean, half, largest]);
        maps.keep.extend(gradients.into_iter().flatten());
        Ok(maps)
    }

    fn give(&mut self, shape: Shape, values: Vec<f32>) -> Tensor {
        let tensor = self.tape.input("map", shape);
        self.given.push((tensor, values));
        self.keep.push(tensor);
        tensor
    }

    fn random(&mut self, shape: Shape) -> Tensor {
        let values = super::problem::random(shape.elements(), self.given.len() as u32);
        self.give(shape, values)
    }

    /// Their plan.
    pub fn plan(&self, family: Family, options: PlanOptions) -> Result<Plan> {
        Plan::new(&self.tape, &Store::new(), &self.keep, family, options)
    }

    /// The plan on a device, run once.
    pub fn program(&self, gpu: &Gpu) -> Result<Program> {
        let store = Store::new();
        let program = self.plan(gpu.family(), PlanOptions::default())?.prepare(gpu, &store)?;
        for (tensor, values) in &self.given {
            program.write(*tensor, values)?;
        }
        program.submit(0..program.dispatch_count())?;
        gpu.wait("warm-up")?;
        Ok(program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_on_maps_has_a_row() {
        let plan = Maps::record().unwrap().plan(Family::Workgroup, PlanOptions::default()).unwrap();
        let names: Vec<&str> = plan.nodes().iter().map(|n| n.op).collect();
        for op in ["one_hot", "instance_edges", "instance_mean"].into_iter().chain([
            "avg_pool2d",
            "avg_pool2d_bwd",
            "max_pool2d",
            "max_pool2d_bwd",
        ]) {
            assert!(names.contains(&op), "{op} is not in {names:?}");
        }
    }
}
