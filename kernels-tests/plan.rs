//! The plan: what must hold for every plan, the errors it answers with, and that a step's results depend on nothing but its inputs.

mod support;

use pixtape::gpu::{Access, Family};
use pixtape::nets::{Discriminator, DiscriminatorConfig, DiscriminatorKind, Generator, InitType, Mode, NormKind, UnetConfig};
use pixtape::ops::{Act, BatchNorm, Bind, Dispatch, Lowering, NormMode, Op, Tuning};
use pixtape::plan::{Bound, Rate, Region};
use pixtape::store::{Layout, Param, Role, StoreId};
use pixtape::train::{GanMode, Losses, PictureFormat, Pix2Pix, Pix2PixConfig};
use pixtape::{Backward, Channels, Conv, Error, Gpu, Plan, PlanOptions, Result, Shape, StepValues, Store, Tape, Tensor, tune};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use support::random_net::random_net;

/// The generator of [`pix2pix_256`].
fn unet_256() -> UnetConfig {
    UnetConfig { input_nc: 3, output_nc: 3, ngf: 64, downs: 8, norm: NormKind::Batch, dropout: true, ..UnetConfig::default() }
}

const FAMILIES: [Family; 3] = [Family::Workgroup, Family::Register, Family::Subgroup(8)];

/// pix2pix as the reference implementation has it, at 256x256.
fn pix2pix_256() -> Pix2PixConfig {
    Pix2PixConfig {
        generator: unet_256().into(),
        discriminator: DiscriminatorKind::Patch { n_layers: 3 },
        ndf: 64,
        batch_size: 1,
        width: 256,
        height: 256,
        pictures: PictureFormat::Bytes,
        gan_mode: GanMode::Vanilla,
        lambda_l1: 100.0,
        beta1: 0.5,
        init_type: InitType::Normal,
        init_gain: 0.02,
        seed: 7,

        ..Pix2PixConfig::default()
    }
}

/// The smallest training with everything in it: norms, dropout, skips, both networks.
fn tiny() -> Pix2PixConfig {
    let generator = UnetConfig { ngf: 4, downs: 6, ..unet_256() }.into();
    Pix2PixConfig { generator, discriminator: DiscriminatorKind::Patch { n_layers: 2 }, ndf: 4, width: 64, height: 64, ..pix2pix_256() }
}

/// The store of a training, made again in the order that [`Pix2Pix`] makes it.
fn store_of(config: &Pix2PixConfig) -> (Store, Vec<Param>) {
    let mut store = Store::new();
    let g = Generator::new(&mut store, "G", config.generator).unwrap();
    let input = Channels::concat(&[config.generator.input_nc().into(), config.generator.output_nc().into()]).unwrap();
    let DiscriminatorKind::Patch { .. } = config.discriminator else { panic!("not the pixel discriminator") };
    let d = DiscriminatorConfig { input, ndf: config.ndf, kind: config.discriminator, norm: config.generator.norm() };
    let d = Discriminator::new(&mut store, "D", d).unwrap();
    for set in ["G", "D"] {
        store.pages(set);
    }
    let params = g.weights().params().chain(d.weights().params()).cloned().collect();
    (store, params)
}

