//! canny: luma, gradient, non-maximum suppression; and the whole edge filter.

use crate::support::{self, Case, Lay, assert_close, edges, fill, rounding, wide};
use approx::abs_diff_eq;
use pixtape::Shape;
use pixtape::filters::{EdgeFilter, EdgeOptions};

/// Single pixels and lines, odd sides, batches.
const SIZES: [[usize; 3]; 6] =
    [[1, 1, 1], [1, 1, 9], [2, 9, 1], [1, 5, 7], [3, 8, 11], [1, 33, 29]];

fn shape([n, h, w]: [usize; 3], c: u32) -> Shape {
    Shape::new(n as u32, h as u32, w as u32, c)
}

fn sizes(mut f: impl FnMut([usize; 3], Lay, &str)) {
    for size in SIZES {
        for lay in [Lay::Dense, Lay::Strided] {
            f(size, lay, &format!("{size:?} {lay:?}"));
        }
    }
}

#[test]
fn luma_matches_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    sizes(|size, lay, what| {
        let shape = shape(size, 3);
        let x = fill::reals(shape.elements() as usize, 1, 0.1, 1.0);
        let mut case = Case::new();
        let tx = case.operand("x", shape, &x, lay);
        let y = case.tape.luma(tx).unwrap();
        let keep = case.result(y, lay);
        let done = case.run(gpu, &[keep]);
        let want: Vec<f64> =
            wide(&x).chunks(3).map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect();
        assert_close!(done.read(y), want, rounding("luma", 3), "{what}");
    });
}

#[test]
fn sobel_is_exact_on_integers() {
    let Some(gpu) = support::gpu() else { return };
    sizes(|size, lay, what| {
        let shape = shape(size, 1);
        let x = fill::integers(shape.elements() as usize, 2, 100);
        let mut case = Case::new();
        let tx = case.operand("x", shape, &x, lay);
        let y = case.tape.sobel(tx).unwrap();
        let keep = case.result(y, lay);
        let done = case.run(gpu, &[keep]);
        let want = edges::sobel(&wide(&x), size);
        let got = done.read(y);
        for (got, want) in got.chunks(3).zip(&want) {
            assert_eq!([f64::from(got[0]), f64::from(got[1])], *want, "{what}");
            let length = want[0].hypot(want[1]);
            assert!(
                abs_diff_eq!(f64::from(got[2]), length, epsilon = 1e-6 * length),
                "{what}: {} for {length}",
                got[2]
            );
        }
        assert!(size == [1, 1, 1] || want.iter().any(|g| *g != [0.0, 0.0]), "{what}");
    });
}

#[test]
fn maxima_are_exact_on_integers() {
    let Some(gpu) = support::gpu() else { return };
    let (mut weak, mut strong) = (0, 0);
    sizes(|size, lay, what| {
        let shape = shape(size, 3);
        // Directions with small denominators, so that the reference's interpolation rounds nothing
        // that counts; lengths apart from ties.
        let steps = fill::integers(shape.elements() as usize, 3, 4);
        let lengths = fill::bits(shape.elements() as usize, 4);
        let x: Vec<f32> = (0..steps.len())
            .map(|i| if i % 3 == 2 { (lengths[i] % 4096) as f32 + 0.5 } else { steps[i] })
            .collect();
        let mut case = Case::new();
        let tx = case.operand("x", shape, &x, lay);
        let y = case.tape.non_maximum(tx, 1000.0, 3000.0).unwrap();
        let keep = case.result(y, lay);
        let done = case.run(gpu, &[keep]);
        let g: Vec<[f64; 3]> = wide(&x).chunks(3).map(|p| [p[0], p[1], p[2]]).collect();
        let want = edges::non_maximum(&g, size, 1000.0, 3000.0);
        assert_eq!(wide(&done.read(y)), want, "{what}");
        weak += want.iter().filter(|v| **v == 1.0).count();
        strong += want.iter().filter(|v| **v == 2.0).count();
    });
    assert!(weak > 50 && strong > 50, "{weak} {strong}");
}

#[test]
fn plateaus_count_as_maxima() {
    let Some(gpu) = support::gpu() else { return };
    // A step edge after Sobel: two columns of equal length.
    let g: Vec<f32> = (0..5 * 6)
        .flat_map(|i| if matches!(i % 6, 2 | 3) { [4.0, 0.0, 4.0] } else { [0.0, 0.0, 0.0] })
        .collect();
    let mut case = Case::new();
    let tx = case.input("x", Shape::new(1, 5, 6, 3), &g);
    let y = case.tape.non_maximum(tx, 4.0, 4.5).unwrap();
    let done = case.run(gpu, &[y]);
    let got = done.read(y);
    let want: Vec<f32> = (0..30)
        .map(|i| f32::from(u8::from(matches!(i % 6, 2 | 3) && (1..4).contains(&(i / 6)))))
        .collect();
    assert_eq!(got, want);
}

#[test]
fn other_channels_are_refused() {
    let mut case = Case::new();
    let [one, three] = [1, 3].map(|c| case.tape.input("x", Shape::new(1, 4, 4, c)));
    assert!(
        case.tape.luma(one).is_err()
            && case.tape.sobel(three).is_err()
            && case.tape.non_maximum(one, 1.0, 2.0).is_err()
    );
}

