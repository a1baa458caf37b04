//! Random networks, for invariants of every plan.

use super::reals;
use pixtape::gpu::Family;
use pixtape::ops::{Act, BatchNorm, Enlarge, NormMode, Padding, Running};
use pixtape::plan::Rate;
use pixtape::store::{Layout, Param};
use pixtape::train::gradient_penalty;
use pixtape::{
    Channels, Conv, Error, Gpu, Plan, PlanOptions, Shape, StepValues, Store, Tape, Tensor,
};
use std::collections::HashMap;

/// Draws from the counter-based generator.
struct Dice(u32, u32);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.1 += 1;
        (pixtape::rng::random(self.1, 0, 0, self.0)[0] >> 8) as usize % count
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A random net with a loss, its derivative and Adam.
pub struct Random {
    pub store: Store,
    pub tape: Tape,
    pub inputs: Vec<Tensor>,
    pub params: Vec<Param>,
    pub keep: Vec<Tensor>,
}

/// Records nets that no person would: skips of skips, parts of parts, a tensor twice in a
/// concatenation, shared weights.
pub fn random_net(seed: u32) -> Random {
    let mut dice = Dice(seed, 0);
    // Some have a loss of second order; tanh has no second derivative.
    let second = seed % 4 == 1;
    let acts: &[Act] = if second {
        &[Act::Relu, Act::LeakyRelu(0.2)]
    } else {
        &[Act::Relu, Act::LeakyRelu(0.2), Act::Tanh]
    };
    let (mut store, mut tape, mut params) =
        (pixtape::testing::store_with_page_limit(16 << 10), Tape::new(), Vec::new());
    let n = 1 + dice.below(2) as u32;
    let inputs: Vec<Tensor> = (0..2)
        .map(|i| tape.input(&format!("x{i}"), Shape::new(n, 8, 8, dice.of(&[3, 4, 5, 8]))))
        .collect();
    let mut pool = inputs.clone();
    let mut convs: HashMap<(Channels, u32), Vec<Param>> = HashMap::new();
    for step in 0..6 + dice.below(14) {
        tape.scope(format!("n{step}"));
        // Mostly the latest, so that nets are deep too.
        let x = if dice.below(2) == 0 { *pool.last().unwrap() } else { dice.of(&pool) };
        let shape = tape.shape(x);
        let made = match dice.below(16) {
            0 => Ok(tape.act(x, dice.of(acts))),
            1 => {
                let same: Vec<Tensor> =
                    pool.iter().copied().filter(|t| tape.shape(*t) == shape).collect();
                tape.add(x, dice.of(&same))
            }
            2 | 3 => {
                let fit: Vec<Tensor> = pool
                    .iter()
                    .copied()
                    .filter(|t| tape.shape(*t).with_channels(1) == shape.with_channels(1))
                    .collect();
                let others: Vec<Tensor> =
                    (0..1 + dice.below(2)).map(|_| dice.of(&fit)).chain([x]).collect();
                tape.concat(&others)
            }
            4 => {
                let first = dice.below(shape.c.vec4s() as usize) as u32;
                tape.slice(x, first, dice.of(&[3, 4, 8]).into())
            }
            kind @ (5..=7) => {
                let co = dice.of(&[3, 4, 8]);
                // Two entries of the same kind: same padding, so that one weight can serve several
                // places.
                let (kernel, conv) =
                    if kind == 5 { (3, Conv::new(3, 1, 1)) } else { (4, Conv::new(4, 2, 1)) };
                if shape.h < 2 && kind == 6 || shape.h > 8 && kind == 7 {
                    continue;
                }
                let known = convs.entry((shape.c, kind as u32)).or_default();
                if known.is_empty() || dice.below(2) == 0 {
                    let layout = if kind == 7 {
                        Layout::ConvTranspose { ci: shape.c, co, kernel }
                    } else {
                        Layout::Conv { ci: shape.c, co, kernel }
                    };
                    known.push(store.param("R", &format!("w{step}"), layout));
                    params.push(known.last().unwrap().clone());
                }
                let param = dice.of(&(0..known.len()).collect::<Vec<_>>());
                let w = tape.param(&store, &known[param]);
                let co = tape.shape(w).c;
                let bias = (dice.below(2) == 0).then(|| {
                    params.push(store.param("R", &format!("b{step}"), Layout::Vector(co)));
                    tape.param(&store, params.last().unwrap())
                });
                if kind == 7 {
                    tape.conv_transpose2d(x, w, bias, conv)
                } else {
                    tape.conv2d(x, w, bias, conv)
                }
            }
            8 | 9 => {
                let [gamma, beta] = ["gamma", "beta"].map(|name| {
                    params.push(store.param(
                        "R",
                        &format!("{name}{step}"),
                        Layout::Vector(shape.c),
                    ));
                    tape.param(&store, params.last().unwrap())
                });
                let [mean, var] = ["mean", "var"].map(|name| {
                    params.push(store.running("R", &format!("{name}{step}"), shape.c));
                    tape.param(&store, params.last().unwrap())
                });
                let mode = dice.of(&[NormMode::Batch, NormMode::Instance]);
                let batches = if shape.n % 2 == 0 { dice.of(&[1, 2]) } else { 1 };
                let config = BatchNorm { batches, ..BatchNorm::default() };
                tape.batch_norm(x, gamma, beta, Some(Running { mean, var }), mode, config)
            }
            10 => tape.dropout(x, 0.5),
            11 | 12 => {
                let (co, padding) =
                    (dice.of(&[3, 4, 8]), dice.of(&[Padding::Reflect, Padding::Replicate]));
                params.push(store.param(
                    "R",
                    &format!("w{step}"),
                    Layout::Conv { ci: shape.c, co, kernel: 3 },
                ));
                let w = tape.param(&store, params.last().unwrap());
                tape.resample2d(x, Enlarge::No, padding, 1).and_then(|z| {
                    // Sometimes another operation needs it too.
                    if dice.below(4) == 0 {
                        pool.push(z);
                    }
                    let z = if dice.below(2) == 0 { tape.act(z, dice.of(acts)) } else { z };
                    tape.conv2d(z, w, None, Conv::new(3, 1, 0))
                })
            }
            13 => {
                let fits = |t: &Tensor| Shape { n: shape.n, ..tape.shape(*t) } == shape;
                let fit: Vec<Tensor> = pool.iter().copied().filter(fits).collect();
                let other = dice.of(&fit);
                if shape.n + tape.shape(other).n > 6 {
                    continue;
                }
                tape.join_batches(&[other, x])
            }
            14 if shape.n > 1 => {
                let first = 1 + dice.below(shape.n as usize - 1) as u32;
                tape.split_batch(x, &[first, shape.n - first]).map(|parts| {
                    // Mostly both are used.
                    if dice.below(4) > 0 {
                        pool.push(parts[0]);
                    }
                    parts[1]
                })
            }
            _ => Ok(if dice.below(2) == 0 { tape.copy(x) } else { tape.scale(x, -0.5) }),
        };
        // What does not fit is refused, and another step comes.
        pool.extend(made.ok());
    }
    let last = *pool.last().unwrap();
    let mut losses = vec![tape.mse(last, 0.25), {
        let other = dice.of(&pool);
        tape.mean(other)
    }];
    if second {
        tape.scope("penalty");
        // Where the last tensor depends on that input.
        losses.extend(gradient_penalty(&mut tape, last, inputs[0]).ok());
    }
    let mut wrt: Vec<Tensor> =
        params.iter().filter(|p| p.gradient.is_some()).map(|p| tape.param(&store, p)).collect();
    wrt.push(inputs[0]);
    let gradients = tape.backward(&losses, &wrt).unwrap();
    tape.scope("R");
    for page in store.pages("R") {
        tape.adam(&store, &page, 0);
    }
    let mut keep = losses;
    keep.extend(gradients.last().copied().flatten());
    keep.push(dice.of(&pool));
    Random { store, tape, inputs, params, keep }
}

