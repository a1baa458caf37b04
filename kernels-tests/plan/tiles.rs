//! What the built-in rule takes on GPUs: tiles that fit their products, whatever the GPU's sizes.

use super::{pix2pix_256, unet_256};
use pixtape::gpu::{Facts, Family};
use pixtape::nets::UnetConfig;
use pixtape::ops::{Tuning, Variant};
use pixtape::train::{CycleGan, CycleGanConfig, Pix2Pix, Pix2PixConfig};
use pixtape::tune::{choices, problems};
use pixtape::{Plan, PlanOptions};

/// Padding that a layer may cost: elements that are computed, for each of the result.
const MOST: f64 = 1.3;

/// Steps as people train them.
fn plans() -> Vec<(String, Plan)> {
    let options = || PlanOptions { max_binding: Some((2 << 30) - 4), ..PlanOptions::default() };
    let family = Family::Workgroup;
    let mut all = Vec::new();
    for batch_size in [1, 16] {
        let large = Pix2PixConfig { batch_size, ..pix2pix_256() };
        let generator = UnetConfig { ngf: 32, downs: 7, ..unet_256() }.into();
        let small = Pix2PixConfig { generator, ndf: 32, width: 128, height: 128, ..large };
        let plain = UnetConfig { downs: 7, ..unet_256() }.into();
        let medium = Pix2PixConfig { generator: plain, width: 128, height: 128, ..large };
        for (name, config) in [("256", large), ("128 of 32", small), ("128", medium)] {
            let plan = Pix2Pix::plan(&config, family, options()).unwrap();
            all.push((format!("pix2pix {name}, batch {batch_size}"), plan));
        }
        let config = CycleGanConfig { batch_size, ..CycleGanConfig::default() };
        let plan = CycleGan::plan(&config, family, options()).unwrap();
        all.push((format!("CycleGAN, batch {batch_size}"), plan));
    }
    all
}

/// GPUs of all sizes, the unknown one first.
fn gpus() -> Vec<Facts> {
    let named = ["RTX 3060", "RTX 4090", "H100", "RX 7900 XTX", "Apple M2"];
    let known = named.iter().map(|name| Facts::named(name).unwrap());
    [Facts::default()].into_iter().chain(known).collect()
}

#[test]
fn no_layer_computes_much_beyond_its_result_where_a_tile_can_do_with_less() {
    for (step, plan) in plans() {
        for load in problems(&plan) {
            let problem = load.problem;
            for facts in gpus() {
                let taken = Tuning::rule(Family::Workgroup).with_facts(facts).choose(&problem);
                let least = Variant::candidates(&problem, Family::Workgroup)
                    .into_iter()
                    .filter(|v| v.method == taken.method)
                    .map(|v| v.waste(&problem))
                    .fold(f64::INFINITY, f64::min);
                let waste = taken.waste(&problem);
                assert!(
                    waste <= MOST.max(least),
                    "{step}, {facts:?}: {problem} takes {taken}, which computes {waste:.2} times \
                     its result"
                );
            }
        }
    }
}

#[test]
fn a_small_gpu_cuts_sums_into_no_more_slices_than_a_large_one() {
    let [large, small] = ["RTX 4090", "Apple M2"].map(|name| {
        let facts = Facts::named(name).unwrap();
        Tuning::rule(Family::Workgroup).with_facts(facts)
    });
    let mut slices = [0, 0];
    for (step, plan) in plans() {
        for load in problems(&plan) {
            let taken = [&large, &small].map(|tuning| tuning.choose(&load.problem));
            // Slices of different tiles do not compare.
            if taken[0].method == taken[1].method && taken[0].tile == taken[1].tile {
                let [a, b] = taken.map(|v| v.split);
                assert!(b <= a, "{step}: {} takes {} and {}", load.problem, taken[0], taken[1]);
                slices = [slices[0] + a, slices[1] + b];
            }
        }
    }
    assert!(2 * slices[1] < slices[0], "{slices:?}");
}

#[test]
fn a_plan_knows_the_sizes_that_its_kernels_were_chosen_for() {
    let facts = Facts::named("RTX 3060").unwrap();
    let plan = |family, facts| {
        let options = PlanOptions { facts, ..PlanOptions::default() };
        Pix2Pix::plan(&pix2pix_256(), family, options).unwrap()
    };
    let known = plan(Family::Workgroup, Some(facts));
    assert_eq!(known.facts(), Some(facts));
    let unknown = plan(Family::Workgroup, None);
    assert_eq!(unknown.facts(), Some(Facts::default()));
    assert_ne!(choices(&known), choices(&unknown));
    // Tiles of CPU drivers go by nothing of this.
    for family in [Family::Register, Family::Subgroup(8)] {
        let plans = [plan(family, Some(facts)), plan(family, None)];
        assert_eq!(choices(&plans[0]), choices(&plans[1]));
        assert_eq!(plans[0].facts(), None);
    }
}
