//! `pixtape prepare` as a user meets it: files, refusals, and originals that stay what they are.

#[path = "prepare/labels.rs"]
mod labels;
#[path = "prepare/planes.rs"]
mod planes;
#[path = "support/program.rs"]
mod program;

use pixtape::io::{Picture, list_pictures};
use program::*;
use std::path::Path;
use std::process::Output;

/// `prepare WHAT --input/--output …` and more.
fn prepare(what: &str, input: &Path, output: &Path, more: &[&str]) -> Output {
    pixtape(&[&["prepare", what, "--input", text(input), "--output", text(output)], more].concat())
}

/// Gray pictures by formula, `value(x, y)`.
fn gray(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> Picture {
    Picture::new(
        width,
        height,
        1,
        (0..width * height).map(|i| value(i % width, i / width)).collect(),
    )
    .unwrap()
}

fn save(path: &Path, picture: &Picture) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save_png(path).unwrap();
}

/// Files below a folder, relative, sorted.
fn names(folder: &Path) -> Vec<String> {
    list_pictures(folder)
        .unwrap()
        .iter()
        .map(|p| text(p.strip_prefix(folder).unwrap()).replace('\\', "/"))
        .collect()
}

fn load(path: &Path) -> Picture {
    Picture::load(path, 3).unwrap()
}

#[test]
fn help_has_a_line_and_an_example_for_each_command() {
    let help = ok(pixtape(&["prepare", "--help"]));
    for command in [
        "check",
        "combine",
        "split",
        "edges",
        "grayscale",
        "blank",
        "palette",
        "instances",
        "coco",
        "joints",
        "words",
        "resize",
        "tile",
    ] {
        assert!(
            help.lines().any(|l| l.trim_start().starts_with(&format!("{command} "))),
            "{command}: {help}"
        );
        assert!(
            help.contains(&format!("pixtape prepare {command} ")),
            "no example of {command}: {help}"
        );
        ok(pixtape(&["prepare", command, "--help"]));
    }
}

#[test]
fn combine_pairs_by_name_and_names_what_is_alone() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, ab] = ["A", "B", "AB"].map(|n| dir.path().join(n));
    for name in ["train/1.2", "val/x"] {
        save(&a.join(format!("{name}.png")), &picture(8, 6, 1));
        // Another extension; the content tells the format.
        save(&b.join(format!("{name}.bmp")), &picture(8, 6, 2));
    }
    let run = |more: &[&str]| {
        pixtape(
            &[
                &[
                    "prepare",
                    "combine",
                    "--fold_A",
                    text(&a),
                    "--fold_B",
                    text(&b),
                    "--fold_AB",
                    text(&ab),
                ],
                more,
            ]
            .concat(),
        )
    };
    ok(run(&[]));
    assert_eq!(names(&ab), ["train/1.2.png", "val/x.png"]);
    let (left, right) = load(&ab.join("val/x.png")).split_pair().unwrap();
    assert_eq!((left, right), (picture(8, 6, 1), picture(8, 6, 2)));
    refused(&run(&[]), &["2 file(s) exist already", "--overwrite"]);
    ok(run(&["--overwrite"]));
    // Another size, then names without a partner.
    save(&a.join("val/x.png"), &picture(16, 6, 1));
    refused(
        &run(&["--overwrite"]),
        &["x.png is 16x6", "x.bmp is 8x6", "--resize", "1 of 2 could not be done"],
    );
    ok(run(&["--overwrite", "--resize"]));
    assert_eq!(load(&ab.join("val/x.png")).width, 32);
    save(&a.join("alone.png"), &picture(8, 6, 1));
    refused(&run(&["--overwrite"]), &["without a partner", "has no alone"]);
}

#[test]
fn combine_takes_both_sides_from_one_folder() {
    let dir = tempfile::tempdir().unwrap();
    let [all, ab] = ["all", "AB"].map(|n| dir.path().join(n));
    save(&all.join("x_A.png"), &picture(8, 6, 1));
    save(&all.join("x_B.png"), &picture(8, 6, 2));
    ok(pixtape(&["prepare", "combine", "--fold_A", text(&all), "--fold_AB", text(&ab)]));
    assert_eq!(names(&ab), ["x.png"]);
    save(&all.join("y_B.png"), &picture(8, 6, 2));
    refused(
        &pixtape(&["prepare", "combine", "--fold_A", text(&all), "--fold_AB", text(&ab)]),
        &["without a partner", "y_A"],
    );
}

