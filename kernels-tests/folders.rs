//! Folders and lists as people have them, and what commands over them do.

#![cfg(unix)]

#[path = "support/program.rs"]
mod program;

use pixtape::io::{AnyPicture, Dataset, Picture, create_dir};
use pixtape::run::Options;
use pixtape::run::options::Layer;
use program::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

const HEIC: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";

fn put(path: &Path, bytes: &[u8]) {
    create_dir(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn save(path: &Path, picture: impl Into<AnyPicture>) {
    create_dir(path.parent().unwrap()).unwrap();
    picture.into().save(path).unwrap();
}

/// A file without its second half.
fn cut(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn floats(width: u32, height: u32, channels: u32, last: f32) -> AnyPicture {
    let mut data = vec![0.25; (width * height * channels) as usize];
    *data.last_mut().unwrap() = last;
    AnyPicture::F32(Picture::new(width, height, channels, data).unwrap())
}

fn map(width: u32, height: u32, label: u8) -> Picture {
    Picture::new(width, height, 1, vec![label; (width * height) as usize]).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &errors(output)
}

/// What a training finds: every sample is loaded.
fn trains(root: &Path, words: &[(&str, &str)]) -> pixtape::Result<()> {
    let words = [words, &[("serial_batches", "true")]].concat();
    let mut options = Options::from_layers(None, &[&Layer::of(&words)?])?;
    options.dataroot = Some(root.into());
    let dataset = Dataset::open(options.dataset()?)?;
    (0..dataset.len()).try_for_each(|at| dataset.sample(1, at).map(drop))
}

/// The folder of a case, as it is drawn, with the options of the training.
type Case = (&'static str, &'static [(&'static str, &'static str)], bool, fn(&Path));

const CROP: &[(&str, &str)] = &[("preprocess", "crop"), ("load_size", "8"), ("crop_size", "8")];
const CYCLE: &[(&str, &str)] = &[("model", "cycle_gan")];
const HD: &[(&str, &str)] = &[("model", "pix2pixHD"), ("label_nc", "5"), ("load_size", "32")];

fn sides(root: &Path) {
    for i in 0..2 {
        save(&root.join(format!("trainA/{i}.png")), picture(8, 8, i));
        save(&root.join(format!("trainB/{i}.bmp.png")), picture(8, 8, i));
        std::fs::rename(
            root.join(format!("trainB/{i}.bmp.png")),
            root.join(format!("trainB/{i}.jpg")),
        )
        .unwrap();
    }
}

fn labels(root: &Path) {
    for i in 0..2 {
        save(&root.join(format!("train_label/{i}.png")), map(16, 8, i));
        save(&root.join(format!("train_img/{i}.png")), picture(16, 8, u32::from(i)));
    }
}

fn list(root: &Path, rows: &str) {
    save(&root.join("a.png"), picture(8, 8, 1));
    save(&root.join("b.png"), picture(8, 8, 2));
    put(&root.join("train.csv"), rows.as_bytes());
}

const CASES: &[Case] = &[
    ("pairs in one file", &[], true, |root| pairs(root, 2)),
    ("two folders, other extensions", &[], true, sides),
    ("a partner is missing", &[], false, |root| {
        sides(root);
        std::fs::remove_file(root.join("trainB/1.jpg")).unwrap();
    }),
    ("sides of two sizes", &[], true, |root| {
        sides(root);
        save(&root.join("trainA/1.png"), picture(9, 8, 1));
    }),
    ("sides of two sizes that are cropped", CROP, false, |root| {
        sides(root);
        save(&root.join("trainA/1.png"), picture(9, 8, 1));
    }),
    ("sizes that differ without scaling", &[("preprocess", "none")], false, |root| {
        save(&root.join("train/0.png"), picture(16, 8, 1));
        save(&root.join("train/1.png"), picture(20, 8, 1));
    }),
    ("no room for two halves", &[], false, |root| {
        save(&root.join("train/0.png"), picture(1, 8, 1));
    }),
    ("more in a batch than there are", &[("batch_size", "3")], false, |root| pairs(root, 2)),
    ("floats", &[], true, |root| {
        sides(root);
        (0..2).for_each(|i| {
            std::fs::remove_file(root.join(format!("trainB/{i}.jpg"))).unwrap();
            save(&root.join(format!("trainB/{i}.tiff")), floats(8, 8, 3, 0.5));
        });
    }),
    ("floats that are not numbers", &[], false, |root| {
        save(&root.join("trainA/0.tiff"), floats(8, 8, 3, f32::NAN));
        save(&root.join("trainB/0.tiff"), floats(8, 8, 3, 0.5));
    }),
    ("16 bits among 8, gray among colours", &[], true, |root| {
        sides(root);
        let deep = Picture::new(8, 8, 3, vec![700; 192]).unwrap();
        save(&root.join("trainA/1.png"), AnyPicture::U16(deep));
        save(&root.join("trainA/0.png"), map(8, 8, 3));
    }),
    ("five bands", &[], true, |root| {
        save(&root.join("trainA/0.npy"), floats(8, 8, 5, 0.5));
        save(&root.join("trainB/0.png"), picture(8, 8, 1));
    }),
    ("five bands among three", &[], false, |root| {
        save(&root.join("trainA/0.npy"), floats(8, 8, 5, 0.5));
        save(&root.join("trainA/1.npy"), floats(8, 8, 3, 0.5));
        (0..2).for_each(|i| save(&root.join(format!("trainB/{i}.png")), picture(8, 8, i)));
    }),
    ("a body that is cut off", &[], false, |root| {
        pairs(root, 3);
        cut(&root.join("train/1.png"));
    }),
    ("a JPEG that is cut off, in val", &[("phase", "val")], false, |root| {
        pairs(root, 2);
        let jpeg: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
        put(&root.join("val/x.jpg"), jpeg);
    }),
    ("an iPhone's photograph that is called .jpg", &[], false, |root| {
        pairs(root, 2);
        put(&root.join("train/x.jpg"), HEIC);
    }),
    ("what is left out", &[], true, |root| {
        pairs(root, 2);
        put(&root.join("train/x.heic"), HEIC);
        put(&root.join("train/._0.png"), b"\0\x05\x16\x07");
        put(&root.join("train/.ipynb_checkpoints/0-checkpoint.png"), b"no image");
        put(&root.join("train/notes.txt"), b"notes");
    }),
    ("a link to nowhere", &[], false, |root| {
        pairs(root, 2);
        symlink("gone.png", root.join("train/x.png")).unwrap();
    }),
    ("two sets", CYCLE, true, |root| {
        (0..3).for_each(|i| save(&root.join(format!("trainA/a{i}.png")), picture(9, 8, i)));
        (0..2).for_each(|i| save(&root.join(format!("trainB/b{i}.png")), picture(8, 8, i)));
    }),
    ("two sets, one image cut off", CYCLE, false, |root| {
        (0..3).for_each(|i| save(&root.join(format!("trainA/a{i}.png")), picture(9, 8, i)));
        (0..2).for_each(|i| save(&root.join(format!("trainB/b{i}.png")), picture(8, 8, i)));
        cut(&root.join("trainB/b1.png"));
    }),
    ("two sets without a model for them", &[], false, |root| {
        (0..3).for_each(|i| save(&root.join(format!("trainA/a{i}.png")), picture(9, 8, i)));
        (0..2).for_each(|i| save(&root.join(format!("trainB/b{i}.png")), picture(8, 8, i)));
    }),
    ("a list", &[], true, |root| list(root, "input,target\r\na.png,b.png\r\n")),
    ("a list with a file that is missing", &[], false, |root| {
        list(root, "a.png;b.png\na.png;c.png\n");
    }),
    ("a list that is none", &[], false, |root| list(root, "a.png\n")),
    ("label maps", HD, true, labels),
    ("labels that are no class", HD, false, |root| {
        labels(root);
        save(&root.join("train_label/1.png"), map(16, 8, 5));
    }),
    ("label maps of another aspect", HD, false, |root| {
        labels(root);
        save(&root.join("train_label/1.png"), map(16, 16, 1));
        save(&root.join("train_img/1.png"), picture(16, 16, 1));
    }),
    ("an image of label maps that is cut off", HD, false, |root| {
        labels(root);
        cut(&root.join("train_img/0.png"));
    }),
    ("photographs", &[("dataset_mode", "colorization")], true, |root| {
        save(&root.join("train/0.png"), picture(8, 8, 1));
        save(&root.join("train/1.png"), map(8, 8, 1));
    }),
];

#[test]
fn check_finds_a_misfit_where_training_finds_one() {
    for (name, words, good, draw) in CASES {
        let dir = TempDir::new().unwrap();
        draw(dir.path());
        let trained = trains(dir.path(), words);
        let flags = words.iter().flat_map(|(name, word)| [format!("--{name}"), word.to_string()]);
        let flags: Vec<String> = flags.collect();
        let mut command: Vec<&str> = vec!["prepare", "check", "--input", text(dir.path())];
        command.extend(flags.iter().map(String::as_str));
        let checked = pixtape(&command);
        let report = said(&checked);
        assert_eq!(trained.is_ok(), *good, "{name}: {trained:?}");
        assert_eq!(checked.status.success(), *good, "{name}: {trained:?}\n{report}");
        assert_eq!(report.contains("no misfits"), *good, "{name}: {report}");
    }
}

#[test]
fn check_looks_for_sets_by_itself_and_says_what_it_assumed() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    pairs(&at("deep/one"), 1);
    labels(&at("deep/two"));
    for side in ["A", "B"] {
        save(&at(&format!("three/{side}/train/x.png")), picture(8, 8, 1));
        save(&at(&format!("four/{side}/x.png")), picture(8, 8, 1));
    }
    put(&at("deep/one/train/photo.heic"), HEIC);
    // What comes second is not read by a training either.
    save(&at("deep/one/trainA/x.png"), picture(8, 8, 1));
    save(&at("deep/one/trainB/y.png"), picture(8, 8, 1));
    let report = ok(pixtape(&["prepare", "check", "--input", text(dir.path())]));
    for part in [
        "deep/one/train: A|B files",
        "deep/one/val: A|B files",
        "deep/two/train: 2 samples of label, image; labels 0 to 1: --label_nc 2 or more",
        "three/A/train and ",
        "three/B/train: 1 pairs by name",
        "four/A and ",
        "note: left out: 1 HEIC; convert",
        "deep/one/trainA is not read, since ",
        "read as train --model pix2pixHD --dataset_mode labels --preprocess scale_width",
        "read as train --model pix2pix --dataset_mode aligned --preprocess resize_and_crop",
        "no misfits",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    // A phase, a file, a list by itself.
    for input in ["deep/one/train", "deep/one/train/0.png", "four/A"] {
        ok(pixtape(&["prepare", "check", "--input", text(&at(input))]));
    }
    list(&at("five"), "");
    put(&at("five/rows.tsv"), b"a.png\tb.png\n");
    let report = ok(pixtape(&["prepare", "check", "--input", text(&at("five/rows.tsv"))]));
    assert!(report.contains("1 pairs of 256x256"), "{report}");
}

#[test]
fn folders_without_a_name_in_common_suggest_the_model_for_them() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("data");
    for i in 0..4 {
        save(&root.join(format!("trainA/a{i}.png")), picture(8, 8, i));
        save(&root.join(format!("trainB/b{i}.png")), picture(8, 8, i));
    }
    let output = train(&root, dir.path(), "x", &[]);
    refused(&output, &["8 of 8 files do not fit", "no name in common", "--model cycle_gan"]);
}

#[test]
fn names_of_all_systems_go_together_or_are_named_in_one_line() {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    let name = |side: &str, name: &[u8]| root.join(side).join(OsStr::from_bytes(name));
    let long = "x".repeat(251);
    for side in ["trainA", "trainB"] {
        for file in
            [b"-r.png".as_slice(), b"a b .png", b"two\nlines.png", b"\xff\xfe.png", b"'\".png"]
        {
            save(&name(side, file), picture(8, 8, 1));
        }
        save(&name(side, format!("{long}.png").as_bytes()), picture(8, 8, 1));
    }
    // One system writes an accent apart, another does not.
    save(&name("trainA", "cafe\u{301}.png".as_bytes()), picture(8, 8, 1));
    save(&name("trainB", "caf\u{e9}.JPG.png".as_bytes()), picture(8, 8, 1));
    std::fs::rename(
        name("trainB", "caf\u{e9}.JPG.png".as_bytes()),
        name("trainB", "caf\u{e9}.JPG".as_bytes()),
    )
    .unwrap();
    let report = ok(pixtape(&["prepare", "check", "--input", text(root)]));
    assert!(report.contains("7 pairs by name"), "{report}");
    // What does not fit is told in a line each.
    save(&name("trainA", b"new\r\nline\x1b.png"), picture(8, 8, 1));
    save(&name("trainA", b"Upper.png"), picture(8, 8, 1));
    save(&name("trainB", b"upper.png"), picture(8, 8, 1));
    save(&name("trainB", "cafe\u{301}.png".as_bytes()), picture(8, 8, 1));
    save(&name("trainA", b"-r.bmp.png"), picture(8, 8, 1));
    std::fs::rename(name("trainA", b"-r.bmp.png"), name("trainA", b"-r.bmp")).unwrap();
    put(&name("trainB", b"photo.heic"), HEIC);
    save(&name("trainA", b"photo.png"), picture(8, 8, 1));
    let output = pixtape(&["prepare", "check", "--input", text(root)]);
    let report = said(&output);
    for part in [
        "new\\r\\nline\\u{1b}.png: has no partner",
        "Upper.png: has no partner of that name in",
        "upper.png differs in upper and lower case",
        "-r.png: has the name of",
        "photo.heic is of a kind that is not read",
        // The other way of writing it is taken exactly.
        "caf\u{e9}.JPG: has no partner",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(
        report.lines().all(|line| {
            ["misfit: ", "note: ", "layout: ", "error: "]
                .iter()
                .any(|start| line.starts_with(start))
                || line.contains(" images, ")
        }),
        "{report}"
    );
}

/// A run of a net so small that it takes no time.
fn run(dir: &TempDir) -> PathBuf {
    let root = dir.path().join("data");
    pairs(&root, 2);
    put(&root.join("train/photo.heic"), HEIC);
    put(&root.join("train/Thumbs.db"), b"\xd0\xcf");
    put(&root.join("train/notes.txt"), b"notes");
    let output = train(&root, dir.path(), "run", &["--max_steps", "1", "--val_freq", "0"]);
    let notes = said(&output);
    ok(output);
    assert_eq!(notes.matches("left out: 1 HEIC, 1 other file").count(), 1, "{notes}");
    dir.path().join("run")
}

#[test]
fn translate_does_every_image_of_a_folder_that_it_can() {
    if !adapter() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let run = run(&dir);
    let at = |name: &str| dir.path().join(name);
    for i in 0..4 {
        save(&at(&format!("in/{i}.png")), picture(32, 32, i));
    }
    save(&at("in/bands.npy"), floats(32, 32, 5, 0.5));
    cut(&at("in/1.png"));
    put(&at("in/text\n.jpg"), b"no image");
    put(&at("in/.hidden.png"), b"no image");
    put(&at("in/photo.heic"), HEIC);
    let translate = |input: &Path, output: &str, more: &[&str]| {
        let words = ["translate", "--checkpoint", text(&run), "--tune", "off"];
        let places = ["--input", text(input), "--output", text(&at(output))].map(String::from);
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        pixtape(&[&words, places.as_slice(), more].concat())
    };
    let output = translate(&at("in"), "out", &["--grid", text(&at("grid.png"))]);
    refused(&output, &["error: 3 of 6 could not be translated", "left out: 1 HEIC"]);
    let lines: Vec<String> = errors(&output)
        .lines()
        .filter_map(|line| Some(line.strip_prefix("not translated: ")?.to_string()))
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for part in ["1.png: cannot be decoded", "bands.npy: is 32x32x5", "text\\n.jpg: "] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:?}");
    }
    assert_eq!(names(&at("out")), ["0.png", "2.png", "3.png"]);
    assert!(said(&output).contains("3 images in"), "{}", said(&output));
    assert_eq!(Picture::dimensions(&at("grid.png")).unwrap().1, 3 * 32 + 2 * 2);
    // A missing frame is left out of a video, too.
    let frames = translate(&at("in/?.png"), "frames", &["--sequence", "smooth"]);
    refused(&frames, &["1 of 4 could not be translated"]);
    assert_eq!(names(&at("frames")), ["0.png", "2.png", "3.png"]);
    // Of one file the reason is the error, and what cannot be written ends all.
    refused(&translate(&at("in/1.png"), "one", &[]), &["1.png: cannot be decoded"]);
    put(&at("file"), b"");
    let below = translate(&at("in"), "file", &[]);
    refused(&below, &["is a file"]);
    // Nothing that can be translated.
    put(&at("bad/x.png"), b"no image");
    refused(&translate(&at("bad"), "none", &[]), &["x.png", "1 of 1 could not be translated"]);
    assert!(names(&at("none")).is_empty());
    // Two of one name are refused before anything is made.
    save(&at("twice/x.png"), picture(32, 32, 1));
    save(&at("twice/x.tiff"), picture(32, 32, 1));
    refused(&translate(&at("twice"), "two", &[]), &["x.tiff", "x.png", "so would"]);
    let missing = pixtape(&["translate", "--checkpoint", "/nope", "--input", "x", "--output", "y"]);
    refused(&missing, &["/nope: no such file or folder", "checkpoints/NAME", ".safetensors"]);
}

#[test]
fn commands_that_prepare_images_pass_over_what_systems_leave() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    for side in ["A", "B"] {
        save(&at(&format!(".data/{side}/sub/x.png")), picture(16, 16, 1));
        put(&at(&format!(".data/{side}/sub/._x.png")), b"\0\x05\x16\x07");
        put(&at(&format!(".data/{side}/.ipynb_checkpoints/x-checkpoint.png")), b"no image");
        put(&at(&format!(".data/{side}/__MACOSX/x.png")), b"no image");
    }
    put(&at(".data/A/photo.heic"), HEIC);
    let [a, b, out] = [".data/A", ".data/B", "out"].map(at);
    let words = ["--fold_A", text(&a), "--fold_B", text(&b), "--fold_AB", text(&out)];
    let combined = pixtape(&[&["prepare", "combine"], words.as_slice()].concat());
    assert!(errors(&combined).contains("A: left out: 1 HEIC"), "{}", errors(&combined));
    ok(combined);
    assert_eq!((names(&out), names(&out.join("sub"))), (vec!["sub".into()], vec!["x.png".into()]));
    let split = at("split");
    ok(pixtape(&[
        "prepare",
        "split",
        "--input",
        text(&a),
        "--output",
        text(&split),
        "--train",
        "1",
    ]));
    let copied =
        [names(&split.join("train")), names(&split.join("val")), names(&split.join("test"))];
    assert_eq!(copied.concat(), ["sub"]);
    ok(pixtape(&["eval", "--results", text(&a), "--targets", text(&b)]));
}

#[cfg(target_os = "linux")]
#[test]
fn arguments_that_are_not_unicode_name_files_or_are_refused_in_one_line() {
    let dir = TempDir::new().unwrap();
    let odd = |name: &[u8]| dir.path().join(OsStr::from_bytes(name));
    save(&odd(b"photos \xff").join("a.png"), picture(8, 8, 1));
    let output = program(Path::new(""))
        .args(["prepare", "grayscale", "--input"])
        .arg(odd(b"photos \xff"))
        .arg("--output")
        .arg(odd(b"gray \xfe"))
        .output()
        .unwrap();
    ok(output);
    Picture::load(&odd(b"gray \xfe").join("a.png"), 1).unwrap();
    let refused_words: [&[&[u8]]; 4] = [
        &[b"train", b"--name", b"\xff"],
        &[b"train", b"--name=\xff"],
        &[b"train", b"--\xff"],
        &[b"\xff"],
    ];
    for words in refused_words {
        let words = words.iter().map(|word| OsStr::from_bytes(word));
        let output = program(Path::new("")).args(words).output().unwrap();
        refused(&output, &[]);
        assert!(!errors(&output).contains("panicked"), "{}", errors(&output));
    }
}