/// Panics unless the plan keeps the invariants. Returns the gradients that it writes.
fn check_invariants(what: &str, plan: &Plan, store: &Store) -> HashSet<StoreId> {
    let lives = plan.lives();
    // I2: what shares a slot is never alive at the same node, and what the host reads shares with nobody.
    for (slot, bytes) in plan.slots().iter().enumerate() {
        let mut inside: Vec<_> = lives.iter().filter(|l| l.slot == slot).collect();
        inside.sort_by_key(|l| l.nodes);
        assert!(!inside.is_empty(), "{what}: slot {slot} holds nothing");
        assert_eq!(inside.iter().map(|l| l.bytes).max(), Some(*bytes), "{what}: slot {slot} is as large as the largest in it");
        for pair in inside.windows(2) {
            assert!(pair[0].nodes.1 < pair[1].nodes.0, "{what}: slot {slot}: {:?} overlaps {:?}", pair[0], pair[1]);
        }
        assert!(inside.len() == 1 || inside.iter().all(|l| !l.kept), "{what}: slot {slot} is read by the host and shared");
    }
    let is_gradient = |id: StoreId| store.buffer_info(store.buffer_index(id)).1 == Role::Gradient;
    // One buffer, whatever lies in it: a slot, a page, a host tensor.
    let buffer = |region: Region| match region {
        Region::Stored(id) => (1, store.buffer_index(id), None),
        Region::Slot(slot) => (0, slot, None),
        Region::Host(tensor) => (2, 0, Some(tensor)),
    };
    let mut owner: Vec<Option<usize>> = vec![None; plan.slots().len()];
    let mut written: Vec<HashSet<u32>> = vec![HashSet::new(); lives.len()];
    let mut gradients = HashSet::new();
    for (at, node) in plan.nodes().iter().enumerate() {
        let what = format!("{what}: node {at} {:?}", node.label);
        let mut own = HashSet::new();
        for bindings in plan.bindings(node) {
            let (writes, reads): (Vec<&Bound>, Vec<&Bound>) = bindings.iter().partition(|b| b.access == Access::Write);
            assert!(!writes.is_empty(), "{what}: a dispatch that writes nothing");
            for (index, write) in writes.iter().enumerate() {
                // I1. Two stored tensors may be written in one page: their ranges do not overlap.
                assert!(reads.iter().all(|r| buffer(r.region) != buffer(write.region)), "{what}: {write:?} is in a buffer that is read as well");
                assert!(writes[..index].iter().all(|w| w.region != write.region), "{what}: {write:?} is bound twice");
                assert!(!matches!(write.region, Region::Host(_)), "{what}: {write:?} is the host's to write");
            }
            // I3. Lanes are enough to tell: a kernel writes all pixels of a tensor.
            for read in &reads {
                let Region::Slot(slot) = read.region else { continue };
                let life = read.life.expect("it lies in a slot");
                assert_eq!(owner[slot], Some(life), "{what}: {read:?} is read after its slot went to another, or before it was written");
                let [offset, count, _] = read.lanes;
                assert!((offset..offset + count).all(|lane| written[life].contains(&lane)), "{what}: {read:?} has lanes that nobody wrote this step");
            }
            for write in &writes {
                match (write.region, write.life) {
                    (Region::Slot(slot), Some(life)) => {
                        assert!(lives[life].nodes.0 <= at && at <= lives[life].nodes.1, "{what}: {write:?} outside its lifetime {:?}", lives[life]);
                        owner[slot] = Some(life);
                        let [offset, count, stride] = write.lanes;
                        assert!(offset + count <= stride, "{what}: {write:?} is wider than its pixels");
                        written[life].extend(offset..offset + count);
                    }
                    // A node that works in rounds adds to what its first round wrote.
                    (Region::Stored(id), _) if is_gradient(id) && own.insert(id) => {
                        // Last step's gradients are still there: the first writer overwrites, all others add.
                        assert_eq!(node.updates(), !gradients.insert(id), "{what}: a gradient is overwritten, or added to last step's");
                    }
                    _ => {}
                }
            }
        }
    }
    gradients
}

#[test]
fn the_plan_of_pix2pix_256_keeps_its_invariants() {
    let config = pix2pix_256();
    let (store, params) = store_of(&config);
    for family in FAMILIES {
        for reuse in [true, false] {
            let plan = Pix2Pix::plan(&config, family, PlanOptions { reuse, ..PlanOptions::default() }).unwrap();
            let written = check_invariants(&format!("{family} reuse {reuse}"), &plan, &store);
            let wanted: HashSet<StoreId> = params.iter().filter_map(|p| p.gradient).collect();
            assert_eq!(wanted.len(), 43 + 13, "the U-Net has 43 parameters, the discriminator 13 (weights, biases, norms)");
            assert_eq!(written, wanted, "Adam reads whole pages: every gradient has to be written in every step");
        }
    }
}

/// The built-in rule, whatever variant the environment forces.
fn ruled() -> PlanOptions {
    PlanOptions { tuning: Some(Arc::new(Tuning::rule(Family::Workgroup))), ..PlanOptions::default() }
}

