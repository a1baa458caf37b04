//! thin: Guo and Hall's thinning, exactly; and what a thinning has to keep.

use crate::support::{self, Case, Lay, edges, fill, wide};
use pixtape::Shape;

fn run(size: [usize; 3], x: &[f32], iterations: u32, lay: Lay) -> Option<Vec<f64>> {
    let gpu = support::gpu()?;
    let shape = Shape::new(size[0] as u32, size[1] as u32, size[2] as u32, 1);
    let mut case = Case::new();
    let tx = case.operand("x", shape, x, lay);
    let y = case.tape.thin(tx, iterations).unwrap();
    let keep = case.result(y, lay);
    let done = case.run(gpu, &[keep]);
    Some(wide(&done.read(y)))
}

/// Blots: noise blurred and cut, so that there are wide places and narrow ones, holes and borders.
fn blots(size: [usize; 3], stream: u32, cut: f64) -> Vec<f32> {
    let len: usize = size.iter().product();
    let noise = wide(&fill::reals(len, stream, 0.0, 1.0));
    let soft = edges::blur(&noise, [size[0], size[1], size[2], 1], 2.0);
    soft.into_iter().map(|v| f32::from(u8::from(v > cut)) * 2.0).collect()
}

#[test]
fn it_matches_the_reference_and_thins() {
    for size in [[1, 1, 1], [1, 1, 9], [2, 9, 1], [1, 5, 7], [3, 20, 11], [2, 64, 50]] {
        for iterations in [1, 2, 5] {
            for lay in [Lay::Dense, Lay::Strided] {
                let x = blots(size, 1, 0.48);
                let Some(got) = run(size, &x, iterations, lay) else { return };
                let want = edges::thin(&wide(&x), size, iterations as usize);
                assert_eq!(got, want, "{size:?} {iterations} {lay:?}");
                let [all, left] = [wide(&x), want].map(|v| v.iter().filter(|v| **v > 0.0).count());
                assert!(size[2] < 50 || 10 * left < 9 * all && left > 0, "{all} {left}");
            }
        }
    }
}

#[test]
fn no_line_is_cut_and_no_component_lost() {
    let size = [1, 80, 96];
    for stream in 2..6 {
        let x = blots(size, stream, 0.5);
        let Some(got) = run(size, &x, 30, Lay::Dense) else { return };
        assert_eq!(got, edges::thin(&got, size, 1), "done after 30 iterations");
        let [before, after] = [wide(&x), got].map(|v| edges::flooded(&v, size));
        assert!(
            before.len() == after.len() && before.len() > 3,
            "{} components become {}",
            before.len(),
            after.len()
        );
        for component in &after {
            assert!(before.iter().any(|b| component.iter().all(|i| b.contains(i))));
        }
    }
}
