//! A step's results depend on nothing but its inputs.

use crate::invariants::check_invariants;
use crate::support;
use crate::support::random_net::random_net;
use crate::tiny;
use pixtape::ops::{Act, BatchNorm, NormMode};
use pixtape::plan::Rate;
use pixtape::store::Layout;
use pixtape::train::{Losses, Pix2Pix, Pix2PixConfig};
use pixtape::{Conv, Error, Gpu, Plan, PlanOptions, Shape, StepValues, Store, Tape};

pub fn bits(values: &[Vec<f32>]) -> Vec<Vec<u32>> {
    values.iter().map(|v| v.iter().map(|x| x.to_bits()).collect()).collect()
}

#[test]
fn random_nets_give_the_same_bits_with_and_without_sharing_and_pass_the_checks() {
    let Some(gpu) = support::gpu() else { return };
    for seed in 0..12 {
        let run = |options| random_net(seed).run(gpu, options);
        let shared = run(crate::support::plan_options());
        assert!(shared.iter().flatten().all(|v| v.is_finite()), "seed {seed}");
        let apart = run(PlanOptions { reuse: false, ..crate::support::plan_options() });
        assert_eq!(bits(&shared), bits(&apart), "seed {seed}: sharing slots changed something");
        let plain = run(PlanOptions { fuse: false, ..crate::support::plan_options() });
        assert_eq!(bits(&shared), bits(&plain), "seed {seed}: fusing changed something");
        let again = run(PlanOptions { recompute: true, ..crate::support::plan_options() });
        assert_eq!(
            bits(&shared),
            bits(&again),
            "seed {seed}: making activations again changed something"
        );
        let checked = run(PlanOptions { guards: true, ..crate::support::plan_options() });
        assert_eq!(bits(&shared), bits(&checked), "seed {seed}: the checked run differs");
    }
}

/// A training with its losses so far.
struct Run {
    trainer: Pix2Pix,
    losses: Vec<Losses>,
}

impl Run {
    fn new(gpu: &Gpu, config: Pix2PixConfig, options: PlanOptions) -> Run {
        Run { trainer: Pix2Pix::new(gpu, config, options).unwrap(), losses: Vec::new() }
    }

    fn pictures(step: u64) -> [Vec<u8>; 2] {
        [0, 1].map(|side| {
            support::bits(64 * 64 * 3, 2 * step as u32 + side)
                .iter()
                .map(|w| (w >> 24) as u8)
                .collect()
        })
    }

    fn steps(mut self, count: u64) -> Run {
        for step in 1..=count {
            let [a, b] = Run::pictures(step);
            self.losses.extend(self.trainer.step_pair(&a, &b, 2e-4).unwrap());
        }
        self.losses.extend(self.trainer.finish().unwrap());
        assert_eq!(
            self.losses.iter().map(|l| l.step).collect::<Vec<_>>(),
            (1..=count).collect::<Vec<_>>(),
            "every step's losses come back, in order"
        );
        self
    }

    /// Weights, running statistics and moments.
    fn state(&self) -> Vec<(String, Vec<u32>)> {
        let (store, gpu) = (self.trainer.store(), self.trainer.program().gpu());
        let mut all = Vec::new();
        for (net, weights, _) in self.trainer.networks() {
            for param in weights.params() {
                for id in
                    [Some(param.value), param.moments.map(|m| m[0]), param.moments.map(|m| m[1])]
                        .into_iter()
                        .flatten()
                {
                    let values = pollster::block_on(store.read(gpu, id, &param.layout)).unwrap();
                    assert!(values.iter().all(|v| v.is_finite()), "{net} {}", param.name);
                    all.push((
                        format!("{net} {}", param.name),
                        values.iter().map(|v| v.to_bits()).collect(),
                    ));
                }
            }
        }
        all
    }
}

#[track_caller]
fn same(what: &str, a: &Run, b: &Run) {
    assert_eq!(a.losses, b.losses, "{what}: losses");
    for (a, b) in a.state().iter().zip(b.state()) {
        assert!(*a == b, "{what}: {} differs", a.0);
    }
}