#[test]
fn split_copies_or_links_by_share_or_list() {
    let dir = tempfile::tempdir().unwrap();
    let [all, out] = ["all", "out"].map(|n| dir.path().join(n));
    (0..20).for_each(|i| save(&all.join(format!("sub/{i}.png")), &picture(8, 6, i)));
    ok(prepare("split", &all, &out, &["--seed", "7"]));
    let count = |out: &Path, split: &str| names(&out.join(split)).len();
    assert_eq!(["train", "val", "test"].map(|s| count(&out, s)), [16, 2, 2]);
    let once = names(&out);
    // The same again, by links: same files, of which one is the original itself.
    let linked = dir.path().join("linked");
    ok(prepare("split", &all, &linked, &["--seed", "7", "--link"]));
    assert_eq!(names(&linked), once);
    let name = &names(&linked.join("train"))[0];
    std::fs::write(all.join(name), b"changed").unwrap();
    assert_eq!(std::fs::read(linked.join("train").join(name)).unwrap(), b"changed");
    assert_ne!(std::fs::read(out.join("train").join(name)).unwrap(), b"changed");
    // Lists.
    let [train, val] = ["train.txt", "val.txt"].map(|n| dir.path().join(n));
    std::fs::write(&train, "# names\nsub/1\nsub/2.png\n\n").unwrap();
    std::fs::write(&val, "sub/3\n").unwrap();
    let listed = dir.path().join("listed");
    let lists = ["--train_list", text(&train), "--val_list", text(&val)];
    assert!(
        ok(prepare("split", &all, &listed, &lists)).contains("train 2, val 1, test 0, left out 17")
    );
    assert_eq!(names(&listed), ["train/sub/1.png", "train/sub/2.png", "val/sub/3.png"]);
    for (line, part) in [
        ("sub/1", "another list"),
        ("sub/99", "lists names that are not in"),
        ("../all/sub/1", "lists names that are not in"),
    ] {
        std::fs::write(&val, line).unwrap();
        refused(
            &prepare("split", &all, &listed, &[&lists[..], &["--overwrite"]].concat()),
            &["val.txt", part],
        );
    }
}

#[test]
fn edges_are_black_lines_on_white() {
    if !adapter() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let [photos, out, pairs] = ["photos", "out", "pairs"].map(|n| dir.path().join(n));
    let inside = |x: u32, y: u32| (10..30).contains(&x) && (8..24).contains(&y);
    let scene = gray(40, 32, |x, y| if inside(x, y) { 220 } else { 30 });
    save(&photos.join("a.png"), &scene);
    save(&photos.join("b.png"), &gray(24, 48, |x, _| if x < 12 { 0 } else { 255 }));
    ok(prepare("edges", &photos, &out, &[]));
    let edges = Picture::load(&out.join("a.png"), 1).unwrap();
    let black: Vec<(u32, u32)> = (0..40 * 32)
        .map(|i| (i % 40, i / 40))
        .filter(|(x, y)| edges.data[(y * 40 + x) as usize] == 0)
        .collect();
    assert!(edges.data.iter().all(|v| matches!(v, 0 | 255)));
    // Around the border of the rectangle and nowhere else.
    assert!((50..90).contains(&black.len()), "{black:?}");
    let near = |v: u32, side: u32| v.abs_diff(side) <= 2;
    assert!(
        black.iter().all(|(x, y)| near(*x, 10) || near(*x, 29) || near(*y, 8) || near(*y, 23)),
        "{black:?}"
    );
    ok(prepare("edges", &photos, &pairs, &["--pairs"]));
    let (a, b) = load(&pairs.join("a.png")).split_pair().unwrap();
    assert_eq!((a, b), (edges.into_channels(3), scene.into_channels(3)));
    refused(
        &prepare("edges", &photos, &out, &["--overwrite", "--low", "2"]),
        &["--low 2", "--high"],
    );
}

