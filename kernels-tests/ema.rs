//! ema: the moving average of a page, its warm-up, and that nothing behind the page is touched.

use crate::support::{self, Case, Parameter, assert_close, fill, rounding, wide};
use approx::assert_abs_diff_eq;
use pixtape::StepValues;
use pixtape::ops::Ema;
use pixtape::store::Layout;

#[test]
fn averages_follow_their_values_and_a_young_one_faster() {
    let Some(gpu) = support::gpu() else { return };
    for (step, decay) in [(1, 0.999), (5, 0.5), (100, 0.999), (100_000, 0.999), (7, 0.0)] {
        let layout = Layout::Conv { ci: support::parts(&[3, 5]), co: 6, kernel: 4 };
        let [w, e] = [1, 2].map(|stream| fill::reals(layout.elements(), stream, -1.0, 1.0));
        let mut case = Case::new();
        // In a set of its own: a page is not read and written in one dispatch.
        let (tw, param) = (case.param("w", layout, &w), case.store.param("average", "e", layout));
        case.tape.ema(&case.store, tw.param.value, param.value, decay).unwrap();
        let te = Parameter { tensor: case.tape.param(&case.store, &param), param };
        let done = case.prepare(gpu, &[]);
        done.store.write(gpu, te.param.value, &layout, &e).unwrap();
        done.step(&StepValues { step, ..StepValues::default() });
        let share = Ema { decay }.share(step);
        assert!(decay > 0.0 || share == 1.0);
        let want: Vec<f64> =
            wide(&w).iter().zip(wide(&e)).map(|(w, e)| e + share * (w - e)).collect();
        assert_close!(done.value(&te), want, rounding("ema", 4), "step {step} decay {decay}");
        assert_eq!(done.value(&tw), w, "the values are left alone");
        assert!(done.padding_is_zero(&te));
    }
}

#[test]
fn pages_of_two_sizes_are_refused_and_there_is_no_gradient() {
    let mut case = Case::new();
    let [a, b] =
        [4, 40].map(|c: u32| case.store.param("test", "w", Layout::Vector(c.into())).value);
    let message = case.tape.ema(&case.store, a, b, 0.9).unwrap_err().to_string();
    assert!(message.contains("[1, 1, 1, 4]"), "{message}");
    let ema = Ema { decay: 0.999 };
    assert_abs_diff_eq!(ema.share(1_000_000), 0.001, epsilon = 1e-12);
    assert_eq!(ema.share(0), 0.9);
}
