// Winograd on the points 0, a, -a, b, -b, infinity with a = 5/8, b = 3/2: 4 results of 3 taps or 3
// of 4, with 6 multiplications instead of 12.
//   result = gather((spread taps) * (data))      Winograd, Arithmetic Complexity of Computations, 1980.
// Rows of `data_1d` are the coefficients of the products of (x - point) over the other points;
// `spread` evaluates at the points and divides by the products of their distances; `gather` sums
// powers of the points. The squares of the points, their sum and their product are exact in f32,
// and points on both sides of 1 keep the factors near 1: the usual 1 and 2 err twice as far.

const N: u32 = 6u;

const A: f32 = 0.625;
const B: f32 = 1.5;
const A2: f32 = 0.390625;
const B2: f32 = 2.25;
const A2_AND_B2: f32 = 2.640625;
const A2_BY_B2: f32 = 0.87890625;
// 1 / (a² b²), 1 / (2 a² (a² - b²)), 1 / (2 b² (b² - a²)).
const AT_0: f32 = 1.1377777777777778;
const AT_A: f32 = -0.6884033613445378;
const AT_B: f32 = 0.11951447245564893;

fn data_1d(d: array<vec4<f32>, 6>) -> array<vec4<f32>, 6> {
  let even_a = d[4] - B2 * d[2];
  let odd_a = A * (d[3] - B2 * d[1]);
  let even_b = d[4] - A2 * d[2];
  let odd_b = B * (d[3] - A2 * d[1]);
  return array<vec4<f32>, 6>(
    (d[4] - A2_AND_B2 * d[2]) + A2_BY_B2 * d[0],
    even_a + odd_a,
    even_a - odd_a,
    even_b + odd_b,
    even_b - odd_b,
    (d[5] - A2_AND_B2 * d[3]) + A2_BY_B2 * d[1],
  );
}

fn spread3(g: array<vec4<f32>, 3>) -> array<vec4<f32>, 6> {
  let even_a = AT_A * (g[0] + A2 * g[2]);
  let odd_a = (AT_A * A) * g[1];
  let even_b = AT_B * (g[0] + B2 * g[2]);
  let odd_b = (AT_B * B) * g[1];
  return array<vec4<f32>, 6>(AT_0 * g[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g[2]);
}

fn spread4(g: array<vec4<f32>, 4>) -> array<vec4<f32>, 6> {
  let even_a = AT_A * (g[0] + A2 * g[2]);
  let odd_a = (AT_A * A) * (g[1] + A2 * g[3]);
  let even_b = AT_B * (g[0] + B2 * g[2]);
  let odd_b = (AT_B * B) * (g[1] + B2 * g[3]);
  return array<vec4<f32>, 6>(AT_0 * g[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g[3]);
}

fn gather3(m: array<vec4<f32>, 6>) -> array<vec4<f32>, 3> {
  let sum_a = m[1] + m[2];
  let sum_b = m[3] + m[4];
  return array<vec4<f32>, 3>(m[0] + sum_a + sum_b, A * (m[1] - m[2]) + B * (m[3] - m[4]), A2 * sum_a + B2 * sum_b + m[5]);
}

fn gather4(m: array<vec4<f32>, 6>) -> array<vec4<f32>, 4> {
  let sum_a = m[1] + m[2];
  let difference_a = m[1] - m[2];
  let sum_b = m[3] + m[4];
  let difference_b = m[3] - m[4];
  return array<vec4<f32>, 4>(
    m[0] + sum_a + sum_b,
    A * difference_a + B * difference_b,
    A2 * sum_a + B2 * sum_b,
    (A * A2) * difference_a + (B * B2) * difference_b + m[5],
  );
}
