//! The derivative of the derivative of batch_norm, compared with an f64 reference whose own
//! derivative is checked by differences.

use crate::support::{
    self, Case, Lay, assert_close, directional, dot, fill, parts, rounding, wide,
};
use pixtape::ops::{BatchNorm, NormMode, Running};
use pixtape::store::Layout;
use pixtape::{Gpu, Shape};

/// One normalisation in f64: `groups` groups of pixels of `c` channels, and given statistics (mean,
/// variance) if any.
struct Norm<'a> {
    groups: usize,
    c: usize,
    given: Option<[&'a [f64]; 2]>,
}

/// A group's channel: x, g, u of its pixels, and where they are.
struct Column {
    at: Vec<usize>,
    channel: usize,
}

fn mean(v: impl Iterator<Item = f64>, n: usize) -> f64 {
    v.sum::<f64>() / n as f64
}

impl Norm<'_> {
    fn columns(&self, len: usize) -> Vec<Column> {
        let size = len / self.groups;
        let column = |group: usize, channel| Column {
            at: (0..size / self.c).map(|p| group * size + p * self.c + channel).collect(),
            channel,
        };
        (0..self.groups)
            .flat_map(|g| (0..self.c).map(move |k| (g, k)))
            .map(|(g, k)| column(g, k))
            .collect()
    }

    /// 1 / sqrt(var + eps) and xhat of a column.
    fn xhat(&self, x: &[f64], column: &Column) -> (f64, Vec<f64>) {
        let n = column.at.len();
        let (m, var) = match self.given {
            Some([mean, var]) => (mean[column.channel], var[column.channel]),
            None => {
                let m = mean(column.at.iter().map(|i| x[*i]), n);
                (m, mean(column.at.iter().map(|i| (x[*i] - m).powi(2)), n))
            }
        };
        let rstd = 1.0 / (var + f64::from(1e-5f32)).sqrt();
        (rstd, column.at.iter().map(|i| (x[*i] - m) * rstd).collect())
    }

    /// `P(a)` of a column.
    fn project(&self, a: &[f64], xhat: &[f64]) -> Vec<f64> {
        if self.given.is_some() {
            return a.to_vec();
        }
        let n = a.len();
        let (plain, along) =
            (mean(a.iter().copied(), n), mean(a.iter().zip(xhat).map(|(a, x)| a * x), n));
        a.iter().zip(xhat).map(|(a, x)| a - plain - x * along).collect()
    }

    /// The first derivative, `gamma rstd P(g)`.
    fn dx(&self, x: &[f64], g: &[f64], gamma: &[f64]) -> Vec<f64> {
        let mut dx = vec![0.0; x.len()];
        for column in self.columns(x.len()) {
            let (rstd, xhat) = self.xhat(x, &column);
            let own: Vec<f64> = column.at.iter().map(|i| g[*i]).collect();
            for (i, v) in column.at.iter().zip(self.project(&own, &xhat)) {
                dx[*i] = gamma[column.channel] * rstd * v;
            }
        }
        dx
    }

    /// Gradients of `<u, dx>` by x, g and gamma. By x in the textbook's form, not the kernel's:
    /// `-gamma rstd^2 (m_gx (u - m_u) + m_ux (g - m_g) + xhat (mean of u P(g) - 2 m_gx m_ux) +
    /// ...)`, written out with P.
    fn second(&self, x: &[f64], g: &[f64], u: &[f64], gamma: &[f64]) -> [Vec<f64>; 3] {
        let (mut by_x, mut by_gamma) = (vec![0.0; x.len()], vec![0.0; self.c]);
        for column in self.columns(x.len()) {
            let (rstd, xhat) = self.xhat(x, &column);
            let n = column.at.len();
            let [own_g, own_u] =
                [g, u].map(|v| column.at.iter().map(|i| v[*i]).collect::<Vec<f64>>());
            let (pg, pu) = (self.project(&own_g, &xhat), self.project(&own_u, &xhat));
            by_gamma[column.channel] += rstd * dot(&own_u, &pg);
            if self.given.is_some() {
                continue;
            }
            let (m_gx, m_ux) = (dot(&own_g, &xhat) / n as f64, dot(&own_u, &xhat) / n as f64);
            let a = dot(&own_u, &pg) / n as f64;
            for (k, i) in column.at.iter().enumerate() {
                by_x[*i] = -gamma[column.channel]
                    * rstd
                    * rstd
                    * (a * xhat[k] + m_gx * pu[k] + m_ux * pg[k]);
            }
        }
        [by_x, self.dx(x, u, gamma), by_gamma]
    }
}

struct Sample {
    shape: Shape,
    x: Vec<f32>,
    g: Vec<f32>,
    u: Vec<f32>,
    gamma: Vec<f32>,
    given: [Vec<f32>; 2],
}

fn sample(shape: Shape) -> Sample {
    let (len, c) = (shape.elements() as usize, shape.c.logical() as usize);
    Sample {
        shape,
        x: fill::normals(len, 1).iter().map(|v| 2.0 * v + 0.5).collect(),
        // Not centred: means play a part.
        g: fill::normals(len, 2).iter().map(|v| v + 0.3).collect(),
        u: fill::normals(len, 3).iter().map(|v| v - 0.2).collect(),
        gamma: fill::reals(c, 4, 0.5, 1.5),
        given: [fill::reals(c, 5, -1.0, 1.0), fill::reals(c, 6, 0.5, 2.0)],
    }
}

