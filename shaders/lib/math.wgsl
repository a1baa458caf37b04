// Our own exp, log1p, tanh and sigmoid: drivers differ by several ulp, software ones by far more.
// Coefficients: Cephes (Moshier), single precision; relative error below 2e-7 in the ranges used
// here.

fn exp4(v: vec4<f32>) -> vec4<f32> {
  let x = clamp(v, vec4<f32>(-87.0), vec4<f32>(88.0));
  let n = floor(x * 1.44269504088896341 + 0.5);
  // log(2) in two parts, the first of them short enough for n times it to be exact. The clamp changes
  // nothing: it keeps compilers that reorder sums (Metal's) from adding the parts up first.
  let high = clamp(x - n * 0.693359375, vec4<f32>(-1.0), vec4<f32>(1.0));
  let r = high - n * -2.12194440e-4;
  var p = vec4<f32>(1.9875691500e-4);
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  let e = p * r * r + r + 1.0;
  return e * bitcast<vec4<f32>>((vec4<i32>(n) + 127) << vec4<u32>(23u));
}

// log(1 + m) for sqrt(1/2) <= 1 + m <= sqrt(2).
fn log_near_1(m: vec4<f32>) -> vec4<f32> {
  let z = m * m;
  var p = vec4<f32>(7.0376836292e-2);
  p = p * m - 1.1514610310e-1;
  p = p * m + 1.1676998740e-1;
  p = p * m - 1.2420140846e-1;
  p = p * m + 1.4249322787e-1;
  p = p * m - 1.6668057665e-1;
  p = p * m + 2.0000714765e-1;
  p = p * m - 2.4999993993e-1;
  p = p * m + 3.3333331174e-1;
  return m + (m * z * p - 0.5 * z);
}

// log(1 + x) for 0 <= x <= 1. The sum 1 + x is never formed: what it loses cannot be recovered on
// drivers that reassociate.
fn log1p4(x: vec4<f32>) -> vec4<f32> {
  let big = x > vec4<f32>(0.41421356);
  let l = log_near_1(select(x, 0.5 * x - 0.5, big));
  return select(l, l + 0.693147181, big);
}

// log(x) for normal positive x: exponent * log(2) + log(mantissa), the mantissa near 1 so that the
// two do not cancel.
fn log4(x: vec4<f32>) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(x);
  let exponent = vec4<f32>(bits >> vec4<u32>(23u)) - 127.0;
  let mantissa = bitcast<vec4<f32>>((bits & vec4<u32>(0x007fffffu)) | vec4<u32>(0x3f800000u));
  let big = mantissa > vec4<f32>(1.41421356);
  let l = log_near_1(select(mantissa, 0.5 * mantissa, big) - 1.0);
  return l + select(exponent, exponent + 1.0, big) * 0.693147181;
}

fn sigmoid4(x: vec4<f32>) -> vec4<f32> {
  return 1.0 / (1.0 + exp4(-x));
}

fn tanh4(x: vec4<f32>) -> vec4<f32> {
  let a = min(abs(x), vec4<f32>(15.0));
  let z = a * a;
  var p = vec4<f32>(-5.70498872745e-3);
  p = p * z + 2.06390887954e-2;
  p = p * z - 5.37397155531e-2;
  p = p * z + 1.33314422036e-1;
  p = p * z - 3.33332819422e-1;
  let small = p * z * a + a;
  let large = 1.0 - 2.0 / (exp4(2.0 * a) + 1.0);
  return sign(x) * select(large, small, a < vec4<f32>(0.625));
}