#[test]
fn grayscale_and_blank_make_inputs_or_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    let photos = path("photos");
    save(&photos.join("p.png"), &picture(16, 12, 3));
    ok(prepare("grayscale", &photos, &path("gray"), &[]));
    assert_eq!(
        load(&path("gray").join("p.png")),
        picture(16, 12, 3).into_channels(1).into_channels(3)
    );
    ok(prepare(
        "blank",
        &photos,
        &path("blank"),
        &["--pairs", "--masks_output", text(&path("masks"))],
    ));
    let (blanked, whole) = load(&path("blank").join("p.png")).split_pair().unwrap();
    assert_eq!(whole, picture(16, 12, 3));
    let mask = Picture::load(&path("masks").join("p.png"), 1).unwrap();
    for (i, pixel) in blanked.data.chunks_exact(3).enumerate() {
        let (x, y) = (i as u32 % 16, i as u32 / 16);
        // Rows and columns from a quarter to three quarters.
        let inside = (4..12).contains(&x) && (3..9).contains(&y);
        assert_eq!(mask.data[i], if inside { 255 } else { 0 });
        assert_eq!(pixel, if inside { &[255; 3] } else { &whole.data[3 * i..3 * i + 3] });
    }
    // With masks of one's own: the same picture again.
    ok(prepare("blank", &photos, &path("again"), &["--pairs", "--masks", text(&path("masks"))]));
    assert_eq!(load(&path("again").join("p.png")), load(&path("blank").join("p.png")));
    // At random: as large, elsewhere for another seed, the same for the same.
    let random = |out: &str, seed: &str| {
        ok(prepare(
            "blank",
            &photos,
            &path(out),
            &[
                "--place",
                "random",
                "--share",
                "0.25",
                "--value",
                "0",
                "--seed",
                seed,
                "--masks_output",
                text(&path(out).join("m")),
            ],
        ));
        Picture::load(&path(out).join("m/p.png"), 1).unwrap()
    };
    let masks = [random("r1", "1"), random("r2", "2"), random("r3", "1")];
    assert!(masks.iter().all(|m| m.data.iter().filter(|v| **v == 255).count() == 12));
    assert!(masks[0] == masks[2] && masks[0] != masks[1]);
    std::fs::rename(path("masks").join("p.png"), path("masks").join("q.png")).unwrap();
    refused(
        &prepare("blank", &photos, &path("x"), &["--masks", text(&path("masks"))]),
        &["has no mask named p"],
    );
    refused(&prepare("blank", &photos, &path("x"), &["--share", "1.5"]), &["--share 1.5"]);
}

#[test]
fn palettes_turn_colours_into_labels_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    let colors = [[0, 0, 170], [255, 0, 0], [0, 255, 85]];
    let map = Picture::new(6, 5, 3, (0..30).flat_map(|i| colors[i * 5 / 4 % 3]).collect()).unwrap();
    save(&path("maps").join("m.png"), &map);
    ok(prepare("palette", &path("maps"), &path("index"), &["--to", "index", "--palette", "find"]));
    let palette = path("index").join("palette.txt");
    assert_eq!(std::fs::read_to_string(&palette).unwrap(), "#0000aa\n#00ff55\n#ff0000\n");
    ok(prepare(
        "palette",
        &path("index"),
        &path("back"),
        &["--to", "color", "--palette", text(&palette)],
    ));
    assert_eq!(load(&path("back").join("m.png")), map);
    // A label beyond the palette, a colour beyond it.
    save(&path("wrong").join("w.png"), &gray(4, 3, |x, y| if (x, y) == (2, 1) { 37 } else { 2 }));
    refused(
        &prepare(
            "palette",
            &path("wrong"),
            &path("no"),
            &["--to", "color", "--palette", text(&palette)],
        ),
        &["w.png", "label 37 at (2, 1)", "0 to 2"],
    );
    let near = Picture::new(2, 1, 3, vec![0, 0, 168, 250, 3, 2]).unwrap();
    save(&path("near").join("n.png"), &near);
    let words = ["--to", "index", "--palette", text(&palette)];
    refused(
        &prepare("palette", &path("near"), &path("no"), &words),
        &["n.png", "#0000a8 at (0, 0)", "--nearest"],
    );
    ok(prepare("palette", &path("near"), &path("yes"), &[&words[..], &["--nearest"]].concat()));
    assert_eq!(Picture::load(&path("yes").join("n.png"), 1).unwrap().data, [0, 2]);
    refused(
        &prepare(
            "palette",
            &path("maps"),
            &path("no"),
            &["--to", "color", "--palette", text(&palette)],
        ),
        &["m.png", "has 3 channels; a map has one"],
    );
    std::fs::write(&palette, "#00zz00").unwrap();
    refused(&prepare("palette", &path("near"), &path("no"), &words), &["palette.txt", "line 1"]);
    // Too many colours for 8 bits: only the most frequent.
    save(
        &path("photo").join("p.png"),
        &Picture::new(
            300,
            1,
            3,
            (0..300u32).flat_map(|i| [(i % 256) as u8, (i / 256 * 90) as u8, 0]).collect(),
        )
        .unwrap(),
    );
    refused(
        &prepare("palette", &path("photo"), &path("many"), &["--to", "index", "--palette", "find"]),
        &["300 colours", "--colors"],
    );
    ok(prepare(
        "palette",
        &path("photo"),
        &path("many"),
        &["--to", "index", "--palette", "find", "--colors", "5"],
    ));
    assert_eq!(
        std::fs::read_to_string(path("many").join("palette.txt")).unwrap().lines().count(),
        5
    );
}