#[test]
fn memory_of_pix2pix_256_adds_up() {
    let config = pix2pix_256();
    let (store, params) = store_of(&config);
    let plan = |reuse| Pix2Pix::plan(&config, Family::Workgroup, PlanOptions { reuse, ..ruled() }).unwrap();
    let (with, without) = (plan(true), plan(false));
    let m = with.memory();
    assert_eq!(m.total(), m.parameters + m.gradients + m.moments + m.running + m.activations + m.inputs + m.uniforms);
    assert_eq!((m.gradients, m.moments), (m.parameters, 2 * m.parameters));
    // Pages, found again from the parameters that lie in them.
    let bytes = |role: Role, ids: Vec<StoreId>| -> u64 {
        let pages: BTreeMap<usize, u64> = ids.into_iter().map(|id| store.buffer_index(id)).map(|page| (page, store.buffer_info(page).0)).collect();
        assert!(pages.keys().all(|page| store.buffer_info(*page).1 == role));
        assert!(pages.values().all(|bytes| *bytes <= pixtape::gpu::MAX_BINDING));
        pages.values().sum()
    };
    let (trained, running): (Vec<&Param>, Vec<&Param>) = params.iter().partition(|p| p.gradient.is_some());
    assert_eq!(m.parameters, bytes(Role::Weight, trained.iter().map(|p| p.value).collect()));
    assert_eq!(m.gradients, bytes(Role::Gradient, trained.iter().filter_map(|p| p.gradient).collect()));
    assert_eq!(m.moments, bytes(Role::Moment, trained.iter().filter_map(|p| p.moments).flatten().collect()));
    assert_eq!(m.running, bytes(Role::Running, running.iter().map(|p| p.value).collect()));
    // 57.2 million values; padding (3 channels in 4 places, pieces of 256 bytes) adds little.
    let values: usize = trained.iter().map(|p| p.layout.elements()).sum();
    assert_eq!(values, 54_413_955 + 2_768_705);
    assert!((4 * values as u64..4 * values as u64 * 101 / 100).contains(&m.parameters), "{}", m.parameters);
    assert_eq!(m.activations, with.slots().iter().sum::<u64>());
    let lives = with.lives();
    assert_eq!(m.activations_without_reuse, lives.iter().map(|l| l.bytes).sum::<u64>());
    assert_eq!((without.memory().activations, without.memory().activations_without_reuse), (m.activations_without_reuse, m.activations_without_reuse));
    assert_eq!(without.memory().total() - m.total(), m.activations_without_reuse - m.activations);
    // No colouring gets below what is alive at once; a good one gets near it.
    let alive = |at: usize| lives.iter().filter(|l| l.kept || (l.nodes.0 <= at && at <= l.nodes.1)).map(|l| l.bytes).sum::<u64>();
    let peak = (0..with.nodes().len()).map(alive).max().unwrap();
    assert!(peak <= m.activations && m.activations <= peak * 5 / 4, "{peak} bytes are alive at once, {} are planned", m.activations);
    assert_eq!(m.inputs, 2 * 256 * 256 * 3);
}

