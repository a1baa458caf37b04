//! Weights of other programs: nets from them compute what they did there, and leave as they came.

#[path = "support/env.rs"]
mod env;
#[path = "support/program.rs"]
mod program;

use pixtape::io::checkpoint::TensorFile;
use pixtape::io::weights::{ConcatOrder, Conversion, Precision, WeightsFile};
use pixtape::io::{IndexMap, Picture};
use pixtape::nets::{Mode, Unet};
use pixtape::ops::NormMode;
use pixtape::{Gpu, Plan, Shape, Store, Tape};
use program::{errors, ok, picture as photo, pixtape, program, refused, text};
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
    let y = unet.record(&mut tape, &store, x, Mode::run(norm, false)).unwrap();
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
fn packed_weights_give_the_image_that_the_same_values_give_as_f32() {
    let Some(gpu) = gpu() else { return };
    let exact = TensorFile::read(&golden("zip.pth")).unwrap();
    let exact_image = run(gpu, &exact, NormMode::Batch);
    for precision in [Precision::F16, Precision::I8] {
        let bytes = exact.contents().to_safetensors(precision).unwrap();
        let packed = TensorFile::parse_net(&bytes, &Default::default()).unwrap();
        let mut wide = packed.contents().clone();
        wide.tensors.values_mut().for_each(|values| _ = values.f32s_mut());
        let [packed, wide] = [&packed, &exact.with(wide)].map(|f| run(gpu, f, NormMode::Batch));
        assert!(packed.iter().map(|v| v.to_bits()).eq(wide.iter().map(|v| v.to_bits())));
        assert!(packed != exact_image, "{precision:?} rounds weights");
    }
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
fn one_network_of_a_checkpoint_is_chosen_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let file = golden("lightning.ckpt");
    let file = file.to_str().unwrap();
    let import = |key: &[&str], to: &str| {
        let words = ["import", "--input", file, "--output", &at(to)];
        pixtape(&[&words[..], key].concat())
    };
    let listed = ["state_dict.generator (U-Net", "state_dict.discriminator (", "--key"];
    refused(&import(&[], "none"), &listed);
    refused(&import(&["--key", "netG"], "none"), &["no tensors at --key netG", listed[0]]);
    let said = ok(import(&["--key", "generator"], "g.safetensors"));
    assert!(said.contains("unet_32, ngf 1, 3 to 3 channels, norm batch"), "{said}");
    let said = ok(import(&["--key", "state_dict.discriminator"], "d.safetensors"));
    assert!(said.contains("PatchGAN discriminator of 1 layers on 6 channels"), "{said}");
    // Where a generator is wanted there is but one.
    let export = |more: &[&str]| {
        let words = ["export", "--checkpoint", file, "--format", "safetensors"];
        pixtape(&[&words[..], &["--output", &at("e.safetensors")], more].concat())
    };
    ok(export(&[]));
    let read = |name: &str| std::fs::read(at(name)).unwrap();
    assert_eq!(read("e.safetensors"), read("g.safetensors"));
    refused(&export(&["--key", "discriminator"]), &["the weights of a discriminator"]);
    let folder = ["export", "--checkpoint", dir.path().to_str().unwrap(), "--key", "x"];
    let more = ["--format", "pth", "--output", &at("f")];
    refused(&pixtape(&[&folder[..], &more].concat()), &["--key does not apply", "a folder"]);
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
        &["an ONNX model", "written here and not read"],
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

#[test]
fn label_maps_are_translated_in_strips_and_as_films() {
    if gpu().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    for folder in ["train_label", "train_inst", "train_img"] {
        std::fs::create_dir_all(at(&format!("data/{folder}"))).unwrap();
    }
    // No multiples of 8.
    const SIZE: (u32, u32) = (60, 90);
    for number in 0..3 {
        let instances =
            (0..SIZE.0 * SIZE.1).map(|i| (i % SIZE.0 / 9 + 10 * (i / SIZE.0 / 14)) + number);
        let instances = IndexMap::new(SIZE.0, SIZE.1, instances.collect()).unwrap();
        let labels = instances.data.iter().map(|i| i % 5).collect();
        let labels = IndexMap::new(SIZE.0, SIZE.1, labels).unwrap();
        let file = |folder| dir.path().join(format!("data/{folder}/{number}.png"));
        labels.save(&file("train_label"), 8).unwrap();
        instances.save(&file("train_inst"), 16).unwrap();
        photo(SIZE.0, SIZE.1, number).save_png(&file("train_img")).unwrap();
    }
    let train = "train --model pix2pixHD --netG local --label_nc 5 --ngf 2 --ndf 4 --num_D 1 \
                 --n_downsample_global 2 --n_blocks_global 2 --n_blocks_local 1 --no_vgg_loss \
                 --load_size 64 --crop_size 64 --max_steps 2 --init_type kaiming --tune off \
                 --name a";
    let train: Vec<&str> = train.split_whitespace().collect();
    let (data, runs) = (at("data"), at("runs"));
    ok(pixtape(&[&train[..], &["--dataroot", &data, "--checkpoints_dir", &runs]].concat()));
    let (checkpoint, labels, instances) =
        (at("runs/a"), at("data/train_label"), at("data/train_inst"));
    let made = |more: &[&str]| {
        let out = at("out");
        let words = ["translate", "--tune", "off", "--checkpoint", &checkpoint, "--input", &labels];
        let words = [&words[..], &["--instances", &instances, "--output", &out], more].concat();
        let output = pixtape(&words);
        let said = errors(&output);
        ok(output);
        let load = |n| Picture::load(&dir.path().join(format!("out/{n}.png")), 3).unwrap().data;
        ([0, 1, 2].map(load), said)
    };
    let far = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    let (whole, _) = made(&[]);
    let (tiled, _) = made(&["--tile", "16"]);
    let (limited, said) = made(&["--memory_limit", "300KiB"]);
    assert!(said.contains("in strips of"), "{said}");
    let (film, _) = made(&["--sequence", "first"]);
    for (n, whole) in whole.iter().enumerate() {
        assert_eq!(whole.len(), 60 * 90 * 3);
        assert!(far(whole, &tiled[n]) <= 1 && far(whole, &limited[n]) <= 1, "{n}");
        assert_eq!(far(whole, &film[n]) <= 1, n == 0, "frame {n} has the first one's statistics");
    }
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
