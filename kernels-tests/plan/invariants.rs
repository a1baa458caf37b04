//! What must hold for every plan.

use crate::support::random_net::random_net;
use crate::{FAMILIES, pix2pix_256, store_of};
use pixtape::gpu::Access;
use pixtape::plan::{Bound, Region};
use pixtape::store::{Layout, Role, StoreId};
use pixtape::testing::{page_index, page_info};
use pixtape::train::Pix2Pix;
use pixtape::{Plan, PlanOptions, Store};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// What has been written of a run of memory in this step: ranges of pixels, by lane.
#[derive(Clone, Default)]
struct Written(HashMap<u32, Vec<Range<u32>>>);

impl Written {
    fn add(&mut self, bound: &Bound) {
        let [first, count, _] = bound.lanes;
        for lane in first..first + count {
            let ranges = self.0.entry(lane).or_default();
            ranges.push(bound.pixels.clone());
            ranges.sort_by_key(|range| range.start);
        }
    }

    fn covers(&self, bound: &Bound) -> bool {
        let [first, count, _] = bound.lanes;
        (first..first + count).all(|lane| {
            // How far everything from the first pixel on has been written.
            let mut to = bound.pixels.start;
            for range in self.0.get(&lane).into_iter().flatten() {
                if range.start <= to {
                    to = to.max(range.end);
                }
            }
            to >= bound.pixels.end
        })
    }
}

/// Panics unless the plan keeps the invariants. Returns the gradients that it writes.
pub fn check_invariants(what: &str, plan: &Plan, store: &Store) -> HashSet<StoreId> {
    let lives = plan.lives();
    // I2: what shares a slot is never alive at the same node, and what the host reads shares with
    // nobody.
    for (slot, bytes) in plan.slots().iter().enumerate() {
        let mut inside: Vec<_> = lives.iter().filter(|l| l.slot == slot).collect();
        inside.sort_by_key(|l| l.nodes);
        assert!(!inside.is_empty(), "{what}: slot {slot} holds nothing");
        assert_eq!(
            inside.iter().map(|l| l.bytes).max(),
            Some(*bytes),
            "{what}: slot {slot} is as large as the largest in it"
        );
        for pair in inside.windows(2) {
            assert!(
                pair[0].nodes.1 < pair[1].nodes.0,
                "{what}: slot {slot}: {:?} overlaps {:?}",
                pair[0],
                pair[1]
            );
        }
        assert!(
            inside.len() == 1 || inside.iter().all(|l| !l.kept),
            "{what}: slot {slot} is read by the host and shared"
        );
    }
    let is_gradient = |id: StoreId| page_info(store, page_index(store, id)).1 == Role::Gradient;
    // One buffer, whatever lies in it: a slot, a page, a host tensor.
    let buffer = |region: Region| match region {
        Region::Stored(id) => (1, page_index(store, id), None),
        Region::Slot(slot) => (0, slot, None),
        Region::Host(tensor) => (2, 0, Some(tensor)),
    };
    let mut owner: Vec<Option<usize>> = vec![None; plan.slots().len()];
    let mut written: Vec<Written> = vec![Written::default(); lives.len()];
    let mut gradients = HashSet::new();
    for (at, node) in plan.nodes().iter().enumerate() {
        let what = format!("{what}: node {at} {:?}", node.label);
        let mut own = HashSet::new();
        for bindings in plan.bindings(node) {
            let (writes, reads): (Vec<&Bound>, Vec<&Bound>) =
                bindings.iter().partition(|b| b.access == Access::Write);
            assert!(!writes.is_empty(), "{what}: a dispatch that writes nothing");
            for (index, write) in writes.iter().enumerate() {
                // I1. Two stored tensors may be written in one page: their ranges do not overlap.
                assert!(
                    reads.iter().all(|r| buffer(r.region) != buffer(write.region)),
                    "{what}: {write:?} is in a buffer that is read as well"
                );
                assert!(
                    writes[..index].iter().all(|w| w.region != write.region),
                    "{what}: {write:?} is bound twice"
                );
                assert!(
                    !matches!(write.region, Region::Host(_)),
                    "{what}: {write:?} is the host's to write"
                );
            }
            // I3. A kernel writes all pixels of a tensor.
            for read in &reads {
                let Region::Slot(slot) = read.region else { continue };
                let life = read.life.expect("it lies in a slot");
                assert_eq!(
                    owner[slot],
                    Some(life),
                    "{what}: {read:?} is read after its slot went to another, or before it was \
                     written"
                );
                assert!(
                    written[life].covers(read),
                    "{what}: {read:?} has values that nobody wrote this step"
                );
            }
            for write in &writes {
                match (write.region, write.life) {
                    (Region::Slot(slot), Some(life)) => {
                        assert!(
                            lives[life].nodes.0 <= at && at <= lives[life].nodes.1,
                            "{what}: {write:?} outside its lifetime {:?}",
                            lives[life]
                        );
                        owner[slot] = Some(life);
                        let [offset, count, stride] = write.lanes;
                        assert!(
                            offset + count <= stride,
                            "{what}: {write:?} is wider than its pixels"
                        );
                        written[life].add(write);
                    }
                    // A node that works in rounds adds to what its first round wrote.
                    (Region::Stored(id), _) if is_gradient(id) && own.insert(id) => {
                        // Last step's gradients are still there: the first writer overwrites, all
                        // others add.
                        assert_eq!(
                            node.updates(),
                            !gradients.insert(id),
                            "{what}: a gradient is overwritten, or added to last step's"
                        );
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
            let plan = Pix2Pix::plan(
                &config,
                family,
                PlanOptions { reuse, ..crate::support::plan_options() },
            )
            .unwrap();
            let written = check_invariants(&format!("{family} reuse {reuse}"), &plan, &store);
            let wanted: Vec<StoreId> = params.iter().filter_map(|p| p.gradient).collect();
            assert_eq!(
                wanted.len(),
                43 + 13,
                "the U-Net has 43 parameters, the discriminator 13 (weights, biases, norms)"
            );
            // Those of weights go straight into Adam.
            let vectors = params.iter().filter(|p| matches!(p.layout, Layout::Vector(_)));
            let wanted: HashSet<StoreId> = vectors.filter_map(|p| p.gradient).collect();
            assert_eq!(
                written, wanted,
                "Adam reads whole pages: every gradient of one has to be written in every step"
            );
        }
    }
}

#[test]
fn plans_of_random_nets_keep_the_invariants() {
    let (mut nodes, mut slots, mut lives) = (0, 0, 0);
    for seed in 0..400 {
        let net = random_net(seed);
        for (family, reuse) in [(FAMILIES[seed as usize % 3], true), (FAMILIES[0], false)] {
            let plan = net.plan(family, PlanOptions { reuse, ..crate::support::plan_options() });
            check_invariants(&format!("seed {seed} {family} reuse {reuse}"), &plan, &net.store);
            if reuse {
                nodes += plan.nodes().len();
                slots += plan.slots().len();
                lives += plan.lives().len();
            }
            let again = random_net(seed)
                .plan(family, PlanOptions { reuse, ..crate::support::plan_options() });
            assert_eq!(plan.to_string(), again.to_string(), "seed {seed}");
        }
    }
    // The generator is worth its name only if nets are large and slots are shared.
    assert!(
        nodes > 400 * 15 && 2 * slots < lives,
        "{nodes} nodes, {lives} runs of memory in {slots} slots"
    );
}