impl Random {
    pub fn plan(&self, family: Family, options: PlanOptions) -> Plan {
        Plan::new(&self.tape, &self.store, &self.keep, family, options).unwrap()
    }

    /// Runs two steps and returns all that they leave.
    pub fn run(&self, gpu: &Gpu, options: PlanOptions) -> Vec<Vec<f32>> {
        let checked = options.guards;
        let program = self.plan(gpu.family(), options).prepare(gpu, &self.store).unwrap();
        for (stream, input) in (0..).zip(&self.inputs) {
            let elements = self.tape.shape(*input).elements() as usize;
            match program.write(*input, &reals(elements, stream, -1.0, 1.0)) {
                // Nothing came to depend on it.
                Ok(()) | Err(Error::Usage(_)) => (),
                Err(e) => panic!("{e}"),
            }
        }
        for (stream, param) in (10..).zip(&self.params) {
            let low = if param.name.starts_with("var") { 0.5 } else { -0.5 };
            self.store
                .write(
                    gpu,
                    param.value,
                    &param.layout,
                    &reals(param.layout.elements(), stream, low, low + 1.0),
                )
                .unwrap();
        }
        for step in 1..=2 {
            let rate = Rate { lr: 1e-3, beta1: 0.5, beta2: 0.999, eps: 1e-8, t: step };
            let values = StepValues { step, seed: 3, rates: [rate; 4] };
            if checked {
                pollster::block_on(program.run_checked(&values)).unwrap()
            } else {
                program.step(&values).unwrap()
            }
        }
        let kept = self.keep.iter().map(|t| pollster::block_on(program.read(*t)).unwrap());
        kept.chain(
            self.params
                .iter()
                .map(|p| pollster::block_on(self.store.read(gpu, p.value, &p.layout)).unwrap()),
        )
        .collect()
    }
}