#[test]
fn resize_keeps_the_aspect_or_not_and_halves_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    save(&path("in").join("p.png"), &picture(40, 20, 1));
    let of = |out: &str, more: &[&str]| {
        ok(prepare("resize", &path("in"), &path(out), more));
        load(&path(out).join("p.png"))
    };
    let stretched = of("stretch", &["--size", "16", "--mode", "stretch"]);
    assert_eq!(stretched, picture(40, 20, 1).resize(16, 16).unwrap());
    let cropped = of("crop", &["--size", "16"]);
    assert_eq!(cropped, picture(40, 20, 1).resize(32, 16).unwrap().crop(8, 0, 16, 16).unwrap());
    let fit = of("fit", &["--size", "16", "--mode", "fit"]);
    assert_eq!(fit, picture(40, 20, 1).resize(16, 8).unwrap());
    let pad = of("pad", &["--size", "16", "--mode", "pad"]);
    assert_eq!(
        (pad.crop(0, 4, 16, 8).unwrap(), pad.crop(0, 0, 16, 4).unwrap().data),
        (fit, vec![255; 16 * 4 * 3])
    );
    let pair = of("pair", &["--size", "10x12", "--pairs", "--mode", "stretch"]);
    let halves = picture(40, 20, 1).split_pair().unwrap();
    assert_eq!(
        pair.split_pair().unwrap(),
        (halves.0.resize(10, 12).unwrap(), halves.1.resize(10, 12).unwrap())
    );
    let near = of("near", &["--size", "20x10", "--mode", "stretch", "--nearest"]);
    let original = picture(40, 20, 1);
    for (i, pixel) in near.data.chunks_exact(3).enumerate() {
        let (x, y) = (2 * (i % 20) + 1, 2 * (i / 20) + 1);
        assert_eq!(pixel, &original.data[(y * 40 + x) * 3..][..3]);
    }
}