#[test]
fn planning_is_deterministic_and_the_plan_of_pix2pix_256_is_the_recorded_one() {
    let text = || Pix2Pix::plan(&pix2pix_256(), Family::Workgroup, ruled()).unwrap().to_string() + "\n";
    let plan = text();
    // Hash maps have another order in every process and for every map: three tries would show it.
    assert!((0..3).all(|_| text() == plan), "the same tape gave two plans");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/kernels-tests/golden/plan_pix2pix_256.txt");
    if std::env::var("PIXTAPE_BLESS").is_ok_and(|v| v == "1") {
        std::fs::write(path, &plan).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    let differ = golden.lines().zip(plan.lines()).enumerate().find(|(_, (a, b))| a != b);
    assert!(
        golden == plan,
        "the plan changed: {differ:?}, {} lines were {}; if that is meant, PIXTAPE_BLESS=1 cargo test --test plan writes it anew",
        plan.lines().count(),
        golden.lines().count()
    );
}

#[test]
fn a_memory_limit_is_refused_with_the_numbers_that_matter() {
    let limited = |limit| Pix2Pix::plan(&pix2pix_256(), Family::Workgroup, PlanOptions { memory_limit: Some(limit), ..ruled() });
    let total = limited(u64::MAX).unwrap().memory().total();
    assert!(limited(total).is_ok());
    let error = limited(total - 1).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let message = error.to_string();
    let Error::MemoryLimit { planned, limit, largest } = error else { panic!("{message}") };
    assert_eq!((planned, limit), (total, total - 1));
    assert!(message.contains(&total.to_string()) && message.contains(&(total - 1).to_string()), "{message}");
    let bytes: Vec<u64> = largest.split('(').skip(1).map(|rest| rest.split(')').next().unwrap().parse().unwrap()).collect();
    assert!(bytes.len() == 3 && bytes.is_sorted_by(|a, b| a >= b), "{largest}");
    // 1024 x 512 x 4 x 4 weights of the decoder.
    assert_eq!(bytes[0], 33_554_432, "{largest}");
    assert!(largest.contains("model.model.1.model.3") && largest.contains(".weight"), "{largest}");
}

#[test]
fn a_tensor_that_no_adapter_can_bind_is_refused_by_name() {
    let config = Pix2PixConfig { batch_size: 32, ..pix2pix_256() };
    let error = Pix2Pix::plan(&config, Family::Workgroup, PlanOptions::default()).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::Limit { .. }) && error.exit_code() == 1, "{message}");
    assert!(message.contains("134217728") && message.contains("--batch_size"), "{message}");
}

#[test]
fn mistakes_in_shapes_are_told_with_their_numbers() {
    let mut store = Store::new();
    let mut tape = Tape::new();
    let x = tape.input("x", Shape::new(1, 9, 7, 3));
    let w = store.param("D", "w", Layout::Conv { ci: 6.into(), co: 8, kernel: 4 });
    let w = tape.param(&store, &w);
    let told = |result: Result<Tensor>, op: &str, words: &[&str]| {
        let error = result.unwrap_err();
        let message = error.to_string();
        assert!(matches!(&error, Error::Shape { op: found, label, .. } if *found == op && label == "D/c1"), "{error:?}");
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
        assert_eq!(error.exit_code(), 1);
    };
    tape.scope("D/c1");
    told(tape.conv2d(x, w, None, Conv::new(4, 2, 1)), "conv2d", &["3", "6", "[1, 9, 7, 3]"]);
    let narrow = tape.input("narrow", Shape::new(1, 9, 1, 6));
    told(tape.conv2d(narrow, w, None, Conv::new(4, 1, 1)), "conv2d", &["[1, 9, 1, 6]", "4"]);
    let other = tape.input("other", Shape::new(1, 9, 7, 4));
    told(tape.add(x, other), "add", &["[1, 9, 7, 3]", "[1, 9, 7, 4]"]);
    told(tape.l1(x, other), "l1", &["[1, 9, 7, 3]", "[1, 9, 7, 4]"]);
    told(tape.concat(&[x, narrow]), "concat", &["[1, 9, 7, 3]", "[1, 9, 1, 6]"]);
    let odd = tape.input("odd", Shape::new(1, 9, 7, 1));
    told(tape.concat(&[odd; 5]), "concat", &["4"]);
    let vector = tape.input("vector", Shape::vector(4));
    told(tape.batch_norm(x, vector, vector, None, NormMode::Batch, BatchNorm::default()), "batch_norm", &["[1, 9, 7, 3]", "[1, 1, 1, 4]"]);
    // The derivative of something that is no loss.
    told(tape.backward(&[x], &[x]).map(|_| x), "backward", &["[1, 9, 7, 3]", "mean"]);
    let recorded = tape.nodes().len();
    assert_eq!(recorded, 0, "a refused operation leaves nothing on the tape");
}

