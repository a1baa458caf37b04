// Counter-based random numbers: the hash pcg4d (Jarzynski and Olano 2020) of (index, stream, step,
// seed). src/rng.rs is its twin.
fn random(index: u32, stream: u32, step: u32, seed: u32) -> vec4<u32> {
  var v = vec4<u32>(index, stream, step, seed) * 1664525u + 1013904223u;
  v.x = v.x + v.y * v.w;
  v.y = v.y + v.z * v.x;
  v.z = v.z + v.x * v.y;
  v.w = v.w + v.y * v.z;
  v = v ^ (v >> vec4<u32>(16u));
  v.x = v.x + v.y * v.w;
  v.y = v.y + v.z * v.x;
  v.z = v.z + v.x * v.y;
  v.w = v.w + v.y * v.z;
  return v;
}
