//! Datasets of label maps, instances and images.

use super::tests::options;
use super::*;
use crate::io::picture::tests::formula;
use crate::io::{IndexMap, Picture};
use crate::picture::{Encoding, PictureFormat, PictureValues, PlaneValues};
use std::path::Path;

const SET: LabelSet = LabelSet { classes: 6, instances: Presence::Found, features: false };

/// An index that tells its place.
fn label(x: u32, y: u32) -> u8 {
    ((x / 3 + 2 * (y / 2)) % 6) as u8
}

fn save(path: &Path, picture: impl Into<AnyPicture>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.into().save(path).unwrap();
}

fn gray(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> Picture {
    let data = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    Picture::new(width, height, 1, data.map(|(x, y)| value(x, y)).collect()).unwrap()
}

/// Of a phase `count` samples whose image repeats the label, times 40, and whose instances are the
/// label plus 1000, under Cityscapes' names.
fn city(root: &Path, phase: &str, count: u32, (w, h): (u32, u32)) {
    for i in 0..count {
        let at = |folder: &str, name: &str| {
            root.join(format!("{phase}_{folder}/town_{i:03}_000019_{name}.png"))
        };
        let map = gray(w, h, |x, y| (label(x, y) + i as u8) % 6);
        let ids = map.data.iter().map(|v| u16::from(*v) + 1000).collect();
        let image = map.data.iter().flat_map(|v| [40 * v; 3]).collect();
        save(&at("img", "leftImg8bit"), Picture::new(w, h, 3, image).unwrap());
        save(
            &at("inst", "gtFine_instanceIds"),
            AnyPicture::U16(Picture::new(w, h, 1, ids).unwrap()),
        );
        save(&at("label", "gtFine_labelIds"), map);
    }
}

fn labelled(root: &Path, set: LabelSet) -> DatasetOptions {
    DatasetOptions {
        task: Task::Labels(set),
        preprocess: Preprocess::None,
        input_nc: None,
        output_nc: None,
        batch_size: 1,
        flip: false,
        ..options(root)
    }
}

fn refusal(options: DatasetOptions) -> String {
    let message = Dataset::open(options).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

fn map<'a>(sample: &'a Sample, name: &str) -> &'a IndexMap {
    let PlaneData::Map(map) = sample.plane(name).unwrap() else { panic!("{name} is no map") };
    map
}

/// That instances and image say of every pixel what the label says.
fn agree(sample: &Sample) {
    let (label, instances) = (map(sample, "label"), map(sample, "instances"));
    let image = sample.target().unwrap().as_8bit().unwrap();
    assert_eq!((label.width, label.height), (image.width, image.height));
    assert!(label.data.iter().zip(&instances.data).all(|(l, i)| l + 1000 == *i));
    assert!(label.data.iter().zip(image.data.chunks(3)).all(|(l, p)| *p == [40 * *l as u8; 3]));
}

#[test]
fn planes_come_in_order_and_are_cut_alike() {
    let dir = tempfile::tempdir().unwrap();
    city(dir.path(), "train", 3, (24, 12));
    let open = |preprocess, flip| {
        let o = DatasetOptions { preprocess, flip, ..labelled(dir.path(), SET) };
        Dataset::open(o).unwrap()
    };
    let data = open(Preprocess::None, false);
    let planes = [
        Plane::map("label", Encoding::Labels),
        Plane::map("instances", Encoding::Instances),
        Plane::image("image", 3, PictureFormat::Bytes),
    ];
    assert_eq!((data.planes(), data.target()), (planes.to_vec(), 2));
    assert_eq!((data.channels(), data.depths()), ([6, 3], [Depth::U8; 2]));
    assert!(data.notes().is_empty(), "{:?}", data.notes());
    assert_eq!(
        data.summary(),
        "3 samples of 24x12: labels of 6 classes, instances, image of 3 channels of u8"
    );
    for index in 0..3 {
        let sample = data.sample(1, index).unwrap();
        agree(&sample);
        assert!(
            sample
                .path
                .ends_with(format!("train_label/town_{index:03}_000019_gtFine_labelIds.png"))
        );
        let shown = data.visible_input(&sample).unwrap();
        assert_eq!((shown.channels, &shown), (3, &map(&sample, "label").visible()));
        assert!(sample.input().is_err());
    }
    // A crop of 8x8 of 24x12: every sample is cut and mirrored as a whole.
    let (cropped, plain) = (open(Preprocess::Crop, true), open(Preprocess::Crop, false));
    let (mut seen, mut flips) = (std::collections::BTreeSet::new(), 0);
    for epoch in 1..=40 {
        let (sample, straight) =
            (cropped.sample(epoch, 1).unwrap(), plain.sample(epoch, 1).unwrap());
        agree(&sample);
        let (sample, straight) = (map(&sample, "label"), map(&straight, "label"));
        assert!(*sample == *straight || *sample == straight.flip_horizontal());
        flips += u32::from(sample != straight);
        seen.insert(straight.data.clone());
    }
    assert!((8..=32).contains(&flips) && seen.len() > 5, "{flips} flips, {} crops", seen.len());
}

