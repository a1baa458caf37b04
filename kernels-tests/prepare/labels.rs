//! Label and instance maps: `prepare instances`, `coco`, `combine --labels`, `resize --indices`,
//! and what `check` says of them.

use super::program::*;
use super::{gray, names, prepare, save};
use pixtape::io::{AnyPicture, IndexHeader, IndexMap, Picture};
use std::path::Path;

fn index_map(path: &Path) -> IndexMap {
    IndexMap::load(path).unwrap()
}

fn bits(path: &Path) -> u32 {
    IndexHeader::read(path).unwrap().bits
}

fn row(indices: &[u32]) -> IndexMap {
    IndexMap::new(indices.len() as u32, 1, indices.to_vec()).unwrap()
}

fn put(path: &Path, map: &IndexMap, bits: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    map.save(path, bits).unwrap();
}

#[test]
fn instances_are_components_of_the_classes_that_are_things() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    put(&path("labels/town/a.png"), &row(&[3, 3, 0, 3, 7, 26, 7, 26, 26]), 8);
    put(&path("labels/b.png"), &row(&[1, 3]), 8);
    let said = ok(prepare("instances", &path("labels"), &path("inst"), &["--things", "3,24-33"]));
    assert!(said.contains("5 instances"), "{said}");
    assert_eq!(names(&path("inst")), ["b.png", "town/a.png"]);
    assert_eq!(
        index_map(&path("inst/town/a.png")).data,
        [3000, 3000, 0, 3001, 7, 26000, 7, 26001, 26001]
    );
    assert_eq!(bits(&path("inst/b.png")), 16);
    // Specks have the class, and all classes but 0 are things.
    let more = ["--min_area", "2", "--overwrite"];
    ok(prepare("instances", &path("labels"), &path("inst"), &more));
    assert_eq!(
        index_map(&path("inst/town/a.png")).data,
        [3000, 3000, 0, 3, 7, 26, 7, 26000, 26000]
    );
    // Corners.
    let corner = IndexMap::new(2, 2, vec![5, 1, 1, 5]).unwrap();
    put(&path("corner/c.png"), &corner, 8);
    for (connectivity, numbers) in
        [("4", [5000, 1000, 1001, 5001]), ("8", [5000, 1000, 1000, 5000])]
    {
        let more = ["--connectivity", connectivity, "--overwrite"];
        ok(prepare("instances", &path("corner"), &path("corners"), &more));
        assert_eq!(index_map(&path("corners/c.png")).data, numbers);
    }
}

#[test]
fn numbers_of_instances_that_do_not_fit_are_refused_or_take_32_bits() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    put(&path("labels/a.png"), &row(&[66, 0, 66]), 8);
    refused(
        &prepare("instances", &path("labels"), &path("inst"), &[]),
        &["a.png", "instance 66001", "65535 of 16 bits", "--bits 32"],
    );
    assert!(names(&path("inst")).is_empty(), "nothing half-written");
    ok(prepare("instances", &path("labels"), &path("inst"), &["--bits", "32"]));
    assert_eq!(index_map(&path("inst/a.tiff")).data, [66000, 0, 66001]);
    assert_eq!(bits(&path("inst/a.tiff")), 32);
    let specks: Vec<u32> = (0..2003).map(|i| i % 2).collect();
    put(&path("specks/s.png"), &row(&specks), 8);
    refused(
        &prepare("instances", &path("specks"), &path("no"), &[]),
        &["s.png", "class 1 has more than 1000 instances", "--min_area"],
    );
    save(&path("colours/c.png"), &picture(4, 4, 1));
    refused(
        &prepare("instances", &path("colours"), &path("no"), &[]),
        &["c.png", "has 3 channels", "prepare palette"],
    );
    let output = prepare("instances", &path("labels"), &path("no"), &["--things", "0-3"]);
    assert!(!output.status.success() && errors(&output).contains("classes from 1 to 999"));
}

/// A panoptic PNG of a row of segments.
fn panoptic(path: &Path, ids: &[u32]) {
    let data = ids.iter().flat_map(|id| id.to_le_bytes()[..3].to_vec()).collect();
    save(path, &Picture::new(ids.len() as u32, 1, 3, data).unwrap());
}