// One test: the pipelines of a step take a software driver seconds to compile, and processes do not
// share them.
#[test]
fn a_training_step_gives_the_same_bits_however_it_is_run() {
    let Some(gpu) = support::gpu() else { return };
    let first = Run::new(gpu, tiny(), crate::support::plan_options()).steps(3);
    same(
        "same seed again",
        &first,
        &Run::new(gpu, tiny(), crate::support::plan_options()).steps(3),
    );
    same(
        "no shared slots",
        &first,
        &Run::new(gpu, tiny(), PlanOptions { reuse: false, ..crate::support::plan_options() })
            .steps(3),
    );
    same(
        "nothing fused",
        &first,
        &Run::new(gpu, tiny(), PlanOptions { fuse: false, ..crate::support::plan_options() })
            .steps(3),
    );
    let other =
        Run::new(gpu, Pix2PixConfig { seed: 8, ..tiny() }, crate::support::plan_options()).steps(3);
    assert_ne!(first.losses, other.losses, "the seed matters");

    // In pieces, as a host or a segmented step submits them.
    let pieces = Run::new(gpu, tiny(), crate::support::plan_options());
    let program = pieces.trainer.program();
    for step in 1..=3u64 {
        let [a, b] = Run::pictures(step);
        pieces.trainer.set_pair(&a, &b).unwrap();
        program.set_step(&pieces.trainer.values(step, 2e-4));
        let mut start = 0;
        for length in [1, 2, 7, 13].into_iter().cycle() {
            let end = (start + length).min(program.dispatch_count());
            program.submit(start..end).unwrap();
            start = end;
            if start == program.dispatch_count() {
                break;
            }
        }
    }
    assert_eq!(first.state(), pieces.state(), "a step in many submits");

    // Node by node under the checks; the losses are not read back then, the state tells.
    let mut checked =
        Run::new(gpu, tiny(), PlanOptions { guards: true, ..crate::support::plan_options() });
    let one = Run::new(gpu, tiny(), crate::support::plan_options()).steps(1);
    let [a, b] = Run::pictures(1);
    checked.trainer.set_pair(&a, &b).unwrap();
    let values = checked.trainer.values(1, 2e-4);
    pollster::block_on(checked.trainer.program().run_checked(&values)).unwrap();
    assert_eq!(one.state(), checked.state(), "the checked step");
    assert!(one.state() != first.state(), "three steps are more than one");

    // A weight goes bad: the first node that its value reaches is named, not a later one.
    checked.trainer.set_steps(1);
    let bad = checked
        .trainer
        .generator()
        .weights()
        .params()
        .find(|p| p.name == "model.model.1.model.2.bias")
        .unwrap()
        .clone();
    checked
        .trainer
        .store()
        .write(gpu, bad.value, &bad.layout, &vec![f32::NAN; bad.layout.elements()])
        .unwrap();
    let error = pollster::block_on(checked.trainer.program().run_checked(&values)).unwrap_err();
    assert!(
        matches!(&error, Error::Check { label, message, .. } if label == "G/down1/batch_norm" && message.contains("NaN")),
        "{error}"
    );
    assert_eq!(error.exit_code(), 2);
}

/// A net of two convolutions and a norm, trained for three steps: values and moments of its
/// parameters.
fn trained(gpu: &Gpu, mut store: Store) -> (usize, Vec<Vec<f32>>) {
    let mut tape = Tape::new();
    let layouts = [
        ("a", Layout::Conv { ci: 3.into(), co: 12, kernel: 3 }),
        ("a.bias", Layout::Vector(12.into())),
        ("gamma", Layout::Vector(12.into())),
        ("beta", Layout::Vector(12.into())),
        ("b", Layout::Conv { ci: 12.into(), co: 5, kernel: 3 }),
    ];
    let params = layouts.map(|(name, layout)| store.param("N", name, layout));
    let pages = store.pages("N");
    let x = tape.input("x", Shape::new(2, 6, 6, 3));
    let [a, bias, gamma, beta, b] = [0, 1, 2, 3, 4].map(|at| tape.param(&store, &params[at]));
    let h = tape.conv2d(x, a, Some(bias), Conv::new(3, 1, 1)).unwrap();
    let h = tape.batch_norm(h, gamma, beta, None, NormMode::Batch, BatchNorm::default()).unwrap();
    let h = tape.act(h, Act::Relu);
    let y = tape.conv2d(h, b, None, Conv::new(3, 1, 1)).unwrap();
    let loss = tape.mse(y, 0.5);
    tape.backward(&[loss], &[a, bias, gamma, beta, b]).unwrap();
    pages.iter().for_each(|page| tape.adam(&store, page, 0));
    let plan =
        Plan::new(&tape, &store, &[loss], gpu.family(), crate::support::plan_options()).unwrap();
    check_invariants("pages", &plan, &store);
    let program = plan.prepare(gpu, &store).unwrap();
    program.write(x, &support::reals(2 * 36 * 3, 1, -1.0, 1.0)).unwrap();
    for (stream, p) in (2..).zip(&params) {
        store
            .write(gpu, p.value, &p.layout, &support::reals(p.layout.elements(), stream, -0.5, 0.5))
            .unwrap();
    }
    let mut losses = Vec::new();
    for t in 1..=3 {
        let rate = Rate { lr: 1e-2, beta1: 0.5, beta2: 0.999, eps: 1e-8, t };
        program.step(&StepValues { step: t, seed: 0, rates: [rate; 4] }).unwrap();
        losses.extend(pollster::block_on(program.read(loss)).unwrap());
    }
    assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "it does not learn: {losses:?}");
    let ids = params.iter().flat_map(|p| {
        [Some(p.value), p.gradient]
            .into_iter()
            .flatten()
            .chain(p.moments.unwrap())
            .map(move |id| (id, p.layout))
    });
    let state = ids
        .map(|(id, layout)| pollster::block_on(store.read(gpu, id, &layout)).unwrap())
        .chain([losses])
        .collect();
    (pages.len(), state)
}

#[test]
fn weights_in_many_pages_train_like_weights_in_one() {
    let Some(gpu) = support::gpu() else { return };
    let (one, whole) = trained(gpu, Store::new());
    // 1.7 and 3.5 KiB of convolution weights; and a page of vectors.
    let (three, paged) = trained(gpu, pixtape::testing::store_with_page_limit(4096));
    assert_eq!((one, three), (2, 3));
    assert!(whole.iter().all(|v| v.iter().all(|x| x.is_finite()) && v.iter().any(|x| *x != 0.0)));
    assert_eq!(bits(&whole), bits(&paged));
}