#[test]
fn tiles_are_cut_at_the_same_places_of_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    let (a, b) = (picture(50, 30, 1), picture(50, 30, 2));
    save(&path("A").join("m.png"), &a);
    save(&path("B").join("m.png"), &b);
    ok(prepare(
        "tile",
        &path("A"),
        &path("tiles"),
        &["--input_B", text(&path("B")), "--size", "20", "--overlap", "4"],
    ));
    // 50 takes three tiles of 20 that share 5 pixels, 30 takes two.
    let all = names(&path("tiles"));
    assert_eq!(
        all,
        ["m_0_0.png", "m_0_10.png", "m_15_0.png", "m_15_10.png", "m_30_0.png", "m_30_10.png"]
    );
    let (left, right) = load(&path("tiles").join("m_15_10.png")).split_pair().unwrap();
    assert_eq!((left, right), (a.crop(15, 10, 20, 20).unwrap(), b.crop(15, 10, 20, 20).unwrap()));
    // The same from an A|B file.
    ok(pixtape(&[
        "prepare",
        "combine",
        "--fold_A",
        text(&path("A")),
        "--fold_B",
        text(&path("B")),
        "--fold_AB",
        text(&path("AB")),
    ]));
    ok(prepare(
        "tile",
        &path("AB"),
        &path("again"),
        &["--pairs", "--size", "20", "--overlap", "4"],
    ));
    assert_eq!(names(&path("again")), all);
    assert!(all.iter().all(|n| load(&path("tiles").join(n)) == load(&path("again").join(n))));
    refused(
        &prepare("tile", &path("A"), &path("x"), &["--size", "64"]),
        &["m.png", "50x30", "64x64"],
    );
    refused(
        &prepare("tile", &path("A"), &path("x"), &["--size", "20", "--overlap", "20"]),
        &["--overlap 20"],
    );
}

#[test]
fn check_tells_layouts_and_misfits() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    pairs(root, 3);
    let report = ok(pixtape(&["prepare", "check", "--input", text(root)]));
    assert!(
        report.contains("train: 3 images, 80x40; 3 channel(s)")
            && report.contains("A|B files")
            && report.contains("no misfits"),
        "{report}"
    );
    for (name, width) in [("trainA/1", 8), ("trainA/2", 8), ("trainB/1", 8), ("trainB/3", 8)] {
        save(&root.join(format!("two/{name}.png")), &picture(width, 8, 1));
    }
    save(&root.join("two/trainA/3.png"), &picture(9, 8, 1));
    save(&root.join("val/3.png"), &gray(80, 40, |_, _| 7));
    std::fs::write(root.join("val/broken.jpg"), b"no picture").unwrap();
    let output = pixtape(&["prepare", "check", "--input", text(root)]);
    refused(&output, &["2 misfit(s)"]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    // What training takes is no misfit.
    for part in [
        "2 pairs by name",
        "2.png: has no partner",
        "1 of 2 pairs have files of different sizes",
        "3.png is 9x8",
        "note: ",
        "3.png: 1 channel(s)",
        "broken.jpg",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

#[test]
fn broken_pictures_and_wrong_folders_are_refused_and_nothing_is_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    for i in 0..4 {
        save(&path("in").join(format!("{i}.png")), &picture(8, 8, i));
    }
    let whole = std::fs::read(path("in").join("2.png")).unwrap();
    std::fs::write(path("in").join("2.png"), &whole[..whole.len() / 2]).unwrap();
    refused(
        &prepare("grayscale", &path("in"), &path("out"), &["--num_threads", "1"]),
        &["2.png", "cannot be decoded", "1 of 4 could not be done"],
    );
    assert_eq!(names(&path("out")), ["0.png", "1.png", "3.png"]);
    assert_eq!(std::fs::read_dir(path("out")).unwrap().count(), 3, "nothing half-written");
    refused(
        &prepare("grayscale", &path("nowhere"), &path("out"), &[]),
        &["nowhere", "no such folder"],
    );
    std::fs::create_dir(path("empty")).unwrap();
    refused(&prepare("grayscale", &path("empty"), &path("out"), &[]), &["has no images"]);
    // Onto itself: refused, even with --overwrite.
    std::fs::write(path("in").join("2.png"), &whole).unwrap();
    refused(&prepare("grayscale", &path("in"), &path("in"), &["--overwrite"]), &["originals"]);
    assert_eq!(std::fs::read(path("in").join("2.png")).unwrap(), whole);
    // Inside of the input: its own results are no input the next time.
    ok(prepare("grayscale", &path("in"), &path("in").join("gray"), &[]));
    ok(prepare("grayscale", &path("in"), &path("in").join("gray"), &["--overwrite"]));
    assert_eq!(names(&path("in").join("gray")).len(), 4);
    // Two of one name.
    std::fs::copy(path("in").join("1.png"), path("in").join("1.bmp")).unwrap();
    refused(
        &prepare("grayscale", &path("in"), &path("two"), &[]),
        &["1.bmp", "1.png", "both be written"],
    );
}
