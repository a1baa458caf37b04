//! Weights of other programs: nets from them compute what they did there, and leave as they came.

#[path = "support/env.rs"]
mod env;
#[path = "support/program.rs"]
mod program;

use pixtape::io::Picture;
use pixtape::io::checkpoint::TensorFile;
use pixtape::io::weights::{ConcatOrder, Conversion, Precision, WeightsFile};
use pixtape::nets::{Generator, Mode, Unet};
use pixtape::ops::NormMode;
use pixtape::train::{Strips, Translator};
use pixtape::{Gpu, Plan, Shape, Store, Tape};
use program::{ok, picture as photo, pixtape, program, refused, text};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/golden/weights").join(name)
}

fn gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    let gpu = GPU.get_or_init(|| pollster::block_on(Gpu::request(&env::request())).ok());
    if gpu.is_none() {
        assert!(
            std::env::var_os("PIXTAPE_REQUIRE_GPU").is_none(),
            "PIXTAPE_REQUIRE_GPU is set and there is no adapter"
        );
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
    let y = unet
        .record(&mut tape, &store, x, Mode { norm, update_running: false, dropout: false })
        .unwrap();
    let program = Plan::new(&tape, &store, &[y], gpu.family(), env::plan_options())
        .unwrap()
        .prepare(gpu, &store)
        .unwrap();
    program.write(x, &picture(SIDE)).unwrap();
    program.step(&Default::default()).unwrap();
    pollster::block_on(program.read(y)).unwrap()
}

/// Compares with every 41st value of PyTorch's output.
fn compare(found: &[f32], row: &str) {
    let outputs: serde_json::Value =
        serde_json::from_slice(&std::fs::read(golden("outputs.json")).unwrap()).unwrap();
    let wanted: Vec<f64> =
        outputs[row].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(wanted.len(), found.len().div_ceil(41));
    let largest = found
        .iter()
        .step_by(41)
        .zip(&wanted)
        .map(|(a, b)| (f64::from(*a) - b).abs())
        .max_by(f64::total_cmp)
        .unwrap();
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

#[test]
fn import_and_export_keep_every_bit() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let pth = golden("legacy.pth");
    let pth = pth.to_str().unwrap();
    let said = ok(pixtape(&["import", "--input", pth, "--output", &at("a.safetensors")]));
    assert!(said.contains("unet_32, ngf 1, 3 to 3 channels, norm batch"), "{said}");
    ok(pixtape(&[
        "export",
        "--checkpoint",
        pth,
        "--format",
        "safetensors",
        "--output",
        &at("b.safetensors"),
    ]));
    let read = |name: &str| WeightsFile::read(Path::new(&at(name))).unwrap();
    let original = WeightsFile::read(Path::new(pth)).unwrap();
    assert_eq!(read("a.safetensors"), original);
    assert_eq!(
        std::fs::read(at("a.safetensors")).unwrap(),
        std::fs::read(at("b.safetensors")).unwrap()
    );
    // Swapped there and back, as a conversion that is its own inverse.
    for name in ["c", "d"] {
        let from = if name == "c" { at("a.safetensors") } else { at("c.safetensors") };
        ok(pixtape(&[
            "import",
            "--input",
            &from,
            "--output",
            &at(&format!("{name}.safetensors")),
            "--concat-order",
            "up_first",
            "--channel_order",
            "bgr",
        ]));
    }
    assert_eq!(read("d.safetensors").tensors, original.tensors);
    let about = read("c.safetensors").about.unwrap().to_string();
    assert!(about.contains("swapped") && about.contains("mirrored"), "{about}");
    for (format, limit) in [("half", 22_000), ("small", 16_000), ("onnx", 26_000)] {
        ok(pixtape(&["export", "--checkpoint", pth, "--format", format, "--output", &at(format)]));
        assert!(std::fs::metadata(at(format)).unwrap().len() < limit, "{format}");
    }
    assert_eq!(read("half").tensors.len(), original.tensors.len());
    refused(
        &pixtape(&[
            "export",
            "--checkpoint",
            &at("onnx"),
            "--format",
            "half",
            "--output",
            &at("x"),
        ]),
        &["not a safetensors file"],
    );
    let model = golden("model.pth");
    refused(
        &pixtape(&["import", "--input", model.to_str().unwrap(), "--output", &at("x")]),
        &["state_dict()"],
    );
    assert!(!Path::new(&at("x")).exists());
    let bytes = original.to_safetensors(Precision::F32).unwrap();
    assert_eq!(bytes, std::fs::read(at("a.safetensors")).unwrap());
}