#[test]
fn labels_that_are_no_class_are_named_before_anything_else() {
    let dir = tempfile::tempdir().unwrap();
    city(dir.path(), "train", 2, (24, 12));
    let file = dir.path().join("train_label/town_001_000019_gtFine_labelIds.png");
    save(&file, gray(24, 12, |x, y| if (x, y) == (5, 7) { 255 } else { label(x, y) }));
    let message = refusal(labelled(dir.path(), SET));
    for part in [
        "town_001",
        "label 255 at (5, 7)",
        "`label_nc` 6 has classes 0 to 5",
        "ignored): raise `label_nc` to 256",
        "prepare palette",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(Dataset::open(labelled(dir.path(), LabelSet { classes: 256, ..SET })).is_ok());
    let counts = std::sync::Mutex::new(Vec::new());
    let progress = |done: usize, all: usize| counts.lock().unwrap().push((done, all));
    let checked = Dataset::check(labelled(dir.path(), SET), &progress).unwrap();
    let misfits = checked.misfits;
    assert_eq!((checked.samples, misfits.len(), &misfits[0].path), (2, 1, &file));
    assert_eq!((checked.dataset.len(), checked.dataset.largest_label()), (1, Some(5)));
    assert_eq!(*counts.lock().unwrap(), [(1, 2), (2, 2)]);
}

#[test]
fn colours_floats_and_jpegs_are_no_maps() {
    let dir = tempfile::tempdir().unwrap();
    city(dir.path(), "train", 1, (24, 12));
    let file = |folder: &str, name: &str| {
        dir.path().join(format!("train_{folder}/town_000_000019_gtFine_{name}"))
    };
    let label = file("label", "labelIds.png");
    save(&label, formula(24, 12, 3, 1));
    let message = refusal(labelled(dir.path(), SET));
    for part in ["has 3 channels", "prepare palette", "`label_nc` 0"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    std::fs::remove_file(&label).unwrap();
    let floats = Picture::new(24, 12, 1, vec![1.0; 24 * 12]).unwrap();
    save(&file("label", "labelIds.tiff"), AnyPicture::F32(floats));
    assert!(refusal(labelled(dir.path(), SET)).contains("holds floats"));
    std::fs::remove_file(file("label", "labelIds.tiff")).unwrap();
    let rgb = image::GrayImage::from_raw(24, 12, vec![3; 24 * 12]).unwrap();
    rgb.save(file("label", "labelIds.jpg")).unwrap();
    assert!(refusal(labelled(dir.path(), SET)).contains("is a JPEG"));
    std::fs::remove_file(file("label", "labelIds.jpg")).unwrap();
    save(&label, gray(24, 12, self::label));
    save(&file("inst", "instanceIds.png"), formula(24, 12, 3, 1));
    let message = refusal(labelled(dir.path(), SET));
    assert!(message.contains("prepare coco") && message.contains("`no_instance`"), "{message}");
}

#[test]
fn instances_may_be_absent_unless_they_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    city(dir.path(), "train", 1, (24, 12));
    city(dir.path(), "val", 2, (24, 12));
    let root = dir.path();
    let names = |data: &Dataset| data.planes().iter().map(|p| p.name).collect::<Vec<_>>();
    let ignored =
        Dataset::open(labelled(root, LabelSet { instances: Presence::Ignored, ..SET })).unwrap();
    assert_eq!((names(&ignored), ignored.notes()), (vec!["label", "image"], vec![]));
    std::fs::remove_dir_all(root.join("train_inst")).unwrap();
    let data = Dataset::open(labelled(root, SET)).unwrap();
    assert_eq!((names(&data), data.target()), (vec!["label", "image"], 1));
    let notes = data.notes();
    assert!(
        notes.len() == 1 && notes[0].contains("train_inst: trained without instances"),
        "{notes:?}"
    );
    // Other phases are read alike, although this one has instances.
    let val = Dataset::open(data.options().plain("val")).unwrap();
    assert_eq!((names(&val), val.notes()), (names(&data), vec![]));
    let message = refusal(labelled(root, LabelSet { instances: Presence::Required, ..SET }));
    assert!(
        message.contains("train_inst: no such folder") && message.contains("ROOT has train_img"),
        "{message}"
    );
    let o = labelled(root, SET);
    assert!(o.has_phase("val") && !o.has_phase("test"));
    let missing = refusal(labelled(&root.join("nowhere"), SET));
    assert!(missing.contains("expected ROOT/train_label and ROOT/train_img"), "{missing}");
    let features = refusal(labelled(root, LabelSet { features: true, ..SET }));
    assert!(features.contains("train_feat: no such folder"), "{features}");
    let back = refusal(DatasetOptions { direction: Direction::BtoA, ..labelled(root, SET) });
    assert!(back.contains("`direction` BtoA"), "{back}");
}

#[test]
fn eight_bits_of_instances_are_noted() {
    let dir = tempfile::tempdir().unwrap();
    city(dir.path(), "train", 2, (24, 12));
    save(
        &dir.path().join("train_inst/town_001_000019_gtFine_instanceIds.png"),
        gray(24, 12, label),
    );
    let data = Dataset::open(labelled(dir.path(), SET)).unwrap();
    let notes = data.notes();
    assert!(
        notes.len() == 1
            && notes[0].starts_with("1 of 2 instance maps have 8 bits")
            && notes[0].contains("town_001"),
        "{notes:?}"
    );
    assert_eq!(map(&data.sample(1, 1).unwrap(), "instances").data[..4], [0, 0, 0, 1]);
}

#[test]
fn colours_are_trained_on_with_no_classes() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (formula(8, 8, 3, 1), formula(8, 8, 3, 2));
    save(&dir.path().join("train_A/x.png"), a.clone());
    save(&dir.path().join("train_B/x.png"), b.clone());
    let data = Dataset::open(labelled(dir.path(), LabelSet { classes: 0, ..SET })).unwrap();
    let planes = ["input", "image"].map(|name| Plane::image(name, 3, PictureFormat::Bytes));
    assert_eq!((data.planes(), data.channels()), (planes.to_vec(), [3, 3]));
    let sample = data.sample(1, 0).unwrap();
    assert_eq!((sample.input().unwrap(), sample.target().unwrap()), (&a.into(), &b.into()));
}

