use super::stage::Stages;
use super::window::Rows;
use crate::nets::{Generator, GeneratorConfig, Mode, NormKind, ResnetConfig, UnetConfig, Upsample};
use crate::ops::{Act, Enlarge, NormMode, Padding};
use crate::shape::{Conv, Shape};
use crate::store::{Layout, Store};
use crate::tape::{Tape, Tensor};

/// A stage: padding that is not zeros, and a convolution.
#[derive(Clone, Copy, Debug)]
struct Layer {
    resample: Option<(Enlarge, Padding, u32)>,
    conv: Conv,
    transposed: bool,
}

impl Layer {
    fn record(&self, height: u32) -> (Tape, Tensor) {
        let (mut store, mut tape) = (Store::new(), Tape::new());
        let (ci, co, kernel) = (4.into(), 4, self.conv.kernel);
        let layout = match self.transposed {
            true => Layout::ConvTranspose { ci, co, kernel },
            false => Layout::Conv { ci, co, kernel },
        };
        let weight = store.param("net", "weight", layout);
        let x = tape.input("x", Shape::new(1, height, 64, 4));
        let weight = tape.param(&store, &weight);
        let mut h = tape.act(x, Act::Relu);
        if let Some((enlarge, padding, pad)) = self.resample {
            h = tape.resample2d(h, enlarge, padding, pad).unwrap();
        }
        let y = match self.transposed {
            true => tape.conv_transpose2d(h, weight, None, self.conv),
            false => tape.conv2d(h, weight, None, self.conv),
        };
        (tape, y.unwrap())
    }

    /// The rows that a row of the result is made of, tap by tap; `None` for zeros.
    fn taps(&self, height: u32, row: u32) -> Vec<Option<i64>> {
        let Conv { kernel, stride, pad, .. } = self.conv;
        let (s, p, row) = (i64::from(stride), i64::from(pad), i64::from(row));
        let (enlarge, padding, around) =
            self.resample.unwrap_or((Enlarge::No, Padding::Reflect, 0));
        let enlarged = height * enlarge.scale();
        let inside = |at: &i64| (0..i64::from(enlarged + 2 * around)).contains(at);
        let taps = (0..i64::from(kernel)).map(|tap| match self.transposed {
            true => ((row + p - tap) % s == 0).then_some((row + p - tap).div_euclid(s)),
            false => Some(row * s - p + tap),
        });
        let seen = |at: i64| padding.seen(at - i64::from(around), enlarged) as i64;
        let last = i64::from(height) - 1;
        taps.map(|at| at.filter(inside).map(seen))
            .flat_map(|at| match enlarge {
                Enlarge::No => [at, at],
                Enlarge::Nearest => [at.map(|at| at / 2); 2],
                Enlarge::Bilinear => {
                    [-1, 0].map(|side| at.map(|at| (at / 2 + side + at % 2).clamp(0, last)))
                }
            })
            .collect()
    }
}

#[test]
fn strips_make_every_row_once_from_all_that_it_needs() {
    let zeros = |conv, transposed| Layer { resample: None, conv, transposed };
    let padded = |enlarge, padding, pad, kernel| Layer {
        resample: Some((enlarge, padding, pad)),
        conv: Conv::new(kernel, 1, 0),
        transposed: false,
    };
    for layer in [
        zeros(Conv::new(4, 2, 1), false),
        zeros(Conv::new(4, 2, 1), true),
        zeros(Conv::new(3, 1, 1), false),
        zeros(Conv::new(3, 2, 1), false),
        zeros(Conv::new(3, 2, 1).with_output_pad(1), true),
        padded(Enlarge::No, Padding::Reflect, 3, 7),
        padded(Enlarge::No, Padding::Reflect, 1, 3),
        padded(Enlarge::No, Padding::Replicate, 2, 5),
        padded(Enlarge::Nearest, Padding::Reflect, 1, 3),
        padded(Enlarge::Bilinear, Padding::Reflect, 1, 3),
    ] {
        for height in [4, 6, 8, 10, 16, 30, 64, 100] {
            let (tape, y) = layer.record(height);
            let stages = Stages::of(&tape, y).unwrap();
            assert_eq!(stages.all.len(), 1);
            let cut = Rows::of(&tape, &stages.all[0]).unwrap();
            for wanted in [1, 8, 12, 31, 64, 200] {
                let rows = cut.strip(height, wanted);
                let (strip, made) = layer.record(rows);
                let mut next = 0;
                for w in cut.windows(rows, strip.shape(made).h).unwrap() {
                    assert!(
                        w.makes.start == next && w.makes.end > next && w.start + rows <= height
                    );
                    next = w.makes.end;
                    for (row, local) in w.makes.clone().zip(w.skip..) {
                        let found = layer.taps(rows, local).into_iter();
                        let found: Vec<_> =
                            found.map(|at| at.map(|at| at + i64::from(w.start))).collect();
                        assert_eq!(
                            found,
                            layer.taps(height, row),
                            "{layer:?} {height} {rows} {w:?} row {row}"
                        );
                    }
                }
                assert_eq!((next, tape.shape(y).h), (cut.out, cut.out));
            }
        }
    }
}

/// Numbers of operations of the stages of a generator, and of the maps that each reads.
fn stages(config: impl Into<GeneratorConfig>, norm: NormMode) -> Vec<(usize, usize)> {
    let (mut store, mut tape) = (Store::new(), Tape::new());
    let net = Generator::new(&mut store, "G", config).unwrap();
    let x = tape.input("x", Shape::new(1, 64, 32, 3));
    let y = net.record(&mut tape, &store, x, Mode::run(norm, false)).unwrap();
    let stages = Stages::of(&tape, y).unwrap().all;
    stages.iter().map(|stage| (stage.nodes.len(), stage.sources.len())).collect()
}

#[test]
fn a_stage_has_one_convolution_or_one_sum() {
    // Gamma and beta are filled, two operations per norm.
    let resnet = ResnetConfig { ngf: 4, blocks: 2, ..ResnetConfig::default() };
    assert_eq!(
        stages(resnet, NormMode::Instance),
        [
            // Padding and convolution; norm, ReLU and convolution of the halvings.
            (2, 1),
            (5, 1),
            (5, 1),
            // Norm, ReLU, padding, convolution; norm, padding, ReLU, convolution; both norms, the
            // ReLU, the sum.
            (6, 1),
            (6, 1),
            (8, 2),
            (2, 1),
            (6, 1),
            (4, 2),
            // The doublings, and the last convolution with tanh.
            (1, 1),
            (5, 1),
            (7, 1),
        ]
    );
    // Without norms the activations belong to the convolution before.
    let plain = ResnetConfig { norm: NormKind::None, ..resnet };
    assert_eq!(
        stages(plain, NormMode::Instance),
        [
            (3, 1),
            (2, 1),
            (2, 1),
            (2, 1),
            (3, 1),
            (1, 2),
            (2, 1),
            (3, 1),
            (1, 2),
            (2, 1),
            (1, 1),
            (4, 1)
        ]
    );
    let unet =
        UnetConfig { ngf: 4, downs: 5, upsample: Upsample::Nearest, ..UnetConfig::default() };
    let joined = stages(unet, NormMode::Running).into_iter().filter(|(_, sources)| *sources == 2);
    assert_eq!(joined.count(), 4);
}