const EACH: Mode = Mode { norm: NormMode::Batch, update_running: false, dropout: false };

#[test]
fn strips_with_shared_statistics_make_what_the_whole_picture_makes() {
    let Some(gpu) = gpu() else { return };
    const SIZE: (u32, u32) = (96, 160);
    let picture = photo(SIZE.0, SIZE.1, 3);
    let values: Vec<f32> =
        picture.data.iter().map(|v| (f32::from(*v) / 255.0 - 0.5) * 2.0).collect();
    for name in ["zip.pth", "small.pict"] {
        let file = TensorFile::read(&golden(name)).unwrap();
        let mut store = Store::new();
        let net = Generator::new(&mut store, "G", file.recognise_unet().unwrap()).unwrap();
        let Generator::Unet(unet) = &net else { panic!("a U-Net was asked for") };
        file.load_into(gpu, &store, unet.weights()).unwrap();
        for norm in [NormMode::Batch, NormMode::Running] {
            let mode = Mode { norm, ..EACH };
            let translator =
                Translator::new(gpu, &store, &net, SIZE.0, SIZE.1, mode, env::plan_options())
                    .unwrap();
            let whole = pollster::block_on(translator.run(&picture.data, 0, 0)).unwrap();
            let all = Strips::new(gpu, &store, unet, mode, SIZE.1, env::plan_options()).unwrap();
            let (first, _) = pollster::block_on(all.run(&values, SIZE, None)).unwrap();
            for rows in [1, 24, 50] {
                let strips =
                    Strips::new(gpu, &store, unet, mode, rows, env::plan_options()).unwrap();
                assert!(strips.memory(SIZE).unwrap() < all.memory(SIZE).unwrap());
                let (values, _) = pollster::block_on(strips.run(&values, SIZE, None)).unwrap();
                let off = values.iter().zip(&first).map(|(a, b)| (a - b).abs());
                let far = off.max_by(f32::total_cmp).unwrap();
                // The kernels of a strip may sum in another order.
                assert!(far < 1e-4, "{name} {norm:?}: strips of {rows} rows differ by {far}");
                let bytes = values.iter().map(|v| ((v + 1.0) * 127.5 + 0.5) as u8);
                assert!(
                    bytes.zip(&whole).all(|(a, b)| a.abs_diff(*b) <= 1),
                    "{name} {norm:?}: strips of {rows} rows and the whole"
                );
            }
        }
    }
}

#[test]
fn strips_are_cut_to_the_memory_there_is() {
    let Some(gpu) = gpu() else { return };
    let file = TensorFile::read(&golden("zip.pth")).unwrap();
    let mut store = Store::new();
    let unet = Unet::new(&mut store, "G", file.recognise_unet().unwrap()).unwrap();
    let strips = |rows| Strips::new(gpu, &store, &unet, EACH, rows, env::plan_options()).unwrap();
    const SIZE: (u32, u32) = (256, 512);
    let limit = strips(40).memory(SIZE).unwrap();
    let fitted = strips(1).fit(SIZE, Some(limit)).unwrap();
    assert!(
        fitted.memory(SIZE).unwrap() <= limit && (16..=40).contains(&fitted.rows()),
        "{}",
        fitted.rows()
    );
    assert_eq!(strips(1).fit(SIZE, None).unwrap().rows(), 512);
    let message = strips(1).fit(SIZE, Some(1000)).unwrap_err().to_string();
    assert!(message.contains("smallest strips") && message.contains("1000"), "{message}");
    assert!(
        Strips::new(gpu, &store, &unet, Mode { dropout: true, ..EACH }, 8, env::plan_options())
            .is_err()
    );
}