#[test]
fn second_derivatives_match_the_reference() {
    support::reducers().into_iter().for_each(second_on);
}

fn second_on(gpu: &Gpu) {
    let shapes = [
        Shape::new(2, 4, 9, parts(&[3, 3])),
        Shape::new(3, 5, 11, parts(&[9, 5])),
        Shape::new(1, 17, 19, 16),
        Shape::new(2, 47, 49, 5),
    ];
    for (mode, shape) in [NormMode::Instance, NormMode::Batch, NormMode::Running]
        .into_iter()
        .flat_map(|mode| shapes.map(|shape| (mode, shape)))
    {
        for lay in [Lay::Dense, Lay::Strided] {
            let what = format!("batch_norm_second {mode:?} {shape} {lay:?} on {}", gpu.family());
            let s = sample(shape);
            let mut case = Case::new();
            let [x, g, u] = [("x", &s.x), ("g", &s.g), ("u", &s.u)]
                .map(|(name, v)| case.operand(name, shape, v, lay));
            let (gamma, beta) = (
                case.param("gamma", Layout::Vector(shape.c), &s.gamma),
                case.param("beta", Layout::Vector(shape.c), &s.gamma),
            );
            let running = (mode == NormMode::Running).then(|| {
                let [mean, var] = [("mean", 0), ("var", 1)]
                    .map(|(name, at)| case.running(name, shape.c, &s.given[at]).tensor);
                Running { mean, var }
            });
            let y = case
                .tape
                .batch_norm(x, gamma.tensor, beta.tensor, running, mode, BatchNorm::default())
                .unwrap();
            let dx = case.backward(y, g, &[x])[0].unwrap();
            let gradients = case.backward(dx, u, &[x, g, gamma.tensor]);
            // Given statistics do not move with x.
            assert_eq!(gradients[0].is_some(), mode != NormMode::Running, "{what}");
            let keep: Vec<_> = gradients.iter().flatten().map(|t| case.result(*t, lay)).collect();
            let done = case.run(gpu, &keep);
            let [wx, wg, wu, wgamma, mean, var] =
                [&s.x, &s.g, &s.u, &s.gamma, &s.given[0], &s.given[1]].map(|v| wide(v));
            let groups = if mode == NormMode::Instance { shape.n as usize } else { 1 };
            let norm = Norm {
                groups,
                c: shape.c.logical() as usize,
                given: running.is_some().then_some([&mean, &var]),
            };
            let [by_x, by_g, by_gamma] = norm.second(&wx, &wg, &wu, &wgamma);
            let n = shape.pixels() as usize;
            if let Some(tensor) = gradients[0] {
                assert_close!(done.read(tensor), by_x, rounding("batch_norm", n), "{what} by x");
            }
            assert_close!(
                done.read(gradients[1].unwrap()),
                by_g,
                rounding("batch_norm", n),
                "{what} by g"
            );
            assert_close!(
                done.gradient(&gamma),
                by_gamma,
                rounding("batch_norm", n),
                "{what} by gamma"
            );
            assert!(done.padding_is_zero(&gamma), "{what}");
        }
    }
}

#[test]
fn a_third_derivative_and_one_of_a_parameters_gradient_say_why_there_is_none() {
    let mut case = Case::new();
    let shape = Shape::new(1, 3, 3, 4);
    let (x, g) = (case.tape.input("x", shape), case.tape.input("g", shape));
    let (gamma, beta) =
        (case.tape.input("gamma", Shape::vector(4)), case.tape.input("beta", Shape::vector(4)));
    let y = case
        .tape
        .batch_norm(x, gamma, beta, None, NormMode::Instance, BatchNorm::default())
        .unwrap();
    let first = case.backward(y, g, &[x, gamma]);
    let second = case.backward(first[0].unwrap(), g, &[x])[0].unwrap();
    let sum = case.tape.sum(second);
    assert!(case.tape.backward(&[sum], &[x]).unwrap_err().to_string().contains("third derivative"));
    let sum = case.tape.sum(first[1].unwrap());
    assert!(case.tape.backward(&[sum], &[x]).unwrap_err().to_string().contains("gamma and beta"));
}

#[test]
fn the_references_gradient_is_that_of_the_reference() {
    let s = sample(Shape::new(2, 3, 4, 3));
    let [x, g, u, gamma, mean, var] =
        [&s.x, &s.g, &s.u, &s.gamma, &s.given[0], &s.given[1]].map(|v| wide(v));
    assert_eq!(s.shape.elements() as usize, x.len());
    for (groups, given) in [(1, None), (2, None), (1, Some([mean.as_slice(), var.as_slice()]))] {
        let norm = Norm { groups, c: 3, given };
        let [by_x, by_g, by_gamma] = norm.second(&x, &g, &u, &gamma);
        directional("by x", |x| dot(&norm.dx(x, &g, &gamma), &u), &x, &by_x);
        directional("by g", |g| dot(&norm.dx(&x, g, &gamma), &u), &g, &by_g);
        directional("by gamma", |gamma| dot(&norm.dx(&x, &g, gamma), &u), &gamma, &by_gamma);
    }
}