#[test]
fn sizes_that_do_not_pass_the_halvings_are_told_with_the_nearest() {
    let sized = |width, height| Pix2Pix::plan(&Pix2PixConfig { width, height, ..pix2pix_256() }, Family::Workgroup, PlanOptions::default());
    for (width, height, words) in [
        (360, 360, ["360x360", "multiples of 256", "width 256 or 512", "height 256 or 512"]),
        (512, 300, ["512x300", "multiples of 256", "width 512", "height 256 or 512"]),
        (100, 256, ["100x256", "multiples of 256", "width 256", "height 256"]),
    ] {
        let error = sized(width, height).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, Error::Usage(_)) && error.exit_code() == 1);
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
    }
    assert!(sized(512, 256).is_ok(), "rectangles pass");
    // 32 pixels are halved to 1 by five layers: nothing to normalise, and no room for the kernel of the layer behind.
    for (norm, op) in [(NormKind::Batch, "batch_norm"), (NormKind::None, "conv2d")] {
        let generator = UnetConfig { downs: 5, norm, ..unet_256() }.into();
        let small = Pix2PixConfig { generator, discriminator: DiscriminatorKind::Patch { n_layers: 5 }, width: 32, height: 32, ..pix2pix_256() };
        let error = Pix2Pix::plan(&small, Family::Workgroup, PlanOptions::default()).unwrap_err();
        assert!(matches!(&error, Error::Shape { op: found, label, .. } if *found == op && label.contains("D/c")), "{error}");
    }
    let none = Pix2PixConfig { discriminator: DiscriminatorKind::Patch { n_layers: 7 }, ..pix2pix_256() };
    assert!(Pix2Pix::plan(&none, Family::Workgroup, PlanOptions::default()).unwrap_err().to_string().contains("1 to 6"));
}

fn bits(values: &[Vec<f32>]) -> Vec<Vec<u32>> {
    values.iter().map(|v| v.iter().map(|x| x.to_bits()).collect()).collect()
}

#[test]
fn plans_of_random_nets_keep_the_invariants() {
    let (mut nodes, mut slots, mut lives) = (0, 0, 0);
    for seed in 0..400 {
        let net = random_net(seed);
        for (family, reuse) in [(FAMILIES[seed as usize % 3], true), (FAMILIES[0], false)] {
            let plan = net.plan(family, PlanOptions { reuse, ..PlanOptions::default() });
            check_invariants(&format!("seed {seed} {family} reuse {reuse}"), &plan, &net.store);
            if reuse {
                nodes += plan.nodes().len();
                slots += plan.slots().len();
                lives += plan.lives().len();
            }
            let again = random_net(seed).plan(family, PlanOptions { reuse, ..PlanOptions::default() });
            assert_eq!(plan.to_string(), again.to_string(), "seed {seed}");
        }
    }
    // The generator is worth its name only if nets are large and slots are shared.
    assert!(nodes > 400 * 15 && 2 * slots < lives, "{nodes} nodes, {lives} runs of memory in {slots} slots");
}

