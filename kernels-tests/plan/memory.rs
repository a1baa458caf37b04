//! What a plan takes, and that it is always the same.

use crate::invariants::check_invariants;
use crate::{pix2pix_256, ruled, store_of};
use pixtape::gpu::Family;
use pixtape::nets::{Generator, Mode};
use pixtape::ops::{NormMode, Tuning};
use pixtape::store::{Layout, Param, Role, StoreId};
use pixtape::testing::{page_index, page_info};
use pixtape::train::Pix2Pix;
use pixtape::{Plan, PlanOptions, Shape, Store, Tape};
use std::collections::BTreeMap;
use std::sync::Arc;

#[test]
fn memory_of_pix2pix_256_adds_up() {
    let config = pix2pix_256();
    let (store, params) = store_of(&config);
    let plan = |reuse| {
        Pix2Pix::plan(&config, Family::Workgroup, PlanOptions { reuse, ..ruled() }).unwrap()
    };
    let (with, without) = (plan(true), plan(false));
    let m = with.memory();
    assert_eq!(
        m.total(),
        m.parameters + m.gradients + m.moments + m.running + m.activations + m.inputs + m.uniforms
    );
    assert_eq!(m.moments, 2 * m.parameters);
    // Pages, found again from the parameters that lie in them.
    let bytes = |role: Role, ids: Vec<StoreId>| -> u64 {
        let pages: BTreeMap<usize, u64> = ids
            .into_iter()
            .map(|id| page_index(&store, id))
            .map(|page| (page, page_info(&store, page).0))
            .collect();
        assert!(pages.keys().all(|page| page_info(&store, *page).1 == role));
        assert!(pages.values().all(|bytes| *bytes <= pixtape::gpu::MAX_BINDING));
        pages.values().sum()
    };
    let (trained, running): (Vec<&Param>, Vec<&Param>) =
        params.iter().partition(|p| p.gradient.is_some());
    assert_eq!(m.parameters, bytes(Role::Weight, trained.iter().map(|p| p.value).collect()));
    // Those of weights go straight into Adam.
    let vectors = trained.iter().filter(|p| matches!(p.layout, Layout::Vector(_)));
    let vectors = vectors.filter_map(|p| p.gradient).collect();
    assert_eq!(m.gradients, bytes(Role::Gradient, vectors));
    assert!(m.total() <= 780 << 20, "{m}");
    assert_eq!(
        m.moments,
        bytes(Role::Moment, trained.iter().filter_map(|p| p.moments).flatten().collect())
    );
    assert_eq!(m.running, bytes(Role::Running, running.iter().map(|p| p.value).collect()));
    // 57.2 million values; padding (3 channels in 4 places, pieces of 256 bytes) adds little.
    let values: usize = trained.iter().map(|p| p.layout.elements()).sum();
    assert_eq!(values, 54_413_955 + 2_768_705);
    assert!(
        (4 * values as u64..4 * values as u64 * 101 / 100).contains(&m.parameters),
        "{}",
        m.parameters
    );
    assert_eq!(m.activations, with.slots().iter().sum::<u64>());
    let lives = with.lives();
    assert_eq!(m.activations_without_reuse, lives.iter().map(|l| l.bytes).sum::<u64>());
    assert_eq!(
        (without.memory().activations, without.memory().activations_without_reuse),
        (m.activations_without_reuse, m.activations_without_reuse)
    );
    assert_eq!(without.memory().total() - m.total(), m.activations_without_reuse - m.activations);
    // No colouring gets below what is alive at once; a good one gets near it.
    let alive = |at: usize| {
        lives
            .iter()
            .filter(|l| l.kept || (l.nodes.0 <= at && at <= l.nodes.1))
            .map(|l| l.bytes)
            .sum::<u64>()
    };
    let peak = (0..with.nodes().len()).map(alive).max().unwrap();
    assert!(
        peak <= m.activations && m.activations <= peak * 5 / 4,
        "{peak} bytes are alive at once, {} are planned",
        m.activations
    );
    assert_eq!(m.inputs, 2 * 256 * 256 * 3);
}

#[test]
fn planning_is_deterministic_and_the_plan_of_pix2pix_256_is_the_recorded_one() {
    let text =
        || Pix2Pix::plan(&pix2pix_256(), Family::Workgroup, ruled()).unwrap().to_string() + "\n";
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
        "the plan changed: {differ:?}, {} lines were {}; if that is meant, PIXTAPE_BLESS=1 cargo \
         test --test plan writes it anew",
        plan.lines().count(),
        golden.lines().count()
    );
}

#[test]
fn inference_keeps_no_activations_for_a_backward_pass() {
    // The same generator at the same size: a plan without derivatives needs a fraction of the
    // memory.
    let config = pix2pix_256();
    let (mut store, mut tape) = (Store::new(), Tape::new());
    let g = Generator::new(&mut store, "G", config.generator).unwrap();
    let x = tape.input("x", Shape::new(1, 256, 256, 3));
    let y = g.record(&mut tape, &store, x, Mode::run(NormMode::Instance, false)).unwrap();
    // Without the scratch memory of Winograd, which both have.
    let direct = || PlanOptions {
        tuning: Some(Arc::new(
            Tuning::rule(Family::Workgroup).force("direct split1".parse().unwrap()),
        )),
        ..crate::support::plan_options()
    };
    let plan = Plan::new(&tape, &store, &[y], Family::Workgroup, direct()).unwrap();
    check_invariants("inference", &plan, &store);
    let training = Pix2Pix::plan(&config, Family::Workgroup, direct()).unwrap();
    assert_eq!((plan.memory().gradients, plan.memory().moments), (0, 0));
    assert!(
        2 * plan.memory().activations < training.memory().activations,
        "{} and {}",
        plan.memory(),
        training.memory()
    );
}
