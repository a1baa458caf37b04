//! Weights of other programs: nets from them compute what they did there, and leave as they came.

use pixtape::gpu::Request;
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::weights::{ConcatOrder, Conversion, Precision, WeightsFile};
use pixtape::nets::{Mode, Unet};
use pixtape::ops::NormMode;
use pixtape::{Gpu, Plan, PlanOptions, Shape, Store, Tape};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/golden/weights").join(name)
}

fn gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    let gpu = GPU.get_or_init(|| pollster::block_on(Gpu::request(&Request::default())).ok());
    if gpu.is_none() {
        assert!(std::env::var_os("PIXTAPE_REQUIRE_GPU").is_none(), "PIXTAPE_REQUIRE_GPU is set and there is no adapter");
        println!("SKIPPED (no adapter)");
    }
    gpu.as_ref()
}

/// The picture of `make_weights.py`, NHWC in [-1, 1].
fn picture(side: usize) -> Vec<f32> {
    (0..side * side * 3).map(|i| ((i * 7 + i / 3 / side * 31) % 256) as f32 / 127.5 - 1.0).collect()
}

fn run(gpu: &Gpu, file: &TensorFile, norm: NormMode) -> Vec<f32> {
    const SIDE: usize = 64;
    let mut store = Store::new();
    let unet = Unet::new(&mut store, "G", file.recognise_unet().unwrap()).unwrap();
    file.load_into(gpu, &store, unet.weights()).unwrap();
    let mut tape = Tape::new();
    let x = tape.input("x", Shape::new(1, SIDE as u32, SIDE as u32, 3));
    let y = unet.record(&mut tape, &store, x, Mode { norm, update_running: false, dropout: false }).unwrap();
    let program = Plan::new(&tape, &store, &[y], gpu.family(), PlanOptions::default()).unwrap().prepare(gpu, &store).unwrap();
    program.write(x, &picture(SIDE)).unwrap();
    program.step(&Default::default()).unwrap();
    pollster::block_on(program.read(y)).unwrap()
}

/// Compares with every 41st value of what PyTorch made.
fn compare(found: &[f32], row: &str) {
    let outputs: serde_json::Value = serde_json::from_slice(&std::fs::read(golden("outputs.json")).unwrap()).unwrap();
    let wanted: Vec<f64> = outputs[row].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(wanted.len(), found.len().div_ceil(41));
    let largest = found.iter().step_by(41).zip(&wanted).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
    println!("{row}: largest difference {largest:.1e}");
    // f32 through ten layers with norms; a wrong order of channels differs by 1.
    assert!(largest < 1e-4, "{row}: {largest}");
}

#[test]
fn nets_from_pth_and_pict_compute_what_they_did_in_pytorch() {
    let Some(gpu) = gpu() else { return };
    for name in ["zip.pth", "legacy.pth"] {
        let file = TensorFile::read(&golden(name)).unwrap();
        compare(&run(gpu, &file, NormMode::Batch), "batch");
        compare(&run(gpu, &file, NormMode::Running), "running");
    }
    compare(&run(gpu, &TensorFile::read(&golden("small.pict")).unwrap(), NormMode::Batch), "pict");
}

#[test]
fn the_other_order_of_concatenation_is_another_net() {
    let Some(gpu) = gpu() else { return };
    let file = TensorFile::read(&golden("zip.pth")).unwrap();
    let mut other = file.contents().clone();
    Conversion { concat: ConcatOrder::UpFirst, ..Conversion::default() }.apply(&mut other).unwrap();
    let (a, b) = (run(gpu, &file, NormMode::Batch), run(gpu, &file.with(other), NormMode::Batch));
    assert!(a.iter().zip(&b).any(|(a, b)| (a - b).abs() > 0.1));
}

fn pixtape(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pixtape")).env("PIXTAPE_CACHE_DIR", "").args(words).output().expect("the program starts")
}

fn ok(words: &[&str]) -> String {
    let output = pixtape(words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(words: &[&str], parts: &[&str]) {
    let output = pixtape(words);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(parts.iter().all(|p| message.contains(p)) && message.lines().count() == 1, "{message}");
}

#[test]
fn import_and_export_keep_every_bit() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let pth = golden("legacy.pth");
    let pth = pth.to_str().unwrap();
    let said = ok(&["import", "--input", pth, "--output", &at("a.safetensors")]);
    assert!(said.contains("unet_32, ngf 1, 3 to 3 channels, norm batch"), "{said}");
    ok(&["export", "--checkpoint", pth, "--format", "safetensors", "--output", &at("b.safetensors")]);
    let read = |name: &str| WeightsFile::read(Path::new(&at(name))).unwrap();
    let original = WeightsFile::read(Path::new(pth)).unwrap();
    assert_eq!(read("a.safetensors"), original);
    assert_eq!(std::fs::read(at("a.safetensors")).unwrap(), std::fs::read(at("b.safetensors")).unwrap());
    // Swapped there and back, as a conversion that is its own inverse.
    for name in ["c", "d"] {
        let from = if name == "c" { at("a.safetensors") } else { at("c.safetensors") };
        ok(&["import", "--input", &from, "--output", &at(&format!("{name}.safetensors")), "--concat-order", "up_first", "--channel_order", "bgr"]);
    }
    assert_eq!(read("d.safetensors").tensors, original.tensors);
    assert!(read("c.safetensors").notes.values().any(|n| n.contains("swapped") && n.contains("mirrored")));
    for (format, limit) in [("half", 22_000), ("small", 16_000), ("onnx", 26_000)] {
        ok(&["export", "--checkpoint", pth, "--format", format, "--output", &at(format)]);
        assert!(std::fs::metadata(at(format)).unwrap().len() < limit, "{format}");
    }
    assert_eq!(read("half").tensors.len(), original.tensors.len());
    refused(&["export", "--checkpoint", &at("onnx"), "--format", "half", "--output", &at("x")], &["no file of weights that is known"]);
    let model = golden("model.pth");
    refused(&["import", "--input", model.to_str().unwrap(), "--output", &at("x")], &["state_dict()"]);
    let pict = golden("small.pict");
    let pict = pict.to_str().unwrap();
    refused(&["export", "--checkpoint", pict, "--format", "onnx", "--norm_mode", "running", "--output", &at("x")], &["no running statistics"]);
    assert!(!Path::new(&at("x")).exists());
    let bytes = original.to_safetensors(Precision::F32).unwrap();
    assert_eq!(bytes, std::fs::read(at("a.safetensors")).unwrap());
}
