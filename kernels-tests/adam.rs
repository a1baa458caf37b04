//! adam: PyTorch's formula, a page at a time, against the same in f64 over five steps.

use crate::support::{self, Case, Parameter, assert_close, fill, parts, rounding};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use pixtape::StepValues;
use pixtape::plan::Rate;
use pixtape::store::Layout;

const GROUP: usize = 1;
const STEPS: u32 = 5;

struct Reference {
    w: Vec<f64>,
    m: Vec<f64>,
    v: Vec<f64>,
}

impl Reference {
    fn update(&mut self, g: &[f32], r: &Rate) {
        let correct = |beta: f64| 1.0 - beta.powi(r.t as i32);
        for (i, g) in g.iter().map(|g| f64::from(*g)).enumerate() {
            self.m[i] = r.beta1 * self.m[i] + (1.0 - r.beta1) * g;
            self.v[i] = r.beta2 * self.v[i] + (1.0 - r.beta2) * g * g;
            self.w[i] -= r.lr / correct(r.beta1) * self.m[i]
                / (self.v[i].sqrt() / correct(r.beta2).sqrt() + r.eps);
        }
    }
}

fn values(rate: Rate) -> StepValues {
    let mut values = StepValues { step: rate.t, seed: 1, ..StepValues::default() };
    // Rates that would show, should the kernel take those of another group.
    values.rates = [Rate { lr: 1e3, beta1: 0.1, beta2: 0.1, eps: 1.0, t: 1 }; 4];
    values.rates[GROUP] = rate;
    values
}

#[test]
fn five_steps_match_pytorchs_formula_and_padding_stays_zero() {
    let Some(gpu) = support::gpu() else { return };
    // Pix2pix's own rates, and PyTorch's defaults with a rate large enough to move the weights.
    for (lr, beta1, beta2) in [(2e-4, 0.5, 0.999), (0.05, 0.9, 0.999)] {
        for small_pages in [false, true] {
            let mut case = Case::new();
            if small_pages {
                // The second vector no longer fits the first page.
                case.store = pixtape::testing::store_with_page_limit(512);
            }
            let layouts = [
                Layout::Conv { ci: parts(&[3, 3]), co: 1, kernel: 1 },
                Layout::Vector(parts(&[3, 5])),
                Layout::Vector(130.into()),
            ];
            let mut made: Vec<(Parameter, Reference)> = Vec::new();
            for (stream, layout) in (1..).zip(layouts) {
                let w = fill::reals(layout.elements(), stream, -1.0, 1.0);
                let p = case.param("w", layout, &w);
                let zeros = vec![0.0; w.len()];
                made.push((p, Reference { w: support::wide(&w), m: zeros.clone(), v: zeros }));
            }
            let pages = case.store.pages("test");
            // Weights, and vectors.
            assert_eq!(pages.len(), if small_pages { 3 } else { 2 });
            for page in pages {
                case.tape.adam(&case.store, &page, GROUP as u32);
            }
            let done = case.prepare(gpu, &[]);
            for t in 1..=STEPS {
                let rate = Rate { lr, beta1, beta2, eps: 1e-8, t };
                for (at, (p, reference)) in made.iter_mut().enumerate() {
                    // Small and large gradients: Adam's step should hardly tell.
                    let g: Vec<f32> = fill::normals(reference.w.len(), 10 * t + at as u32)
                        .iter()
                        .enumerate()
                        .map(|(i, g)| g * 10f32.powi(-(i as i32 % 7)))
                        .collect();
                    done.store.write(gpu, p.param.gradient.unwrap(), &p.param.layout, &g).unwrap();
                    reference.update(&g, &rate);
                }
                done.step(&values(rate));
            }
            for (p, want) in &made {
                let what = format!("lr {lr} {:?}", p.param.layout);
                let moments = p.param.moments.unwrap();
                let [m, v] = moments.map(|id| {
                    pollster::block_on(done.store.read(gpu, id, &p.param.layout)).unwrap()
                });
                // About 13 roundings per step.
                let k = 13 * STEPS as usize;
                assert_close!(done.value(p), want.w, rounding("adam", k), "{what} w");
                assert_close!(m, want.m, rounding("adam", k), "{what} m");
                assert_close!(v, want.v, rounding("adam", k), "{what} v");
                // Element by element too, so that small second moments are not hidden behind large
                // ones.
                for (v, want) in v.iter().zip(&want.v) {
                    assert!(abs_diff_eq!(f64::from(*v), want, epsilon = 1e-5 * want), "{what} v");
                }
                assert!(done.padding_is_zero(p), "{what}");
            }
        }
    }
}

#[test]
fn the_first_step_is_the_learning_rate_and_no_gradient_is_no_step() {
    let Some(gpu) = support::gpu() else { return };
    let layout = Layout::Vector(6.into());
    let mut case = Case::new();
    let p = case.param("w", layout, &[1.0; 6]);
    for page in case.store.pages("test") {
        case.tape.adam(&case.store, &page, GROUP as u32);
    }
    let done = case.prepare(gpu, &[]);
    let g = [1e-3, -1e3, 0.0, 1e-20, -5.0, 3e15];
    done.store.write(gpu, p.param.gradient.unwrap(), &layout, &g).unwrap();
    done.step(&values(Rate { lr: 0.5, beta1: 0.5, beta2: 0.999, eps: 1e-8, t: 1 }));
    let w = done.value(&p);
    // eps is 1e-8 beside a gradient of 1e-3; 1e-20 is far below eps.
    let want = [0.5 + 0.5e-5, 1.5, 1.0, 1.0, 1.5, 0.5];
    assert_abs_diff_eq!(w[..], want[..], epsilon = 1e-6);
    assert_eq!(w[2], 1.0);
}