#[test]
fn random_nets_give_the_same_bits_with_and_without_sharing_and_pass_the_checks() {
    let Some(gpu) = support::gpu() else { return };
    for seed in 0..12 {
        let run = |options| random_net(seed).run(gpu, options);
        let shared = run(PlanOptions::default());
        assert!(shared.iter().flatten().all(|v| v.is_finite()), "seed {seed}");
        let apart = run(PlanOptions { reuse: false, ..PlanOptions::default() });
        assert_eq!(bits(&shared), bits(&apart), "seed {seed}: sharing slots changed something");
        let plain = run(PlanOptions { fuse: false, ..PlanOptions::default() });
        assert_eq!(bits(&shared), bits(&plain), "seed {seed}: fusing changed something");
        let checked = run(PlanOptions { guards: true, ..PlanOptions::default() });
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
        [0, 1].map(|side| support::bits(64 * 64 * 3, 2 * step as u32 + side).iter().map(|w| (w >> 24) as u8).collect())
    }

    fn steps(mut self, count: u64) -> Run {
        for step in 1..=count {
            let [a, b] = Run::pictures(step);
            self.losses.extend(self.trainer.step(&a, &b, 2e-4).unwrap());
        }
        self.losses.extend(self.trainer.finish().unwrap());
        assert_eq!(self.losses.iter().map(|l| l.step).collect::<Vec<_>>(), (1..=count).collect::<Vec<_>>(), "every step's losses come back, in order");
        self
    }

    /// Weights, running statistics and moments.
    fn state(&self) -> Vec<(String, Vec<u32>)> {
        let (store, gpu) = (self.trainer.store(), self.trainer.program().gpu());
        let mut all = Vec::new();
        for (net, weights, _) in self.trainer.networks() {
            for param in weights.params() {
                for id in [Some(param.value), param.moments.map(|m| m[0]), param.moments.map(|m| m[1])].into_iter().flatten() {
                    let values = pollster::block_on(store.read(gpu, id, &param.layout)).unwrap();
                    assert!(values.iter().all(|v| v.is_finite()), "{net} {}", param.name);
                    all.push((format!("{net} {}", param.name), values.iter().map(|v| v.to_bits()).collect()));
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

// One test: the pipelines of a step take a software driver seconds to compile, and processes do not share them.
#[test]
fn a_training_step_gives_the_same_bits_however_it_is_run() {
    let Some(gpu) = support::gpu() else { return };
    let first = Run::new(gpu, tiny(), PlanOptions::default()).steps(3);
    same("same seed again", &first, &Run::new(gpu, tiny(), PlanOptions::default()).steps(3));
    same("no shared slots", &first, &Run::new(gpu, tiny(), PlanOptions { reuse: false, ..PlanOptions::default() }).steps(3));
    same("nothing fused", &first, &Run::new(gpu, tiny(), PlanOptions { fuse: false, ..PlanOptions::default() }).steps(3));
    let other = Run::new(gpu, Pix2PixConfig { seed: 8, ..tiny() }, PlanOptions::default()).steps(3);
    assert_ne!(first.losses, other.losses, "the seed matters");

    // In pieces, as a host or a segmented step submits them.
    let pieces = Run::new(gpu, tiny(), PlanOptions::default());
    let program = pieces.trainer.program();
    for step in 1..=3u64 {
        let [a, b] = Run::pictures(step);
        pieces.trainer.set_pictures(&a, &b).unwrap();
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
    let mut checked = Run::new(gpu, tiny(), PlanOptions { guards: true, ..PlanOptions::default() });
    let one = Run::new(gpu, tiny(), PlanOptions::default()).steps(1);
    let [a, b] = Run::pictures(1);
    checked.trainer.set_pictures(&a, &b).unwrap();
    let values = checked.trainer.values(1, 2e-4);
    pollster::block_on(checked.trainer.program().run_checked(&values)).unwrap();
    assert_eq!(one.state(), checked.state(), "the checked step");
    assert!(one.state() != first.state(), "three steps are more than one");

    // A weight goes bad: the first node that its value reaches is named, not a later one.
    checked.trainer.set_steps(1);
    let bad = checked.trainer.generator().weights().params().find(|p| p.name == "model.model.1.model.2.bias").unwrap().clone();
    checked.trainer.store().write(gpu, bad.value, &bad.layout, &vec![f32::NAN; bad.layout.elements()]).unwrap();
    let error = pollster::block_on(checked.trainer.program().run_checked(&values)).unwrap_err();
    assert!(matches!(&error, Error::Check { label, message, .. } if label == "G/down1/batch_norm" && message.contains("NaN")), "{error}");
    assert_eq!(error.exit_code(), 2);
}

/// Fills its output, with one mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Faulty {
    None,
    NotANumber,
    Unwritten,
    Outside,
    Padding,
}

impl Op for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn lower(&self, node: &Lowering<'_>) -> Vec<Dispatch> {
        let y = &node.outputs[0];
        let vec4s = y.shape.vec4s() as u32;
        let (count, value, channels) = match self {
            Faulty::None => (vec4s, 2.0, y.shape),
            Faulty::NotANumber => (vec4s, f32::NAN, y.shape),
            Faulty::Unwritten => (vec4s - 1, 2.0, y.shape),
            Faulty::Outside => (vec4s + 1, 2.0, y.shape),
            Faulty::Padding => (vec4s, 2.0, y.shape.with_channels(4)),
        };
        let d = Dispatch::new("fill", "fill").bind("y", Bind::Out(0)).u("vec4s", count).u("width", y.shape.c.vec4s());
        vec![d.view("y", y).f("value", value).parts(&channels).over(u64::from(count))]
    }

    fn backward(&self, _: &mut Backward<'_>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn the_checked_run_finds_planted_faults() {
    let Some(gpu) = support::gpu() else { return };
    let check = |fault: Faulty, input: f32| {
        let (store, mut tape) = (Store::new(), Tape::new());
        let shape = Shape::new(1, 3, 5, 3);
        tape.scope("good");
        let x = tape.input("x", shape);
        let before = tape.act(x, Act::Relu);
        tape.scope("bad");
        let y = tape.push_one(fault, &[before], shape);
        tape.scope("after");
        let sum = tape.add(before, y).unwrap();
        let plan = Plan::new(&tape, &store, &[sum], gpu.family(), PlanOptions { guards: true, ..PlanOptions::default() }).unwrap();
        let program = plan.prepare(gpu, &store).unwrap();
        program.write(x, &[input; 45]).unwrap();
        pollster::block_on(program.run_checked(&StepValues::default()))
    };
    check(Faulty::None, 1.0).unwrap();
    for (fault, words) in
        [(Faulty::NotANumber, "NaN"), (Faulty::Unwritten, "never written"), (Faulty::Outside, "overwritten"), (Faulty::Padding, "padding and not zero")]
    {
        let error = check(fault, 1.0).unwrap_err();
        assert!(matches!(&error, Error::Check { node: 1, label, message } if label == "bad/faulty" && message.contains(words)), "{fault:?}: {error}");
    }
    // A fault that the host brought in: the first node to see it is named.
    let error = check(Faulty::None, f32::INFINITY).unwrap_err();
    assert!(matches!(&error, Error::Check { node: 0, label, message } if label == "good/relu" && message.contains("infinite")), "{error}");
}

/// A net of two convolutions and a norm, trained for three steps: values and moments of its parameters.
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
    let plan = Plan::new(&tape, &store, &[loss], gpu.family(), PlanOptions::default()).unwrap();
    check_invariants("pages", &plan, &store);
    let program = plan.prepare(gpu, &store).unwrap();
    program.write(x, &support::reals(2 * 36 * 3, 1, -1.0, 1.0)).unwrap();
    for (stream, p) in (2..).zip(&params) {
        store.write(gpu, p.value, &p.layout, &support::reals(p.layout.elements(), stream, -0.5, 0.5)).unwrap();
    }
    let mut losses = Vec::new();
    for t in 1..=3 {
        let rate = Rate { lr: 1e-2, beta1: 0.5, beta2: 0.999, eps: 1e-8, t };
        program.step(&StepValues { step: t, seed: 0, rates: [rate; 4] }).unwrap();
        losses.extend(pollster::block_on(program.read(loss)).unwrap());
    }
    assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "it does not learn: {losses:?}");
    let ids = params.iter().flat_map(|p| [Some(p.value), p.gradient].into_iter().flatten().chain(p.moments.unwrap()).map(move |id| (id, p.layout)));
    let state = ids.map(|(id, layout)| pollster::block_on(store.read(gpu, id, &layout)).unwrap()).chain([losses]).collect();
    (pages.len(), state)
}

#[test]
fn weights_in_many_pages_train_like_weights_in_one() {
    let Some(gpu) = support::gpu() else { return };
    let (one, whole) = trained(gpu, Store::new());
    // 1.7 and 3.5 KiB of convolution weights, 256 bytes for each vector.
    let (three, paged) = trained(gpu, Store::with_page_limit(4096));
    assert_eq!((one, three), (1, 2));
    assert!(whole.iter().all(|v| v.iter().all(|x| x.is_finite()) && v.iter().any(|x| *x != 0.0)));
    assert_eq!(bits(&whole), bits(&paged));
}

#[test]
fn inference_keeps_no_activations_for_a_backward_pass() {
    // The same generator at the same size: a plan without derivatives needs a fraction of the memory.
    let config = pix2pix_256();
    let (mut store, mut tape) = (Store::new(), Tape::new());
    let g = Generator::new(&mut store, "G", config.generator).unwrap();
    let x = tape.input("x", Shape::new(1, 256, 256, 3));
    let y = g.record(&mut tape, &store, x, Mode { norm: NormMode::Instance, update_running: false, dropout: false }).unwrap();
    // Without the scratch memory of minimal filtering, which both have.
    let direct = || PlanOptions { tuning: Some(Arc::new(Tuning::rule(Family::Workgroup).force("direct split1".parse().unwrap()))), ..PlanOptions::default() };
    let plan = Plan::new(&tape, &store, &[y], Family::Workgroup, direct()).unwrap();
    check_invariants("inference", &plan, &store);
    let training = Pix2Pix::plan(&config, Family::Workgroup, direct()).unwrap();
    assert_eq!((plan.memory().gradients, plan.memory().moments), (0, 0));
    assert!(2 * plan.memory().activations < training.memory().activations, "{} and {}", plan.memory(), training.memory());
}

#[test]
fn every_node_that_runs_takes_time_and_timing_changes_no_result() {
    let Some(gpu) = support::gpu() else { return };
    let mut tape = Tape::new();
    let x = tape.input("x", Shape::new(1, 64, 64, 8));
    let (a, b) = (tape.act(x, Act::Tanh), tape.act(x, Act::Sigmoid));
    // Planned away: its parts lie there already.
    let y = tape.concat(&[a, b]).unwrap();
    let store = Store::new();
    let program = Plan::new(&tape, &store, &[y], gpu.family(), PlanOptions::default()).unwrap().prepare(gpu, &store).unwrap();
    program.write(x, &vec![0.5; 64 * 64 * 8]).unwrap();
    program.step(&StepValues::default()).unwrap();
    let before = pollster::block_on(program.read(y)).unwrap();
    let times = program.time_nodes().unwrap();
    let runs: Vec<bool> = program.node_ranges().iter().map(|r| !r.is_empty()).collect();
    assert_eq!((runs.len(), runs.iter().filter(|r| **r).count()), (3, 2));
    for (seconds, runs) in times.seconds.iter().zip(&runs) {
        assert!(if *runs { (0.0..10.0).contains(seconds) } else { *seconds == 0.0 }, "{times:?}");
    }
    let twice = program.time(program.node_ranges(), 2).unwrap();
    assert!(twice.seconds.len() == 3 && twice.seconds.iter().sum::<f64>() > 0.0, "{twice:?}");
    assert_eq!(pollster::block_on(program.read(y)).unwrap(), before);
}

#[test]
fn a_plans_problems_are_counted_and_measured_choices_are_valid() {
    let plan = Pix2Pix::plan(&pix2pix_256(), Family::Workgroup, PlanOptions::default()).unwrap();
    let loads = tune::problems(&plan);
    let passes = plan.nodes().iter().filter(|n| n.convolution.is_some()).count();
    assert_eq!((loads.iter().map(|l| l.uses).sum::<usize>(), tune::choices(&plan).len()), (passes, loads.len()));
    assert!(loads.len() < passes);

    let Some(gpu) = support::gpu() else { return };
    let loads = tune::problems(&Pix2Pix::plan(&tiny(), gpu.family(), PlanOptions::default()).unwrap());
    let rule = Tuning::rule(gpu.family());
    let mut told = 0;
    let report = tune::measure(gpu, &loads[..4], &rule, Duration::from_secs(4), &mut |done, all, _| told = done * 10 / all).unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert_eq!(report.choices.len() + report.left, 4);
    assert!(!report.choices.is_empty() && told == 10 * report.choices.len() / 4);
    for choice in &report.choices {
        assert!(choice.variant.fits(&choice.load.problem, gpu.family()) && choice.seconds > 0.0, "{choice:?}");
        // Either the rule's, or it was faster when it was measured.
        assert!(choice.variant == choice.rule || choice.rule_seconds.is_none_or(|r| choice.seconds < r), "{choice:?}");
    }
    // No time, no choice.
    assert_eq!(tune::measure(gpu, &loads, &rule, Duration::ZERO, &mut |_, _, _| ()).unwrap().left, loads.len());
}
