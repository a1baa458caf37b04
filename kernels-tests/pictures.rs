//! The program with files as people have them: bands, tags that turn, pixels without data, kinds
//! that are not read.

#[path = "support/program.rs"]
mod program;
#[path = "support/tif.rs"]
mod tif;

use pixtape::io::{AnyPicture, Loaded, NoData, Picture, Reading};
use program::*;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;
use tif::{Tif, jpeg_with_exif, png_with_exif};

const STEPS: &[&str] = &["--max_steps", "2", "--no_flip", "--num_threads", "1"];

struct Scene {
    dir: TempDir,
}

impl Scene {
    fn new() -> Scene {
        Scene { dir: TempDir::new().unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file below the scene, with its folder.
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn train(&self, data: &str, name: &str, more: &[&str]) -> Output {
        train(&self.at(data), &self.at("runs"), name, &[STEPS, more].concat())
    }

    fn run(&self, name: &str) -> PathBuf {
        self.at("runs").join(name)
    }

    fn translate(&self, run: &str, input: &Path, output: &Path, more: &[&str]) -> Output {
        let run = self.run(run);
        let words = ["translate", "--checkpoint", text(&run), "--input", text(input), "--output"];
        pixtape(&[&words[..], &[text(output), "--tune", "off"], more].concat())
    }
}

fn png(number: u32) -> Vec<u8> {
    picture(40, 40, number).encode_png().unwrap()
}

/// RGB and a near infrared band of one value.
fn infrared(value: u64) -> Tif {
    let mut file = Tif { photometric: 2, extra: vec![0], rows: 40, ..Tif::formula(32, 32, 4, 8) };
    file.values.iter_mut().skip(3).step_by(4).for_each(|v| *v = value);
    file
}

/// A gray image of floats from 0 to 1, with some other values.
fn floats(other: &[(usize, f32)]) -> Tif {
    let mut values: Vec<f32> = (0..32 * 32).map(|i| (i * 37 % 101) as f32 / 100.0).collect();
    other.iter().for_each(|(at, value)| values[*at] = *value);
    let values = values.iter().map(|v| u64::from(v.to_bits())).collect();
    Tif { format: 3, rows: 32, ..Tif::new(32, 32, 1, 32, values) }
}

#[test]
fn a_band_beside_rgb_reaches_the_network_and_is_not_dropped() {
    if !adapter() {
        return;
    }
    let scene = Scene::new();
    for i in 0..3 {
        let mut file = infrared(0);
        file.values
            .iter_mut()
            .skip(3)
            .step_by(4)
            .enumerate()
            .for_each(|(at, v)| *v = (at as u64 * (i + 3)) % 256);
        scene.put(&format!("data/trainA/{i}.tif"), &file.bytes());
        scene
            .put(&format!("data/trainB/{i}.png"), &picture(32, 32, i as u32).encode_png().unwrap());
    }
    // Four channels without being told.
    ok(scene.train("data", "nir", &["--preprocess", "none"]));
    let results = [0, 255].map(|value| {
        let input = scene.put(&format!("in/n{value}.tif"), &infrared(value).bytes());
        let output = scene.at(&format!("out/n{value}.png"));
        ok(scene.translate("nir", &input, &output, &[]));
        Picture::load(&output, 3).unwrap()
    });
    assert!(results[0] != results[1], "the fourth band changes nothing");
    // A network of three channels is not given the first three of them.
    pairs(&scene.at("rgb"), 2);
    ok(scene.train("rgb", "rgb", &[]));
    let output = scene.translate("rgb", &scene.at("in/n0.tif"), &scene.at("x.png"), &[]);
    refused(&output, &["n0.tif", "32x32x4", "the network takes 3 channels"]);
}

#[test]
fn pixels_without_data_are_refused_in_every_command_and_marked_where_asked() {
    if !adapter() {
        return;
    }
    let scene = Scene::new();
    for i in 0..2 {
        scene.put(&format!("data/trainA/{i}.tif"), &floats(&[(i, 0.3)]).bytes());
        scene.put(&format!("data/trainB/{i}.tif"), &floats(&[(i, 0.7)]).bytes());
    }
    ok(scene.train("data", "sound", &["--preprocess", "none"]));
    let said =
        ["nan.tif", "2 of 1024 pixels have no data (the first at (1, 2): NaN", "--nodata nan"];
    let holes = floats(&[(65, f32::NAN), (70, f32::INFINITY)]).bytes();
    let input = scene.put("in/nan.tif", &holes);
    for more in [&[][..], &["--tile", "16"]] {
        refused(&scene.translate("sound", &input, &scene.at("x.tif"), more), &said);
    }
    // From standard input.
    let mut child = program(Path::new(""))
        .args(["translate", "--checkpoint", text(&scene.run("sound")), "--input", "-"])
        .args(["--output", text(&scene.at("x.tif")), "--tune", "off"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&holes).unwrap();
    refused(&child.wait_with_output().unwrap(), &["2 of 1024 pixels have no data"]);
    // Marked in the result, and nowhere else; in strips the same.
    let results = [&[][..], &["--tile", "16"]].map(|more| {
        let output = scene.at(&format!("out{}.tif", more.len()));
        ok(scene.translate("sound", &input, &output, &[&["--nodata", "nan"], more].concat()));
        let how = Reading { nodata: NoData::Is(f32::NAN), ..Reading::default() };
        let Loaded { picture: AnyPicture::F32(made), missing, .. } =
            Loaded::read(&output, how).unwrap()
        else {
            panic!("no floats")
        };
        let missing = missing.unwrap();
        let places: Vec<usize> = (0..missing.len()).filter(|at| missing[*at]).collect();
        assert_eq!(places, [65, 70]);
        made.data
    });
    let close = |(a, b): (&f32, &f32)| a.is_nan() && b.is_nan() || (a - b).abs() < 1e-5;
    assert!(results[0].iter().zip(&results[1]).all(close));
    // A value that no tag names, and one that a tag does.
    let marked = scene.put("in/marked.tif", &floats(&[(5, -9999.0)]).bytes());
    ok(scene.translate("sound", &marked, &scene.at("m.tif"), &["--nodata", "-9999"]));
    assert!(AnyPicture::load(&scene.at("m.tif")).unwrap_err().to_string().contains("1 of 1024"));
    let tagged = Tif { nodata: Some("-9999"), ..floats(&[(5, -9999.0)]) };
    let tagged = scene.put("in/tagged.tif", &tagged.bytes());
    refused(&scene.translate("sound", &tagged, &scene.at("t.tif"), &[]), &["(5, 0): -9999"]);
    ok(scene.translate("sound", &tagged, &scene.at("t.tif"), &["--nodata", "keep"]));
    AnyPicture::load(&scene.at("t.tif")).unwrap();

    for i in 0..2 {
        scene.put(&format!("holes/trainA/{i}.tif"), &holes);
        scene.put(&format!("holes/trainB/{i}.tif"), &floats(&[]).bytes());
        scene.put(&format!("photos/train/{i}.tif"), &holes);
        scene.put(&format!("holes/val/{i}.tif"), &holes);
    }
    let said = ["0.tif", "2 of 1024 pixels have no data"];
    let plain = ["--preprocess", "none", "--serial_batches"];
    refused(&scene.train("holes", "pairs", &plain), &said);
    let colors = ["--preprocess", "none", "--serial_batches", "--model", "colorization"];
    refused(&scene.train("photos", "photos", &colors), &said);
    let (run, data) = (scene.run("sound"), scene.at("holes"));
    let eval = ["eval", "--checkpoint", text(&run), "--dataroot", text(&data), "--phase", "train"];
    refused(&pixtape(&eval), &said);
    ok(pixtape(&[&eval[..], &["--nodata", "nan"]].concat()));
    let folders = [scene.at("holes/trainA"), scene.at("holes/trainB")];
    let compare = ["eval", "--results", text(&folders[0]), "--targets", text(&folders[1])];
    refused(&pixtape(&compare), &said);
    ok(pixtape(&[&compare[..], &["--nodata", "nan"]].concat()));
    let to = scene.at("gray");
    let gray = ["prepare", "grayscale", "--input", text(&folders[0]), "--output", text(&to)];
    refused(&pixtape(&gray), &said);
    ok(pixtape(&[&gray[..], &["--nodata", "nan", "--overwrite"]].concat()));
    // Without pairs a hole in either set is found.
    for (a, b) in [("holes/trainA", "data/trainB"), ("data/trainA", "holes/trainA")] {
        let name = format!("sets_{}", a.replace('/', "_"));
        for (from, to) in [(a, "trainA"), (b, "trainB")] {
            for i in 0..2 {
                let bytes = std::fs::read(scene.at(&format!("{from}/{i}.tif"))).unwrap();
                scene.put(&format!("{name}/{to}/{i}.tif"), &bytes);
            }
        }
        let cycle = [
            "--preprocess",
            "none",
            "--serial_batches",
            "--model",
            "cycle_gan",
            "--netG",
            "unet_32",
        ];
        refused(&scene.train(&name, &name, &cycle), &said);
        ok(scene.train(&name, &name, &[&cycle[..], &["--nodata", "nan", "--overwrite"]].concat()));
    }
    // A run that was trained with holes translates them.
    ok(scene.train("holes", "filled", &[&plain[..], &["--nodata", "nan"]].concat()));
    ok(scene.translate("filled", &input, &scene.at("f.tif"), &[]));
}

#[test]
fn images_are_turned_in_every_command_unless_the_run_ignores_it() {
    if !adapter() {
        return;
    }
    let scene = Scene::new();
    for i in 0..2 {
        // Stored lying on their left side: the first row is the right edge of the image.
        let upright = picture(48, 32, i);
        let c = 3;
        let mut data = Vec::new();
        for y in 0..48 {
            for x in 0..32 {
                // Tag 6: column x of row y of the image is row 31 - x of the file.
                let at = ((31 - x) * 48 + y) as usize * c;
                data.extend_from_slice(&upright.data[at..at + c]);
            }
        }
        // What a tag of 8 turns back.
        let lying = Picture::new(32, 48, 3, data).unwrap().encode_png().unwrap();
        scene.put(&format!("tagged/trainA/{i}.png"), &png_with_exif(&lying, 8, i == 1));
        scene.put(&format!("upright/trainA/{i}.png"), &upright.encode_png().unwrap());
        scene.put(&format!("lying/trainA/{i}.png"), &lying);
        for data in ["tagged", "upright", "lying"] {
            let target = picture(48, 32, 7 + i).encode_png().unwrap();
            scene.put(&format!("{data}/trainB/{i}.png"), &target);
        }
    }
    let same = |a: &str, b: &str| {
        Picture::load(&scene.at(a), 3).unwrap() == Picture::load(&scene.at(b), 3).unwrap()
    };
    assert!(same("tagged/trainA/0.png", "upright/trainA/0.png"));
    ok(scene.train("tagged", "turned", &[]));
    ok(scene.train("upright", "upright", &[]));
    assert_identical(&scene.run("turned"), &scene.run("upright"));
    ok(scene.train("tagged", "ignored", &["--ignore_orientation"]));
    // The option is part of what the files say of themselves.
    ok(scene.train("lying", "lying", &["--ignore_orientation"]));
    assert_identical(&scene.run("ignored"), &scene.run("lying"));
    // translate does as its run did.
    let input = scene.at("tagged/trainA/1.png");
    let made = |run: &str, input: &Path, more: &[&str]| {
        ok(scene.translate(run, input, &scene.at("made.png"), more));
        Picture::load(&scene.at("made.png"), 3).unwrap()
    };
    let (upright, lying) = (scene.at("upright/trainA/1.png"), scene.at("lying/trainA/1.png"));
    assert_eq!(made("turned", &input, &[]), made("turned", &upright, &[]));
    assert_eq!(made("ignored", &input, &[]), made("ignored", &lying, &[]));
    assert_eq!(made("turned", &input, &["--ignore_orientation"]), made("turned", &lying, &[]));
    // What prepare writes is upright and has no tag.
    let (from, to) = (scene.at("tagged/trainA"), scene.at("resized"));
    ok(pixtape(&[
        "prepare",
        "resize",
        "--input",
        text(&from),
        "--output",
        text(&to),
        "--size",
        "48x32",
    ]));
    let tiles = scene.at("tiles");
    let tile = ["prepare", "tile", "--input", text(&from), "--output", text(&tiles), "--size"];
    ok(pixtape(&[&tile[..], &["16x48", "--ignore_orientation"]].concat()));
    assert!(tiles.join("0_16_0.png").exists() && !tiles.join("0_32_0.png").exists());
    // eval measures a run on images as it was trained, or as they are stored.
    let (folders, lying) = (scene.at("tagged/trainA"), scene.at("lying/trainA"));
    let compare = ["eval", "--results", text(&folders), "--targets", text(&lying)];
    refused(&pixtape(&compare), &["48x32", "32x48"]);
    let said = ok(pixtape(&[&compare[..], &["--ignore_orientation"]].concat()));
    assert!(said.contains("0.00000"), "{said}");
    let how = Reading { ignore_orientation: true, ..Reading::default() };
    let resized = Picture::load_as(&to.join("0.png"), 3, how).unwrap();
    assert_eq!(resized, picture(48, 32, 0));
    // Photographs, as cameras write them.
    let p = picture(48, 32, 3);
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
    image::ImageEncoder::write_image(encoder, &p.data, 48, 32, image::ExtendedColorType::Rgb8)
        .unwrap();
    let photo = scene.put("photo.jpg", &jpeg_with_exif(&jpeg, 6));
    assert_eq!(Picture::dimensions(&photo).unwrap(), (32, 48));
    assert_eq!(made("turned", &photo, &[]).describe(), "32x48x3");
}

#[test]
fn kinds_that_are_not_read_are_named_and_none_is_called_damaged() {
    if !adapter() {
        return;
    }
    let scene = Scene::new();
    pairs(&scene.at("data"), 2);
    ok(scene.train("data", "run", &[]));
    let avif = [&[0, 0, 0, 20], b"ftypavif".as_slice(), &[0; 200]].concat();
    let heic = [&[0, 0, 0, 20], b"ftypheic".as_slice(), &[0; 200]].concat();
    let int = Tif { format: 2, ..Tif::formula(32, 32, 1, 32) }.bytes();
    let page = b"<!DOCTYPE html><html><title>404</title></html>".to_vec();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".to_vec();
    let cases: &[(&str, &[u8], &str)] = &[
        ("a.jpg", &avif, "an image of the kind AVIF"),
        ("a.heic", &heic, "an image of the kind HEIC"),
        ("a.svg", b"<svg xmlns='x'/>", "an image of the kind SVG"),
        ("a.psd", b"8BPS\0\x01", "an image of the kind Photoshop"),
        ("page.jpg", &page, "a web page"),
        ("lfs.png", &pointer, "git lfs pull"),
        ("notes.png", b"remember the milk\n", "is text"),
        ("empty.png", b"", "is empty"),
        ("int.tif", &int, "(int32)"),
        ("zeros.png", &[0; 300], "of no known kind"),
    ];
    for (name, bytes, part) in cases {
        let input = scene.put(&format!("in/{name}"), bytes);
        let output = scene.translate("run", &input, &scene.at("x.png"), &[]);
        refused(&output, &[name, part]);
        assert!(!errors(&output).contains("repair"), "{}", errors(&output));
    }
    // A sound file that was cut off is damaged.
    let whole = png(1);
    let cut = scene.put("in/cut.png", &whole[..whole.len() / 2]);
    refused(
        &scene.translate("run", &cut, &scene.at("x.png"), &[]),
        &["cut.png", "cannot be decoded"],
    );
    // A folder with a picture's name, in a list of pairs.
    std::fs::create_dir_all(scene.at("list/x.png")).unwrap();
    scene.put("list/y.png", &whole);
    scene.put("list/train.tsv", b"x.png\ty.png\ny.png\ty.png\n");
    refused(&scene.train("list", "no", &[]), &["x.png", "is a folder"]);
    // Others are read whatever they are called.
    let p = picture(32, 32, 5);
    let rgb = image::RgbImage::from_raw(32, 32, p.data.clone()).unwrap();
    for format in [image::ImageFormat::Tga, image::ImageFormat::Pnm, image::ImageFormat::Qoi] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        rgb.write_to(&mut bytes, format).unwrap();
        let input = scene.put("in/odd.dat", bytes.get_ref());
        ok(scene.translate("run", &input, &scene.at("odd.png"), &[]));
    }
}
