//! Gradients that go straight into Adam.

use crate::bits::bits;
use crate::invariants::check_invariants;
use crate::support;
use pixtape::gpu::Family;
use pixtape::ops::Act;
use pixtape::plan::Rate;
use pixtape::store::{Layout, Param};
use pixtape::{Conv, Plan, PlanOptions, Shape, StepValues, Store, Tape, Tensor};

/// A net with every kind of layer that has a weight, and a training of it.
struct Net {
    store: Store,
    tape: Tape,
    params: Vec<Param>,
    x: Tensor,
    loss: Tensor,
}

/// How a training is recorded: what is done to the first weight besides.
#[derive(Clone, Copy, PartialEq)]
enum Besides {
    Nothing,
    /// Its layer runs twice, so that its gradient is a sum.
    Twice,
    /// It is read after its gradient is there, before Adam.
    Between,
}

fn net(besides: Besides) -> Net {
    let (mut store, mut tape) = (Store::new(), Tape::new());
    let layouts = [
        ("first", Layout::Conv { ci: 3.into(), co: 8, kernel: 3 }),
        ("down", Layout::Conv { ci: 8.into(), co: 20, kernel: 4 }),
        ("up", Layout::ConvTranspose { ci: 20.into(), co: 8, kernel: 4 }),
        ("up.bias", Layout::Vector(8.into())),
        ("last", Layout::Conv { ci: 8.into(), co: 4, kernel: 4 }),
    ];
    let params = layouts.map(|(name, layout)| store.param("N", name, layout));
    let pages = store.pages("N");
    let x = tape.input("x", Shape::new(1, 14, 14, 3));
    let [first, down, up, bias, last] = [0, 1, 2, 3, 4].map(|at| tape.param(&store, &params[at]));
    let layer = |tape: &mut Tape| tape.conv2d(x, first, None, Conv::new(3, 1, 1)).unwrap();
    let h = layer(&mut tape);
    let h = if besides == Besides::Twice {
        let again = layer(&mut tape);
        tape.add(h, again).unwrap()
    } else {
        h
    };
    let h = tape.act(h, Act::LeakyRelu(0.2));
    let h = tape.conv2d(h, down, None, Conv::new(4, 2, 1)).unwrap();
    let h = tape.act(h, Act::Relu);
    let h = tape.conv_transpose2d(h, up, Some(bias), Conv::new(4, 2, 1)).unwrap();
    let h = tape.act(h, Act::Tanh);
    let y = tape.conv2d(h, last, None, Conv::new(4, 1, 1)).unwrap();
    let mut loss = tape.mse(y, 0.5);
    tape.backward(&[loss], &[first, down, up, bias, last]).unwrap();
    if besides == Besides::Between {
        let after = layer(&mut tape);
        let more = tape.mean(after);
        loss = tape.add(loss, more).unwrap();
    }
    pages.iter().for_each(|page| tape.adam(&store, page, 1));
    Net { store, tape, params: params.to_vec(), x, loss }
}

impl Net {
    fn plan(&self, family: Family, keep: &[Tensor], options: PlanOptions) -> Plan {
        let plan = Plan::new(&self.tape, &self.store, keep, family, options).unwrap();
        check_invariants("optimizer", &plan, &self.store);
        plan
    }

    /// Weights and moments after three steps, and the losses.
    fn trained(&self, gpu: &pixtape::Gpu, options: PlanOptions) -> Vec<Vec<f32>> {
        let program =
            self.plan(gpu.family(), &[self.loss], options).prepare(gpu, &self.store).unwrap();
        program.write(self.x, &support::reals(14 * 14 * 3, 1, -1.0, 1.0)).unwrap();
        for (stream, p) in (2..).zip(&self.params) {
            let values = support::reals(p.layout.elements(), stream, -0.5, 0.5);
            self.store.write(gpu, p.value, &p.layout, &values).unwrap();
        }
        let mut all = Vec::new();
        for t in 1..=3 {
            let rate = Rate { lr: 1e-2, beta1: 0.5, beta2: 0.999, eps: 1e-8, t };
            let none = Rate { lr: 0.0, ..rate };
            let rates = [none, rate, none, none];
            let values = StepValues { step: t, seed: 0, rates };
            if t == 2 {
                pollster::block_on(program.run_checked(&values)).unwrap();
            } else {
                program.step(&values).unwrap();
            }
            all.push(pollster::block_on(program.read(self.loss)).unwrap());
        }
        for p in &self.params {
            for id in [p.value].into_iter().chain(p.moments.unwrap()) {
                all.push(pollster::block_on(self.store.read(gpu, id, &p.layout)).unwrap());
            }
        }
        all
    }
}

/// Nodes of Adam in a plan.
fn steps_of_adam(plan: &Plan) -> usize {
    plan.nodes().iter().filter(|node| node.op == "adam").count()
}

#[test]
fn a_gradient_that_goes_straight_into_adam_gives_the_same_bits_on_every_variant() {
    let Some(gpu) = support::gpu() else { return };
    for variant in [
        "direct",
        "direct split4",
        "winograd3",
        "winograd5 split3",
        "winograd6",
        "direct register4 split2",
        "direct workgroup32",
    ] {
        let force = variant.parse().unwrap();
        let options = PlanOptions { force, ..PlanOptions::default() };
        let apart = net(Besides::Nothing).trained(gpu, options.clone());
        let fused =
            net(Besides::Nothing).trained(gpu, PlanOptions { fuse_adam: Some(true), ..options });
        assert!(apart.iter().flatten().all(|v| v.is_finite()), "{variant}");
        let same: Vec<bool> = bits(&apart).iter().zip(bits(&fused)).map(|(a, b)| *a == b).collect();
        assert!(same.iter().all(|same| *same), "{variant}: {same:?}");
    }
}

#[test]
fn only_pages_whose_gradients_nobody_else_wants_lose_their_adam() {
    let fused = PlanOptions { fuse_adam: Some(true), ..PlanOptions::default() };
    for family in [Family::Subgroup(8), Family::Register, Family::Workgroup] {
        let whole = net(Besides::Nothing);
        let plain = whole.plan(family, &[whole.loss], PlanOptions::default());
        let plan = whole.plan(family, &[whole.loss], fused.clone());
        assert_eq!((steps_of_adam(&plain), steps_of_adam(&plan)), (2, 1), "{family}");
        // Of gradients only the vector's is left.
        assert_eq!(plan.memory().gradients, 256, "{family}");
        assert_eq!(plan.memory().moments, plain.memory().moments);
        assert!(plan.cost().bytes < plain.cost().bytes);
        // Adam over a page counts what lies between its tensors too.
        assert!(plan.cost().flop <= plain.cost().flop);
        for besides in [Besides::Twice, Besides::Between] {
            let net = net(besides);
            assert_eq!(steps_of_adam(&net.plan(family, &[net.loss], fused.clone())), 2, "{family}");
        }
        // The host wants a gradient.
        let mut wanted = net(Besides::Nothing);
        let gradient = wanted.params[1].gradient.unwrap();
        let gradient = wanted.tape.stored(&wanted.store, gradient, "gradient");
        let plan = wanted.plan(family, &[wanted.loss, gradient], fused.clone());
        assert_eq!(steps_of_adam(&plan), 2, "{family}");
    }
}
