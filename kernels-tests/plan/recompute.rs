//! Recomputed activations: the same bits with less memory.

use crate::invariants::check_invariants;
use crate::{FAMILIES, support, tiny, unet_256};
use pixtape::nets::{DiscriminatorKind, NormKind, ResnetConfig, UnetConfig};
use pixtape::train::{CycleGanConfig, GanMode, Losses, Model, Pix2PixConfig, Training};
use pixtape::{Gpu, Plan, PlanOptions};

fn again() -> PlanOptions {
    PlanOptions { recompute: true, ..crate::support::plan_options() }
}

/// Losses and the bits of all weights, statistics and moments after three steps, and FLOP of what
/// was recomputed.
fn trained<M: Model>(
    gpu: &Gpu,
    model: &M,
    options: PlanOptions,
) -> (Vec<Losses>, Vec<Vec<u32>>, u64) {
    let mut trainer = Training::new(gpu, model.clone(), options).unwrap();
    let sizes: Vec<usize> =
        (0..2).map(|plane| trainer.inputs().iter().map(|batch| batch[plane].len()).sum()).collect();
    let picture = |seed: u32, values: usize| -> Vec<u8> {
        support::bits(values, seed).iter().map(|w| (w >> 24) as u8).collect()
    };
    let mut losses = Vec::new();
    for step in 0..3 {
        let (a, b) = (picture(2 * step, sizes[0]), picture(2 * step + 1, sizes[1]));
        losses.extend(trainer.step_pair(&a, &b, 2e-4).unwrap());
    }
    losses.extend(trainer.finish().unwrap());
    let params = trainer
        .saved_networks()
        .into_iter()
        .flat_map(|(_, w, _)| w.params())
        .flat_map(|p| [p.value].into_iter().chain(p.moments.into_iter().flatten()));
    let read = |id| {
        pollster::block_on(trainer.store().read_raw(gpu, id))
            .unwrap()
            .iter()
            .map(|v| v.to_bits())
            .collect()
    };
    let flop = trainer.program().plan().recomputed().flop;
    (losses, params.map(read).collect(), flop)
}

#[track_caller]
fn same<M: Model>(gpu: &Gpu, model: &M) {
    let (losses, state, none) = trained(gpu, model, crate::support::plan_options());
    let (again, state_again, flop) = trained(gpu, model, again());
    assert!(none == 0 && flop > 0, "nothing was recomputed");
    assert_eq!(losses, again);
    assert!(losses.iter().flat_map(|l| &l.named).all(|(_, v)| v.is_finite()), "{losses:?}");
    assert!(state == state_again, "weights, statistics or moments differ");
    // Without fusing and sharing as well.
    let apart = trained(
        gpu,
        model,
        PlanOptions {
            fuse: false,
            reuse: false,
            recompute: true,
            ..crate::support::plan_options()
        },
    );
    assert!(apart.1 == state);
}

fn cycle() -> CycleGanConfig {
    CycleGanConfig {
        generator: ResnetConfig { ngf: 8, blocks: 3, dropout: true, ..ResnetConfig::default() }
            .into(),
        discriminator: DiscriminatorKind::Patch { n_layers: 2 },
        ndf: 8,
        width: 32,
        height: 32,
        pool_size: 2,
        ..CycleGanConfig::default()
    }
}

#[test]
fn a_cycle_with_dropout_gives_the_same_bits() {
    let Some(gpu) = support::gpu() else { return };
    same(gpu, &cycle());
}

#[test]
fn running_statistics_are_not_updated_twice() {
    let Some(gpu) = support::gpu() else { return };
    let generator =
        ResnetConfig { ngf: 8, blocks: 3, norm: NormKind::Batch, ..ResnetConfig::default() }.into();
    same(gpu, &CycleGanConfig { generator, batch_size: 2, ..cycle() });
}

#[test]
fn skips_accumulated_batches_and_penalties_give_the_same_bits() {
    let Some(gpu) = support::gpu() else { return };
    // A generator large enough that its activations, and not the discriminator's, are the peak.
    let generator = UnetConfig { ngf: 16, downs: 6, ..unet_256() }.into();
    let net = Pix2PixConfig { generator, ..tiny() };
    same(gpu, &net);
    same(gpu, &Pix2PixConfig { accumulate: 2, ..net });
    let norm_d = Some(NormKind::Instance);
    same(gpu, &Pix2PixConfig { gan_mode: GanMode::Wgangp, norm_d, ..net });
}

#[test]
fn cycle_gan_of_nine_blocks_needs_less_than_three_fifths() {
    for family in FAMILIES {
        let recorded = CycleGanConfig::default().record().unwrap();
        let plan = |options| {
            Plan::new(&recorded.tape, &recorded.store, &recorded.kept(), family, options).unwrap()
        };
        let (plain, again) = (plan(crate::support::plan_options()), plan(again()));
        check_invariants(&family.to_string(), &again, &recorded.store);
        let (before, after) = (plain.memory().total(), again.memory().total());
        assert!(after * 10 <= before * 6, "{family}: {after} of {before} bytes");
        let (all, more) = (plain.cost().flop, again.recomputed().flop);
        assert!(more > 0 && more * 3 < all, "{family}: {more} on top of {all} FLOP");
        // What fuses may differ a little.
        assert!(
            again.cost().flop.abs_diff(all + more) < all / 1000,
            "{family}: {} is not {all} and {more}",
            again.cost().flop
        );
    }
}
