use super::*;
use crate::kernels::STEPS;
use crate::listing::Loop;

fn figures(registers: u32, trips: u32, arithmetic: u32) -> Figures {
    let hot = Loop {
        instructions: 100,
        arithmetic,
        multiply_adds: arithmetic,
        workgroup_bytes: 0,
        global_reads: 2,
        scalar_reads: 0,
        barriers: 1,
        trips,
        hidden: 0,
        lines: (0, 0),
        body: Default::default(),
        reads: Default::default(),
        waits: Default::default(),
    };
    Figures {
        registers,
        spills: 0,
        workgroup: 0,
        waves: 10,
        instructions: 500,
        code: 4000,
        ms: 1.0,
        hot: Some(hot),
    }
}

fn target(target: &str, driver: &str, kernels: &[(&str, Figures)]) -> TargetRows {
    let row = |(name, figures): &(&str, Figures)| Row {
        name: name.to_string(),
        uses: [1; STEPS.len()],
        figures: figures.clone(),
    };
    TargetRows {
        target: target.into(),
        device: String::new(),
        driver: driver.into(),
        kernels: kernels.iter().map(row).collect(),
    }
}

const MESA: &str = "radv Mesa 25.0.7-2~bpo12+1";

/// Written for kernel `a` on two targets.
fn written() -> Budget {
    let now = figures(100, 1, 80);
    let both = [target("x", MESA, &[("f/a", now.clone())]), target("y", MESA, &[("f/a", now)])];
    Budget::parse(&Budget::default().renewed(&both)).unwrap()
}

fn exceeded(now: &[(&str, Figures)]) -> Vec<String> {
    written().check(&[target("x", MESA, now)], true).exceeded
}

#[test]
fn what_it_was_written_for_holds_and_what_is_worse_fails() {
    assert!(exceeded(&[("f/a", figures(100, 1, 80))]).is_empty());
    assert!(exceeded(&[("f/a", figures(104, 0, 78))]).is_empty());
    let worse = [
        (figures(105, 1, 80), "105 registers, at most 104"),
        (figures(100, 2, 80), "2 waits"),
        (figures(100, 1, 77), "77 % of the hot loop"),
        (Figures { spills: 1, ..figures(100, 1, 80) }, "1 spills, at most 0"),
        (Figures { waves: 9, ..figures(100, 1, 80) }, "9 waves, at least 10"),
        (Figures { instructions: 551, ..figures(100, 1, 80) }, "551 instructions, at most 550"),
        (Figures { hot: None, ..figures(100, 1, 80) }, "no hot loop"),
    ];
    for (figures, message) in worse {
        let found = exceeded(&[("f/a", figures)]);
        assert!(found.len() == 1 && found[0].contains(message), "{message}: {found:?}");
    }
}

#[test]
fn kernels_that_come_and_go_need_the_budget_written_anew() {
    let found = exceeded(&[("f/b", figures(10, 0, 80))]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("f/b: not in the budget"), "{found:?}");
    assert!(found[1].contains("f/a: in the budget, but no plan has it"), "{found:?}");
    let some = written().check(&[target("x", MESA, &[])], false);
    assert!(some.exceeded.is_empty() && some.held == 0);
}

#[test]
fn another_compiler_is_not_held_against_it() {
    let now = [("f/a", figures(200, 9, 1))];
    let newer = written().check(&[target("x", "radv Mesa 26.2.6-1", &now)], true);
    assert!(newer.exceeded.is_empty() && newer.held == 0);
    assert_eq!(newer.skipped, ["x: the budget is for Mesa 25.0, this is Mesa 26.2"]);
    let unknown = written().check(&[target("z", MESA, &now)], true);
    assert_eq!(unknown.skipped, ["z: the budget does not have it"]);
}

#[test]
fn writing_anew_keeps_reasons_other_targets_and_limits_that_fit() {
    let mut old = written();
    old.reasons.insert("f".into(), "a \"tile\"".into());
    old.kernels.get_mut("f/a").unwrap().reason = Some("its own".into());
    let same = old.renewed(&[target("x", MESA, &[("f/a", figures(101, 1, 81))])]);
    let renewed = Budget::parse(&same).unwrap();
    assert_eq!(renewed.reasons["f"], "a \"tile\"");
    assert_eq!(renewed.kernels["f/a"].reason.as_deref(), Some("its own"));
    assert_eq!(renewed.kernels["f/a"].limits, old.kernels["f/a"].limits);
    let better = old.renewed(&[target("x", MESA, &[("f/a", figures(60, 0, 90))])]);
    let renewed = Budget::parse(&better).unwrap();
    let limits = &renewed.kernels["f/a"].limits;
    assert_eq!(
        (limits["x"].registers, limits["x"].trips, limits["x"].share),
        (63, Some(0), Some(88))
    );
    assert_eq!(limits["y"], old.kernels["f/a"].limits["y"]);
    // A kernel that is gone goes.
    let other = old.renewed(&[target("x", MESA, &[("g/b", figures(60, 0, 90))])]);
    assert_eq!(Budget::parse(&other).unwrap().kernels.keys().collect::<Vec<_>>(), ["g/b"]);
}