/// A bright disc and a bar on a dark ground, gray: smooth, so that nothing hangs on the last bit.
fn scene(w: usize, h: usize) -> Vec<u8> {
    let value = |i: usize| {
        let (x, y) = ((i % w) as f64, (i / w) as f64);
        let disc = 1.0 / (1.0 + (((x - 30.3).hypot(y - 25.7) - 14.2) * 2.0).exp());
        let bar = 1.0 / (1.0 + (((x - 0.31 * y - 60.0).abs() - 6.0) * 1.5).exp());
        (20.0 + 150.0 * disc + 60.0 * bar) as u8
    };
    (0..w * h).map(value).collect()
}

#[test]
fn the_filter_finds_what_the_reference_finds() {
    let Some(gpu) = support::gpu() else { return };
    let (w, h) = (90, 52);
    let gray = scene(w, h);
    let options = EdgeOptions { sigma: 1.4, low: 0.05, high: 0.2, min_pixels: 10 };
    let filter = EdgeFilter::new(gpu, (w as u32, h as u32), 1, options).unwrap();
    let got = pollster::block_on(filter.run(&gray)).unwrap();
    let x: Vec<f64> = gray.iter().map(|b| f64::from(*b) / 255.0).collect();
    let size = [1, h, w];
    let gradient: Vec<[f64; 3]> = edges::sobel(&edges::blur(&x, [1, h, w, 1], 1.4), size)
        .iter()
        .map(|g| [g[0], g[1], g[0].hypot(g[1])])
        .collect();
    let found = edges::components(&edges::non_maximum(&gradient, size, 0.05, 0.2), size, 2.0, 1);
    let lines = edges::components(&edges::thin(&found, size, 20), size, 1.0, 10);
    let want: Vec<u8> = lines.iter().map(|v| if *v > 0.0 { 0 } else { 255 }).collect();
    let differ = got.iter().zip(&want).filter(|(a, b)| a != b).count();
    let black = want.iter().filter(|v| **v == 0).count();
    // Two neighbours of equal length to the last bit of f32 may fall either way.
    assert!(black > 150 && differ * 100 <= black, "{differ} of {black} differ");
    assert!(got.iter().all(|v| matches!(v, 0 | 255)));
    // The same in colour: gray values three times over.
    let rgb: Vec<u8> = gray.iter().flat_map(|v| [*v; 3]).collect();
    let colour = EdgeFilter::new(gpu, (w as u32, h as u32), 3, options).unwrap();
    let coloured = pollster::block_on(colour.run(&rgb)).unwrap();
    assert!(coloured.iter().zip(&want).filter(|(a, b)| a != b).count() * 100 <= black);
    // Twice the same bits.
    assert_eq!(pollster::block_on(filter.run(&gray)).unwrap(), got);
}

#[test]
fn wide_lines_are_thinned_to_the_end_and_specks_go() {
    let Some(gpu) = support::gpu() else { return };
    let (w, h) = (60usize, 48usize);
    // A cross with arms of 16 pixels, far more than are thinned at once, and a speck.
    let dark = |i: usize| {
        let (x, y) = (i % w, i / w);
        (22..38).contains(&x) && (2..46).contains(&y)
            || (16..32).contains(&y) && (4..56).contains(&x)
            || (x, y) == (3, 3)
    };
    let drawing: Vec<u8> = (0..w * h).map(|i| if dark(i) { 10 } else { 240 }).collect();
    let filter = EdgeFilter::new(
        gpu,
        (w as u32, h as u32),
        3,
        EdgeOptions { min_pixels: 5, ..EdgeOptions::default() },
    )
    .unwrap();
    let got = pollster::block_on(filter.thin(&drawing)).unwrap();
    let (x, size): (Vec<f64>, _) =
        ((0..w * h).map(|i| f64::from(u8::from(dark(i)))).collect(), [1, h, w]);
    let thinned = edges::thin(&x, size, 100);
    assert_eq!(thinned, edges::thin(&thinned, size, 1), "the reference is done");
    let want: Vec<u8> = edges::components(&thinned, size, 1.0, 5)
        .iter()
        .map(|v| if *v > 0.0 { 0 } else { 255 })
        .collect();
    assert_eq!(got, want);
    let black = want.iter().filter(|v| **v == 0).count();
    assert!((40..200).contains(&black), "{black}");
}

#[test]
fn options_out_of_range_are_refused() {
    let Some(gpu) = support::gpu() else { return };
    let fine = EdgeOptions::default();
    let bad = [
        EdgeOptions { sigma: 9.0, ..fine },
        EdgeOptions { low: 0.0, ..fine },
        EdgeOptions { low: 2.0, ..fine },
        EdgeOptions { high: f32::NAN, ..fine },
    ];
    for options in bad {
        assert!(EdgeFilter::new(gpu, (8, 8), 3, options).is_err(), "{options:?}");
    }
    assert!(
        EdgeFilter::new(gpu, (8, 8), 2, fine).is_err()
            && EdgeFilter::new(gpu, (0, 8), 3, fine).is_err()
    );
}