#[test]
fn streams_patterns_films_and_strips_from_the_command_line() {
    if gpu().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let net = golden("zip.pth");
    let translate = |more: &[&str]| {
        pixtape(&[&["translate", "--tune", "off", "--checkpoint", text(&net)], more].concat())
    };
    let frames = [("f9.png", 1), ("f10.png", 2), ("f11.png", 2)];
    for (name, number) in frames {
        photo(64, 96, number).save_png(Path::new(&at(name))).unwrap();
    }
    ok(translate(&["--input", &at("f*.png"), "--output", &at("plain")]));
    // The same picture from a stream into a stream.
    let mut child = program(Path::new(""));
    child.args([
        "translate",
        "--tune",
        "off",
        "--checkpoint",
        text(&net),
        "--input",
        "-",
        "--output",
        "-",
    ]);
    let mut child =
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&std::fs::read(at("f9.png")).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout == std::fs::read(at("plain/f9.png")).unwrap());
    let load = |folder: &str, name: &str| {
        Picture::load(Path::new(&at(&format!("{folder}/{name}"))), 3).unwrap().data
    };
    let far = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    ok(translate(&["--input", &at("f9.png"), "--output", &at("tile/f9.png"), "--tile", "16"]));
    ok(translate(&[
        "--input",
        &at("f*.png"),
        "--output",
        &at("limited"),
        "--memory_limit",
        "250KiB",
    ]));
    for (folder, name) in [("tile", "f9.png"), ("limited", "f10.png")] {
        assert!(far(&load(folder, name), &load("plain", name)) <= 1, "{folder}");
    }
    // Frame 9 comes first. With its statistics frozen, the second image differs from its own
    // translation; smoothed statistics are in between.
    let mut distance = Vec::new();
    for how in ["first", "smooth"] {
        ok(translate(&[
            "--input",
            &at("f*.png"),
            "--output",
            &at(how),
            "--sequence",
            how,
            "--smooth",
            "0.5",
        ]));
        assert!(far(&load(how, "f9.png"), &load("plain", "f9.png")) <= 1);
        let sum = |name: &str| {
            load(how, name)
                .iter()
                .zip(load("plain", name))
                .map(|(a, b)| f64::from(a.abs_diff(b)))
                .sum::<f64>()
        };
        distance.push([sum("f10.png"), sum("f11.png")]);
    }
    let [frozen, smooth] = [distance[0], distance[1]];
    assert!(
        frozen[0] > 0.0 && frozen[0] == frozen[1] && smooth[0] < frozen[0] && smooth[1] < smooth[0],
        "{distance:?}"
    );
    refused(
        &translate(&[
            "--input",
            &at("f9.png"),
            "--output",
            &at("x"),
            "--tile",
            "16",
            "--dropout",
            "on",
        ]),
        &["dropout"],
    );
    refused(
        &translate(&["--input", &at("f*.png"), "--output", &at("x.png")]),
        &["one file", "3 images"],
    );
    refused(
        &translate(&["--input", &at("f9.png"), "--output", &at("x"), "--heat"]),
        &["--heat", "folder"],
    );
    // Errors of a grid are reported before anything is written.
    std::fs::create_dir(at("full")).unwrap();
    for (grid, part) in [
        ("missing/g.png", "no such folder"),
        ("full", "is a folder"),
        ("f9.png", "is an input"),
        ("x/f9.png", "a result"),
    ] {
        refused(
            &translate(&["--input", &at("f9.png"), "--output", &at("x"), "--grid", &at(grid)]),
            &[grid, part, "--grid"],
        );
    }
    ok(translate(&[
        "--input",
        &at("f9.png"),
        "--output",
        &at("new"),
        "--grid",
        &at("new/grid.png"),
    ]));
    assert!(Path::new(&at("new/grid.png")).is_file());
    photo(32, 32, 1).save_png(Path::new(&at("f12.png"))).unwrap();
    refused(
        &translate(&["--input", &at("f*.png"), "--output", &at("x"), "--sequence", "first"]),
        &["size"],
    );
    assert!(!Path::new(&at("x")).exists() && !Path::new(&at("x.png")).exists());
}