#[test]
fn features_follow_the_maps_not_the_images() {
    let dir = tempfile::tempdir().unwrap();
    city(dir.path(), "train", 1, (12, 6));
    let set = LabelSet { features: true, ..SET };
    let paint = |v: u32| [v as f32 / 3.0 - 1.0, 0.5, -0.25];
    let values =
        (0..6).flat_map(|y| (0..12).map(move |x| label(x, y))).flat_map(|v| paint(v.into()));
    let features = AnyPicture::F32(Picture::new(12, 6, 3, values.collect()).unwrap());
    save(&dir.path().join("train_feat/town_000_000019.npy"), features);
    let data = Dataset::open(DatasetOptions {
        preprocess: Preprocess::ResizeAndCrop,
        load_size: Size { width: 19, height: 11 },
        crop_size: Size { width: 17, height: 9 },
        ..labelled(dir.path(), set)
    })
    .unwrap();
    assert_eq!(data.planes()[3], Plane::image("features", 3, PictureFormat::Floats));
    assert_eq!(data.depths(), [Depth::F32, Depth::U8]);
    let sample = data.sample(3, 0).unwrap();
    let encode = |name| data.encode_plane(sample.plane(name).unwrap()).unwrap();
    let PlaneValues::Indices(labels) = encode("label") else { panic!() };
    let PlaneValues::Image(PictureValues::Floats(features)) = encode("features") else { panic!() };
    // Scaled, cropped and padded to 20x12, each pixel has the features of its label.
    assert_eq!((labels.len(), features.len()), (20 * 12, 20 * 12 * 3));
    for (label, features) in labels.iter().zip(features.chunks(3)) {
        assert!(features.iter().zip(paint(*label)).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

#[test]
fn sizes_are_those_of_the_original_and_padded_where_they_must_be() {
    let dir = tempfile::tempdir().unwrap();
    city(dir.path(), "train", 1, (30, 10));
    let frame = |preprocess, load, crop| {
        let o = DatasetOptions {
            preprocess,
            load_size: Size::square(load),
            crop_size: Size::square(crop),
            ..labelled(dir.path(), SET)
        };
        let data = Dataset::open(o).unwrap();
        let plain = Dataset::open(data.options().plain("train")).unwrap();
        let sample = data.sample(1, 0).unwrap();
        assert_eq!(sample.target().unwrap().size(), data.frame().content);
        (data.frame().content, data.frame().padded, plain.frame().content)
    };
    // Not the height of a crop that is not made.
    assert_eq!(frame(Preprocess::ScaleWidth, 16, 8), ((16, 5), (16, 8), (16, 5)));
    assert_eq!(frame(Preprocess::None, 16, 8), ((30, 10), (32, 12), (30, 10)));
    assert_eq!(frame(Preprocess::ScaleWidthAndCrop, 16, 8), ((8, 8), (8, 8), (8, 8)));
    assert_eq!(frame(Preprocess::Crop, 16, 8).0, (8, 8));
    assert_eq!(frame(Preprocess::ResizeAndCrop, 16, 8).0, (8, 8));
    let o = DatasetOptions {
        preprocess: Preprocess::ScaleWidth,
        load_size: Size::square(16),
        ..labelled(dir.path(), SET)
    };
    let notes = Dataset::open(o).unwrap().notes();
    assert!(notes[0].contains("padded by reflection (maps by their edge)"), "{notes:?}");
    save(&dir.path().join("train_img/town_000_000019_leftImg8bit.png"), formula(28, 10, 3, 1));
    let message = refusal(labelled(dir.path(), SET));
    assert!(message.contains("is 30x10, its partner") && message.contains("28x10"), "{message}");
}

#[test]
fn other_counts_are_refused_with_names() {
    let dir = tempfile::tempdir().unwrap();
    city(dir.path(), "train", 3, (24, 12));
    std::fs::remove_file(dir.path().join("train_img/town_001_000019_leftImg8bit.png")).unwrap();
    let message = refusal(labelled(dir.path(), SET));
    for part in ["3 in ", "2 in ", "town_001_000019_gtFine_labelIds.png has no partner in "] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_batch_has_all_planes() {
    let dir = tempfile::tempdir().unwrap();
    city(dir.path(), "train", 3, (22, 9));
    let options =
        DatasetOptions { batch_size: 2, serial_batches: true, ..labelled(dir.path(), SET) };
    let data = std::sync::Arc::new(Dataset::open(options).unwrap());
    let mut loader = crate::io::Loader::new(data, 1, 0, 2).unwrap();
    let batch = loader.next().unwrap();
    // Padded to 24x12, the map's edge repeated.
    let [(_, PlaneValues::Indices(labels)), (_, PlaneValues::Indices(instances)), image] =
        &batch.planes[..]
    else {
        panic!("{:?}", batch.planes)
    };
    let (name, PlaneValues::Image(PictureValues::Bytes(image))) = image else { panic!() };
    assert_eq!((*name, labels.len(), image.len()), ("image", 2 * 24 * 12, 2 * 24 * 12 * 3));
    assert!(labels.iter().zip(instances).all(|(label, id)| label + 1000 == *id));
    for sample in 0..2u32 {
        for (y, x) in (0..12).flat_map(|y| (0..24).map(move |x| (y, x))) {
            let inner = |at: u32, before: u32, size: u32| at.saturating_sub(before).min(size - 1);
            let (from_x, from_y) = (inner(x, 1, 22), inner(y, 1, 9));
            let want = (u32::from(label(from_x, from_y)) + sample) % 6;
            assert_eq!(labels[(sample * 24 * 12 + y * 24 + x) as usize], want, "({x}, {y})");
        }
    }
}
