//! pool: pictures kept, exchanged and handed on, in pages, against a list on the host.

use crate::support::{self, Case, Lay, assert_exact, each, fill, wide};
use approx::assert_abs_diff_eq;
use pixtape::ops::{PoolDecision, PoolPages};
use pixtape::{Shape, StepValues};

#[test]
fn pictures_are_kept_exchanged_and_handed_on_as_decided() {
    let Some(gpu) = support::gpu() else { return };
    let mut check = |shape: Shape, lay: Lay, what: &str| {
        let (size, one) = (5, shape.elements() as usize / shape.n as usize);
        let mut case = Case::new();
        // Pages of two pictures.
        let limit = 2 * Shape { n: 1, ..shape }.bytes();
        let pool = pixtape::testing::pool_with_page_limit(
            &mut case.store,
            "pool",
            size,
            [shape.h, shape.w, shape.c.logical()],
            limit,
        );
        if shape.c != shape.c.logical().into() {
            // The pool keeps pictures of one part.
            return;
        }
        assert_eq!(pool.pages().count(), 3, "{what}");
        let fixed = fill::integers(shape.elements() as usize, 1, 99);
        let x = case.operand("x", shape, &fixed, lay);
        let decisions =
            case.input("decisions", Shape::new(1, 1, shape.n, 2), &vec![0.0; 2 * shape.n as usize]);
        let y = case.tape.pool(&case.store, &pool, x, decisions).unwrap();
        let keep = [case.result(y, lay)];
        let done = case.prepare(gpu, &keep);
        if lay != Lay::Dense {
            assert!(shape.n <= size, "{what}");
            // Kept as they come, then taken out from the last to the first.
            let decided = |take: bool| {
                (0..shape.n)
                    .map(|i| PoolDecision {
                        slot: Some(if take { shape.n - 1 - i } else { i }),
                        take,
                    })
                    .collect::<Vec<_>>()
            };
            let backwards: Vec<f32> = fixed.chunks(one).rev().flatten().copied().collect();
            for (step, take, want) in [(1, false, &fixed), (2, true, &backwards)] {
                done.program.write(decisions, &PoolDecision::values(&decided(take))).unwrap();
                done.step(&StepValues { step, seed: 1, ..StepValues::default() });
                assert_exact!(done.read(y), wide(want), "{what} step {step}");
            }
            return;
        }
        let mut kept = vec![vec![0f32; one]; size as usize];
        for step in 1..=12u64 {
            let values = fill::integers(shape.elements() as usize, step as u32, 99);
            let decided = pool.decide(7, (step - 1) * u64::from(shape.n), shape.n, 0);
            done.program.write(x, &values).unwrap();
            done.program.write(decisions, &PoolDecision::values(&decided)).unwrap();
            done.step(&StepValues { step: step as u32, seed: 1, ..StepValues::default() });
            let mut want = Vec::new();
            for (picture, decision) in values.chunks(one).zip(&decided) {
                let old = decision
                    .slot
                    .map(|slot| std::mem::replace(&mut kept[slot as usize], picture.to_vec()));
                want.extend(old.filter(|_| decision.take).unwrap_or_else(|| picture.to_vec()));
            }
            assert_exact!(done.read(y), wide(&want), "{what} step {step}");
        }
    };
    each("pool", &mut check);
}

#[test]
fn decisions_fill_the_pool_first_then_exchange_half_and_hang_on_nothing_else() {
    let mut store = pixtape::Store::new();
    let pool = PoolPages::new(&mut store, "pool", 50, [4, 4], 3);
    let by = |batch: u32, steps: u64| {
        (0..steps).flat_map(|s| pool.decide(3, s * u64::from(batch), batch, 0)).collect::<Vec<_>>()
    };
    let all = by(1, 4000);
    assert!(
        all[..50]
            .iter()
            .enumerate()
            .all(|(i, d)| *d == PoolDecision { slot: Some(i as u32), take: false })
    );
    let exchanged: Vec<u32> =
        all[50..].iter().filter(|d| d.take).map(|d| d.slot.unwrap()).collect();
    // Five standard deviations of 3950 throws.
    assert_abs_diff_eq!(exchanged.len(), 1975, epsilon = 156);
    assert!((0..50).all(|slot| exchanged.contains(&slot)));
    assert_eq!(all, by(2, 2000), "pictures are counted, however they are batched");
    assert_ne!(
        all,
        (0..4000).flat_map(|s| pool.decide(3, s, 1, 1)).collect::<Vec<_>>(),
        "the pools of A and B draw apart"
    );
    let none = PoolPages::new(&mut store, "none", 0, [4, 4], 3);
    assert!(none.decide(3, 0, 2, 0).iter().all(|d| d.slot.is_none()) && none.pages().count() == 0);
}