const CATEGORIES: &str = r#"[
    {"id": 7, "name": "sky", "isthing": 0, "color": [1, 2, 3], "supercategory": "sky"},
    {"id": 3, "name": "car", "isthing": 1}, {"id": 90, "name": "tooth brush"}]"#;

fn annotations(categories: &str, last: &str) -> String {
    format!(
        r#"{{"info": {{"year": 2017}}, "licenses": [], "categories": {categories},
        "images": [
            {{"id": 5, "file_name": "photo_five.jpg", "width": 6}},
            {{"id": 9, "file_name": "b.jpg"}}],
        "annotations": [
            {{"image_id": 5, "file_name": "a.png", "segments_info": [
                {{"id": 70000, "category_id": 3, "iscrowd": 0, "area": 2, "bbox": [0, 0, 2, 1]}},
                {{"id": 300, "category_id": 3}}, {{"id": 8, "category_id": 7, "iscrowd": 0}},
                {{"id": 9, "category_id": 3, "iscrowd": 1}}]}},
            {{"image_id": 9, "file_name": "b.png", "segments_info": [{last}]}}]}}"#
    )
}

#[test]
fn panoptic_annotations_become_labels_and_instances() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    panoptic(&path("in/a.png"), &[70000, 70000, 300, 8, 9, 0]);
    panoptic(&path("in/b.png"), &[1, 2]);
    for photo in ["photo_five.jpg", "b.jpg"] {
        save(&path("photos").join(photo), &picture(6, 1, 1));
    }
    let json = path("panoptic.json");
    let both = r#"{"id": 1, "category_id": 90}, {"id": 2, "category_id": 7}"#;
    let run = |text: &str, more: &[&str]| {
        std::fs::write(&json, text).unwrap();
        let words = [&["--json", super::text(&json)], more].concat();
        prepare("coco", &path("in"), &path("out"), &words)
    };
    let said = ok(run(&annotations(CATEGORIES, both), &["--images", text(&path("photos"))]));
    assert!(said.contains("4 classes in") && said.contains("--label_nc 4"), "{said}");
    assert_eq!(
        names(&path("out")),
        [
            "train_img/a.jpg",
            "train_img/b.jpg",
            "train_inst/a.png",
            "train_inst/b.png",
            "train_label/a.png",
            "train_label/b.png",
        ]
    );
    // Category 3 is class 1, 7 is 2, 90 is 3; a crowd and the sky are no instances.
    assert_eq!(index_map(&path("out/train_label/a.png")).data, [1, 1, 1, 2, 1, 0]);
    assert_eq!(index_map(&path("out/train_inst/a.png")).data, [1000, 1000, 1001, 2, 1, 0]);
    assert_eq!(index_map(&path("out/train_label/b.png")).data, [3, 2]);
    assert_eq!(index_map(&path("out/train_inst/b.png")).data, [3000, 2]);
    assert_eq!(
        std::fs::read_to_string(path("out/names.txt")).unwrap(),
        "0\tunlabelled\tstuff\t\n1\tcar\tthing\t3\n2\tsky\tstuff\t7\n3\ttooth brush\tthing\t90\n"
    );
    // Another phase of the same classes goes beside it; of other classes it does not.
    ok(run(&annotations(CATEGORIES, both), &["--phase", "val"]));
    assert_eq!(names(&path("out/val_label")), ["a.png", "b.png"]);
    let fewer = r#"[{"id": 3, "name": "car"}, {"id": 7, "name": "sky"}, {"id": 90, "name": "x"}]"#;
    refused(
        &run(&annotations(fewer, both), &["--phase", "test"]),
        &["names.txt", "names other classes", "--overwrite"],
    );
    // So many things that their numbers take 32 bits.
    let many: Vec<String> =
        (1..=90).map(|i| format!(r#"{{"id": {i}, "name": "n{i}", "isthing": 1}}"#)).collect();
    let more = ["--phase", "many", "--overwrite"];
    ok(run(&annotations(&format!("[{}]", many.join(", ")), both), &more));
    assert_eq!(index_map(&path("out/many_inst/b.tiff")).data, [90_000, 7000]);
}

#[test]
fn annotations_that_do_not_fit_their_images_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    panoptic(&path("in/a.png"), &[70000, 300, 8, 9]);
    panoptic(&path("in/b.png"), &[0, 0, 5]);
    let json = path("panoptic.json");
    let run = |text: &str| {
        std::fs::write(&json, text).unwrap();
        prepare("coco", &path("in"), &path("out"), &["--json", super::text(&json)])
    };
    refused(
        &run(&annotations(CATEGORIES, r#"{"id": 1, "category_id": 3}"#)),
        &["b.png", "segment 5 at (2, 0)", "segments_info", "1 of 2 could not be done"],
    );
    std::fs::remove_dir_all(path("out")).unwrap();
    refused(
        &run(&annotations(CATEGORIES, r#"{"id": 5, "category_id": 4}"#)),
        &["b.png", "segment 5 is of no category known: 4"],
    );
    std::fs::remove_dir_all(path("out")).unwrap();
    let twice = r#"[{"id": 3, "name": "car"}, {"id": 3, "name": "bus"}]"#;
    refused(&run(&annotations(twice, "")), &["panoptic.json", "category 3 twice"]);
    refused(&run("{\"annotations\": 3}"), &["panoptic.json", "not COCO's panoptic annotations"]);
    let outside = annotations(CATEGORIES, "").replace("b.png", "../b.png");
    refused(&run(&outside), &["panoptic.json", "\"../b.png\" is no plain name"]);
    std::fs::remove_file(path("in/b.png")).unwrap();
    refused(
        &run(&annotations(CATEGORIES, "")),
        &["panoptic.json", "1 files that are not there", "b.png"],
    );
    assert!(!path("out").exists());
}

#[test]
fn labels_instances_and_images_are_combined_by_phase() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    for i in 0..10 {
        put(&path("gt").join(format!("ulm/u_{i}_labelIds.png")), &row(&[i, 1]), 8);
        put(&path("ids").join(format!("ulm/u_{i}_instanceIds.png")), &row(&[1000 * i, 1]), 16);
        save(
            &path("photos").join(format!("ulm/u_{i}_leftImg8bit.png")),
            &gray(2, 1, |_, _| i as u8),
        );
    }
    let words = |extra: &[&str]| {
        let (gt, ids) = (path("gt"), path("ids"));
        let (photos, out) = (path("photos"), path("out"));
        let words = [
            "prepare",
            "combine",
            "--labels",
            text(&gt),
            "--instances",
            text(&ids),
            "--images",
            text(&photos),
            "--output",
            text(&out),
        ];
        pixtape(&[&words, extra].concat())
    };
    let said = ok(words(&["--train", "7", "--val", "3", "--test", "0"]));
    assert!(said.contains("train 7, val 3, test 0"), "{said}");
    for phase in ["train", "val"] {
        let files = names(&path(&format!("out/{phase}_label")));
        for other in ["inst", "img"] {
            assert_eq!(names(&path(&format!("out/{phase}_{other}"))), files);
        }
        for file in files {
            let at = |folder: &str| path("out").join(format!("{phase}_{folder}")).join(&file);
            let label = index_map(&at("label")).data[0];
            assert_eq!(file, format!("ulm/u_{label}_labelIds.png"));
            assert_eq!(index_map(&at("inst")).data[0], 1000 * label);
            assert_eq!(Picture::load(&at("img"), 1).unwrap().data[0], label as u8);
        }
    }
    // Cityscapes has all kinds of maps in one folder: patterns tell them apart.
    for (from, ending) in [("gt", "labelIds"), ("ids", "instanceIds")] {
        for i in 0..10 {
            let name = format!("ulm/u_{i}_{ending}.png");
            let to = path("both").join(&name);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(path(from).join(&name), &to).unwrap();
            save(&to.with_file_name(format!("u_{i}_color.png")), &picture(2, 1, 1));
        }
    }
    let (labels, ids) = (path("both/*/*_labelIds.png"), path("both/**/*_instanceIds.png"));
    let (photos, out) = (path("photos"), path("by_pattern"));
    let patterns = |labels: &Path| {
        let words = ["prepare", "combine", "--labels", text(labels), "--instances", text(&ids)];
        let all = ["--images", text(&photos), "--output", text(&out), "--train", "1"];
        pixtape(&[&words[..], &all, &["--val", "0", "--test", "0"]].concat())
    };
    assert!(ok(patterns(&labels)).contains("train 10, val 0, test 0"));
    for i in 0..10 {
        let at = |folder: &str| out.join(folder).join(format!("ulm/u_{i}_labelIds.png"));
        assert_eq!(index_map(&at("train_label")).data[0], i);
        assert_eq!(index_map(&at("train_inst")).data[0], 1000 * i);
        assert_eq!(Picture::load(&at("train_img"), 1).unwrap().data[0], i as u8);
    }
    refused(&patterns(&path("both/*/*_ids.png")), &["*_ids.png", "no file has such a name"]);
    std::fs::remove_file(path("photos/ulm/u_4_leftImg8bit.png")).unwrap();
    refused(&words(&["--overwrite"]), &["10 in", "9 in", "u_4_labelIds.png has no partner"]);
    refused(
        &pixtape(&[
            "prepare",
            "combine",
            "--fold_A",
            text(&path("gt")),
            "--fold_AB",
            "x",
            "--seed",
            "2",
        ]),
        &["--labels", "prepare split"],
    );
    let output = pixtape(&["prepare", "combine", "--labels", "x"]);
    assert!(!output.status.success() && errors(&output).contains("--images"));
}

#[test]
fn maps_are_resized_with_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let path = |n: &str| dir.path().join(n);
    put(&path("in/16.png"), &IndexMap::new(2, 2, vec![26_001, 7, 3, 26_000]).unwrap(), 16);
    put(&path("in/32.tiff"), &IndexMap::new(2, 2, vec![70_000, 1, 2, 3]).unwrap(), 32);
    ok(prepare(
        "resize",
        &path("in"),
        &path("out"),
        &["--size", "4x2", "--mode", "stretch", "--indices"],
    ));
    assert_eq!(index_map(&path("out/16.png")).data, [26_001, 26_001, 7, 7, 3, 3, 26_000, 26_000]);
    assert_eq!((bits(&path("out/16.png")), bits(&path("out/32.tiff"))), (16, 32));
    ok(prepare("resize", &path("in"), &path("cut"), &["--size", "4x2", "--indices"]));
    assert_eq!(index_map(&path("cut/16.png")).data, [26_001, 26_001, 7, 7, 3, 3, 26_000, 26_000]);
    let words = ["--size", "4x2", "--indices", "--mode", "pad"];
    refused(&prepare("resize", &path("in"), &path("no"), &words), &["--mode pad", "crop"]);
}

#[test]
fn check_says_what_training_on_label_maps_would_find() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for i in 0..3 {
        let name = |folder: &str| root.join(format!("train_{folder}/{i}.png"));
        put(&name("label"), &row(&[0, 4, i]), 8);
        put(&name("inst"), &row(&[0, 4, 9]), 8);
        save(&name("img"), &picture(3, 1, i));
        for side in ["A", "B"] {
            save(&root.join(format!("rgb_{side}/{i}.png")), &picture(3, 1, i));
        }
    }
    let report = ok(pixtape(&["prepare", "check", "--input", text(root)]));
    for part in [
        "train: 3 samples of label, instances, image; labels 0 to 4: --label_nc 5 or more",
        "3 of 3 instance maps have 8 bits",
        "rgb: 3 samples of input, image; --label_nc 0",
        "no misfits",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(!report.contains("two folders") && !report.contains("single images"), "{report}");
    // A palette's index is one value; another size is named, and what has no partner.
    save(&root.join("train_img/1.png"), &picture(4, 1, 1));
    std::fs::remove_file(root.join("rgb_B/2.png")).unwrap();
    let output = pixtape(&["prepare", "check", "--input", text(root)]);
    refused(&output, &["2 misfit(s)"]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["1.png: is 3x1, its partner", "2.png has no partner in"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let deep = AnyPicture::U16(Picture::new(3, 1, 1, vec![0, 4, 300]).unwrap());
    deep.save(&root.join("train_label/0.png")).unwrap();
    let output = pixtape(&["prepare", "check", "--input", text(root)]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(report.contains("labels 0 to 300: --label_nc 301"), "{report}");
}
