// use: index, border, epilogue, adam, winograd_5, winograd
// Winograd F(4x4, 2x2) of the k4 s2 layers, whose phases have 2x2 taps: 25 products instead of 64.

const TILE: u32 = 4u;
const TAPS: u32 = 2u;

fn spread_taps(g: array<vec4<f32>, 2>) -> array<vec4<f32>, 5> { return spread2(g); }
fn spread_tile(g: array<vec4<f32>, 4>) -> array<vec4<f32>, 5> { return spread4(g); }
fn gather_tile(m: array<vec4<f32>, 5>) -> array<vec4<f32>, 4> { return gather4(m); }
fn gather_taps(m: array<vec4<f32>, 5>) -> array<vec4<f32>, 2> { return gather2(m); }
