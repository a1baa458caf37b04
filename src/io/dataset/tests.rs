//! Datasets of small pictures drawn by formula.

use super::*;
use crate::io::Picture;
use crate::io::picture::tests::formula;
use crate::picture::{PictureFormat, Plane};
use std::path::Path;

pub(crate) fn options(root: &Path) -> DatasetOptions {
    DatasetOptions {
        root: root.to_owned(),
        load_size: Size::square(12),
        crop_size: Size::square(8),
        batch_size: 2,
        seed: 7,
        input_nc: Some(3),
        output_nc: Some(3),
        multiple_of: 4,
        ..DatasetOptions::default()
    }
}

/// A folder with `train/00.png` and so on; B repeats A, so that any disagreement shows.
pub(crate) fn folder(sizes: &[(u32, u32)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("train")).unwrap();
    for (i, &(w, h)) in sizes.iter().enumerate() {
        let a = formula(w / 2, h, 3, i as u32 + 1);
        let pair = Picture::grid(&[vec![a.clone(), a]], w % 2).unwrap();
        pair.save_png(&dir.path().join(format!("train/{i:02}.png"))).unwrap();
    }
    dir
}

fn refusal(options: DatasetOptions) -> String {
    let message = Dataset::open(options).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn order_is_decided_by_seed_and_epoch() {
    let dir = folder(&[(16, 8); 20]);
    let open = |seed, serial_batches| {
        Dataset::open(DatasetOptions { seed, serial_batches, ..options(dir.path()) }).unwrap()
    };
    let data = open(7, false);
    assert_eq!(data.order(3), open(7, false).order(3));
    assert_ne!(data.order(3), data.order(4));
    assert_ne!(data.order(3), open(8, false).order(3));
    let mut sorted = data.order(3);
    sorted.sort_unstable();
    assert_eq!(sorted, Vec::from_iter(0..20));
    assert_eq!(open(7, true).order(3), sorted);
    // Pinned: a change here would make resumed runs differ from uninterrupted ones.
    assert_eq!(data.order(1)[..5], [4, 11, 13, 1, 8]);
}

#[test]
fn crop_and_flip_agree_between_halves_and_vary() {
    let dir = folder(&[(32, 16), (32, 16)]);
    let base = DatasetOptions { preprocess: Preprocess::Crop, ..options(dir.path()) };
    let data = Dataset::open(base.clone()).unwrap();
    let plain = Dataset::open(DatasetOptions { flip: false, ..base }).unwrap();
    let mut seen = Vec::new();
    let mut flips = 0;
    for epoch in 1..=40 {
        let (got, unflipped) = (data.sample(epoch, 0).unwrap(), plain.sample(epoch, 0).unwrap());
        assert_eq!(got.input().unwrap(), got.target().unwrap());
        assert_eq!(got.input().unwrap().size(), data.image_size());
        assert_eq!(got, data.sample(epoch, 0).unwrap());
        if got.input().unwrap() != unflipped.input().unwrap() {
            assert_eq!(*got.input().unwrap(), unflipped.input().unwrap().flip_horizontal());
            flips += 1;
        }
        if !seen.contains(unflipped.input().unwrap()) {
            seen.push(unflipped.input().unwrap().clone());
        }
    }
    assert!((10..=30).contains(&flips), "{flips} flips of 40");
    assert!(seen.len() > 20, "{} crops of 81", seen.len());
}

#[test]
fn direction_and_channels() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("train")).unwrap();
    let (a, b) = (formula(8, 8, 3, 1), formula(8, 8, 3, 2));
    let whole = Picture::grid(&[vec![a.clone(), b.clone()]], 0).unwrap();
    whole.save_png(&dir.path().join("train/p.png")).unwrap();
    let base = DatasetOptions {
        preprocess: Preprocess::None,
        flip: false,
        batch_size: 1,
        ..options(dir.path())
    };
    let back = DatasetOptions { direction: Direction::BtoA, input_nc: Some(1), ..base.clone() };
    let forth = Dataset::open(base).unwrap().pair(1, 0).unwrap();
    assert_eq!(
        (forth.input().unwrap().clone(), forth.target().unwrap().clone()),
        (a.clone().into(), b.clone().into())
    );
    let back = Dataset::open(back).unwrap().pair(1, 0).unwrap();
    assert_eq!(
        (back.input().unwrap().clone(), back.target().unwrap().clone()),
        (b.into_channels(1).into(), a.into())
    );
}

#[test]
fn odd_width_gives_equal_sizes() {
    let dir = folder(&[(33, 16), (33, 16)]);
    for preprocess in [Preprocess::ResizeAndCrop, Preprocess::Crop, Preprocess::ScaleWidth] {
        let o = DatasetOptions { preprocess, multiple_of: 1, ..options(dir.path()) };
        let data = Dataset::open(o).unwrap();
        let s = data.pair(1, 1).unwrap();
        assert_eq!(s.input().unwrap().size(), data.image_size());
        assert_eq!(s.target().unwrap().size(), data.image_size());
    }
    let none = DatasetOptions {
        preprocess: Preprocess::None,
        max_dataset_size: Some(1),
        batch_size: 1,
        ..options(dir.path())
    };
    assert!(refusal(none).contains("00.png: is 33x16: with an odd width"));
}

#[test]
fn scale_width_follows_the_reference() {
    let dir = folder(&[(32, 24), (64, 48)]);
    let size = |preprocess, crop_size| {
        let o = DatasetOptions {
            preprocess,
            crop_size: Size::square(crop_size),
            ..options(dir.path())
        };
        Dataset::open(DatasetOptions { multiple_of: 1, ..o }).unwrap().image_size()
    };
    assert_eq!(size(Preprocess::ScaleWidth, 8), (12, 18));
    assert_eq!(size(Preprocess::ScaleWidth, 20), (12, 20));
    assert_eq!(size(Preprocess::ScaleWidthAndCrop, 8), (8, 8));
}

#[test]
fn missing_and_empty_folders_print_the_layout() {
    let dir = tempfile::tempdir().unwrap();
    let missing = refusal(options(&dir.path().join("nowhere")));
    assert!(missing.contains("nowhere: no such folder; expected ROOT/train/*"), "{missing}");
    std::fs::create_dir(dir.path().join("val")).unwrap();
    let phase = refusal(options(dir.path()));
    assert!(phase.contains("train: no such folder") && phase.contains("ROOT has val"), "{phase}");
    std::fs::create_dir(dir.path().join("train")).unwrap();
    let empty = refusal(options(dir.path()));
    assert!(empty.contains("no images in it; expected ROOT/train/*"), "{empty}");
}

#[test]
fn sizes_that_do_not_work_are_refused_with_numbers() {
    let dir = folder(&[(32, 16), (32, 18)]);
    let with = |preprocess, crop_size, multiple_of| {
        refusal(DatasetOptions {
            preprocess,
            crop_size: Size::square(crop_size),
            multiple_of,
            ..options(dir.path())
        })
    };
    let none = with(Preprocess::None, 8, 1);
    assert!(none.contains("01.png: would be 16x18,"), "{none}");
    assert!(none.contains("00.png 16x16"), "{none}");
    let load = with(Preprocess::ResizeAndCrop, 16, 1);
    assert!(load.contains("`load_size` 12 is smaller than `crop_size` 16"), "{load}");
}

#[test]
fn batches_are_whole_and_there_is_at_least_one() {
    let dir = folder(&[(16, 8); 5]);
    let open = |batch_size, max_dataset_size| {
        let o = DatasetOptions { batch_size, max_dataset_size, ..options(dir.path()) };
        Dataset::open(o)
    };
    assert_eq!(open(2, None).unwrap().batches_per_epoch(), 2);
    assert_eq!(open(5, None).unwrap().batches_per_epoch(), 1);
    assert_eq!(open(1, Some(3)).unwrap().len(), 3);
    let message = open(6, None).unwrap_err().to_string();
    assert!(message.contains("`batch_size` 6: the 5 pairs of "), "{message}");
}

#[test]
fn broken_and_changed_files_are_named() {
    let dir = folder(&[(16, 8); 2]);
    let path = dir.path().join("train/01.png");
    let data = Dataset::open(options(dir.path())).unwrap();
    formula(20, 8, 3, 1).save_png(&path).unwrap();
    let changed = data.sample(1, 1).unwrap_err().to_string();
    assert!(changed.contains("01.png: is 20x8 now but was 16x8"), "{changed}");
    std::fs::write(&path, b"not a picture").unwrap();
    assert!(refusal(options(dir.path())).contains("01.png: is text; images are read of"));
}

fn save(path: &Path, picture: impl Into<AnyPicture>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.into().save(path).unwrap();
}

fn deep(width: u32, height: u32, channels: u32, k: u32) -> AnyPicture {
    let data =
        formula(width, height, channels, k).data.iter().map(|v| u16::from(*v) * 257 + 3).collect();
    AnyPicture::U16(Picture { width, height, channels, data })
}

/// Nothing random, nothing given.
fn told(root: &Path) -> DatasetOptions {
    DatasetOptions {
        preprocess: Preprocess::None,
        flip: false,
        serial_batches: true,
        batch_size: 1,
        input_nc: None,
        output_nc: None,
        ..options(root)
    }
}

#[test]
fn two_folders_lists_and_halves_give_the_same_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let (a, b) = (formula(8, 8, 3, 1), formula(8, 8, 3, 2));
    save(&root.join("train/p.png"), Picture::grid(&[vec![a.clone(), b.clone()]], 0).unwrap());
    save(&root.join("otherA/sub/p.png"), a.clone());
    save(&root.join("otherB/sub/p.tiff"), b.clone());
    save(&root.join("A/third/x.png"), a.clone());
    save(&root.join("B/third/x.png"), b.clone());
    std::fs::write(root.join("list.tsv"), "otherA/sub/p.png\totherB/sub/p.tiff\n").unwrap();
    let phases = ["train", "other", "third", "list"]
        .map(|phase| DatasetOptions { phase: phase.into(), ..told(root) });
    let list = DatasetOptions { root: root.join("list.tsv"), ..told(root) };
    for o in phases.into_iter().chain([list]) {
        let data = Dataset::open(o.clone()).unwrap();
        assert_eq!(
            (data.len(), data.channels(), data.format()),
            (1, [3, 3], PictureFormat::Bytes),
            "{o:?}"
        );
        let sample = data.pair(1, 0).unwrap();
        assert_eq!(
            (sample.input().unwrap().clone(), sample.target().unwrap().clone()),
            (a.clone().into(), b.clone().into())
        );
        let back = Dataset::open(DatasetOptions { direction: Direction::BtoA, ..o })
            .unwrap()
            .pair(1, 0)
            .unwrap();
        assert_eq!(
            (back.input().unwrap().clone(), back.target().unwrap().clone()),
            (b.clone().into(), a.clone().into())
        );
    }
    let has_phase = |phase| told(root).has_phase(phase);
    assert!(has_phase("other") && has_phase("list") && has_phase("third") && !has_phase("val"));
}

#[test]
fn every_misfit_is_in_one_report() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for i in 0..30 {
        save(&root.join(format!("trainA/{i:02}.png")), formula(8, 8, 3, i));
        if i % 2 == 0 {
            save(
                &root.join(format!("trainB/{i:02}.png")),
                formula(8, if i == 4 { 12 } else { 8 }, 3, i),
            );
        }
    }
    for i in 40..50 {
        std::fs::create_dir_all(root.join("trainB")).unwrap();
        std::fs::write(root.join(format!("trainA/{i}.png")), b"no picture").unwrap();
        save(&root.join(format!("trainB/{i}.png")), formula(8, 8, 3, 1));
    }
    let message = Dataset::open(told(root)).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1 + 20 + 1, "{message}");
    assert!(
        message.contains("26 of 40 files do not fit:\n")
            && message.contains("01.png: has no partner of that name in")
            && message.ends_with("and 6 more"),
        "{message}"
    );
    let Checked { samples, misfits, .. } = Dataset::check(told(root), &|_, _| ()).unwrap();
    assert_eq!((samples, misfits.len()), (40, 26));
    assert!(
        misfits.iter().any(|m| m.path.ends_with("trainA/04.png") && m.message.contains("8x12"))
    );
}

#[test]
fn channels_and_depths_are_told_from_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    save(&root.join("trainA/0.npy"), formula(8, 8, 5, 1));
    save(&root.join("trainB/0.png"), deep(8, 8, 1, 2));
    let data = Dataset::open(told(root)).unwrap();
    assert_eq!(
        (data.channels(), data.depths(), data.format()),
        ([5, 1], [Depth::U8, Depth::U16], PictureFormat::Floats)
    );
    let plane = |name, channels| Plane::image(name, channels, PictureFormat::Floats);
    assert_eq!(data.planes(), [plane("input", 5), plane("target", 1)]);
    let sample = data.pair(1, 0).unwrap();
    // The range is for the deeper side.
    let ranged =
        Dataset::open(DatasetOptions { value_range: Some([0.0, 1000.0]), ..told(root) }).unwrap();
    assert_eq!((ranged.range(Depth::U8), ranged.range(Depth::U16)), (None, Some([0.0, 1000.0])));
    // There and back without a loss.
    let values = data.encode(sample.target().unwrap()).unwrap();
    assert_eq!(data.decode(values).unwrap(), sample.target().unwrap().clone());
    assert!(
        data.measure(&sample, &sample.target().unwrap().clone()).is_err(),
        "8x8 is too small for SSIM"
    );
    // Another file of other bands does not fit.
    save(&root.join("trainA/1.npy"), formula(8, 8, 4, 1));
    save(&root.join("trainB/1.png"), deep(8, 8, 1, 2));
    assert!(refusal(told(root)).contains("1.npy: has 4 channels as input where 5 are expected"));
}

#[test]
fn bands_lie_in_folders() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let (red, near) = (formula(8, 8, 1, 1), formula(8, 8, 1, 2));
    save(&root.join("trainA/red/x.png"), red.clone());
    save(&root.join("trainA/near/x.png"), near.clone());
    save(&root.join("trainB/x.png"), formula(8, 8, 3, 3));
    let bands = [vec!["near".to_string(), "red".into()], Vec::new()];
    let data = Dataset::open(DatasetOptions { bands: bands.clone(), ..told(root) }).unwrap();
    assert_eq!(data.channels(), [2, 3]);
    let pair = data.pair(1, 0).unwrap();
    let AnyPicture::U8(got) = pair.input().unwrap() else { panic!() };
    assert_eq!((got.channel(0), got.channel(1)), (near, red));
    let gone = DatasetOptions { bands: [vec!["blue".into()], Vec::new()], ..told(root) };
    assert!(refusal(gone).contains("blue: no such folder of a band"));
}

#[test]
fn small_pictures_are_enlarged_and_odd_sizes_padded() {
    let dir = folder(&[(32, 24), (64, 48)]);
    let size = Size { width: 20, height: 10 };
    let o = DatasetOptions {
        preprocess: Preprocess::Crop,
        crop_size: size,
        multiple_of: 8,
        ..options(dir.path())
    };
    let data = Dataset::open(o.clone()).unwrap();
    assert_eq!((data.frame().content, data.image_size()), ((20, 10), (24, 16)));
    let notes = data.notes();
    assert!(
        notes[0].contains("20x10 are padded by reflection to 24x16")
            && notes[1].contains("1 of 2 pairs"),
        "{notes:?}"
    );
    for index in 0..2 {
        let sample = data.sample(3, index).unwrap();
        assert_eq!(sample.input().unwrap().size(), (20, 10));
        let values = data.encode(sample.input().unwrap()).unwrap();
        assert_eq!(values.len(), 24 * 16 * 3);
        assert_eq!(data.decode(values).unwrap(), sample.input().unwrap().clone());
    }
    let aspect =
        DatasetOptions { preprocess: Preprocess::ScaleShortsideAndCrop, load_size: size, ..o };
    assert_eq!(
        Dataset::open(aspect.plain("train")).unwrap().pair(1, 0).unwrap().target().unwrap().size(),
        (20, 10)
    );
}

#[test]
fn colorization_and_holes_are_made_of_photos() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let photo = formula(16, 12, 3, 1);
    save(&root.join("train/0.png"), photo.clone());
    let data = Dataset::open(DatasetOptions { task: Task::Colorization, ..told(root) }).unwrap();
    assert_eq!((data.channels(), data.format()), ([1, 2], PictureFormat::Floats));
    let sample = data.pair(1, 0).unwrap();
    let shown = data
        .visible_output(
            &sample,
            &data.decode(data.encode(sample.target().unwrap()).unwrap()).unwrap(),
        )
        .unwrap();
    assert!(shown.data.iter().zip(&photo.data).all(|(a, b)| a.abs_diff(*b) <= 1));
    assert_eq!(data.visible_input(&sample).unwrap().channels, 1);

    let holed = |mask, epoch| {
        let data =
            Dataset::open(DatasetOptions { task: Task::Inpaint(mask), ..told(root) }).unwrap();
        let sample = data.sample(epoch, 0).unwrap();
        assert_eq!(sample.target().unwrap().clone(), photo.clone().into());
        let AnyPicture::U8(input) = sample.input().unwrap() else { panic!() };
        let pixels = input.data.chunks(3).zip(photo.data.chunks(3));
        assert!(pixels.clone().all(|(a, b)| a == b || a == [255; 3]));
        pixels.map(|(a, _)| a == [255; 3]).collect::<Vec<_>>()
    };
    let center = holed(Mask::Center, 1);
    let inside: Vec<bool> = (0..12)
        .flat_map(|y| (0..16).map(move |x| (4..12).contains(&x) && (3..9).contains(&y)))
        .collect();
    assert_eq!(center, inside);
    let random: Vec<_> = (1..6).map(|epoch| holed(Mask::Random, epoch)).collect();
    assert!(
        random.iter().all(|hole| hole.iter().filter(|h| **h).count() == 36)
            && random[0] != random[1]
    );
    assert_eq!(random[0], holed(Mask::Random, 1));
    save(&root.join("masks/left.png"), Picture::new(2, 1, 1, vec![255, 0]).unwrap());
    let left: Vec<bool> = (0..16 * 12).map(|i| i % 16 < 8).collect();
    assert_eq!(holed(Mask::Folder(root.join("masks")), 1), left);
}

#[test]
fn the_cache_is_bounded_and_changes_nothing() {
    let dir = folder(&[(32, 16); 4]);
    let pair = 2 * 12 * 12 * 3;
    let plain = Dataset::open(options(dir.path())).unwrap();
    let cached =
        Dataset::open(DatasetOptions { cache: 3 * pair + 1, ..options(dir.path()) }).unwrap();
    for epoch in 1..4 {
        for index in 0..4 {
            assert_eq!(cached.sample(epoch, index).unwrap(), plain.sample(epoch, index).unwrap());
        }
    }
    assert_eq!((cached.cache.len(), plain.cache.len()), (3, 0));
}

/// `trainA/` and `trainB/`: pictures of one gray each, A's numbered from 1, B's from 101.
fn unpaired_sets(a: u8, b: u8) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (folder, values) in [("trainA", 1..=a), ("trainB", 101..=100 + b)] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        for value in values {
            let left = (0..24 * 24).map(|i| if i % 24 < 12 { value } else { 0 }).collect();
            Picture::new(24, 24, 1, left)
                .unwrap()
                .save_png(&dir.path().join(folder).join(format!("{value:03}.png")))
                .unwrap();
        }
    }
    dir
}

#[test]
fn pictures_without_pairs_go_together_at_random_and_are_cut_on_their_own() {
    let dir = unpaired_sets(3, 5);
    let base = DatasetOptions {
        task: Task::Unaligned,
        input_nc: None,
        output_nc: None,
        preprocess: Preprocess::Crop,
        ..options(dir.path())
    };
    let data = Dataset::open(base.clone()).unwrap();
    assert_eq!((data.len(), data.unpaired_counts(), data.channels()), (5, Some([3, 5]), [1, 1]));
    let planes = ["A", "B"].map(|name| Plane::image(name, 1, PictureFormat::Bytes));
    assert_eq!(data.planes(), planes);
    let sample = data.sample(1, 0).unwrap();
    assert_eq!(sample.image("B").unwrap(), sample.target().unwrap());
    let missing = sample.image("target").unwrap_err().to_string();
    assert!(missing.contains("no plane \"target\""), "{missing}");
    let largest = |p: &AnyPicture| p.as_8bit().unwrap().data.iter().copied().max().unwrap();
    let (mut partners, mut apart) = (std::collections::BTreeSet::new(), 0);
    for epoch in 1..=30 {
        for index in 0..5 {
            let sample = data.sample(epoch, index).unwrap();
            assert_eq!(sample, data.sample(epoch, index).unwrap());
            assert_eq!(sample.path, data.paths()[index % 3]);
            partners.insert((index % 3, largest(sample.target().unwrap())));
            let shape = |p: &AnyPicture| {
                p.as_8bit().unwrap().data.iter().map(|v| *v > 0).collect::<Vec<_>>()
            };
            apart += usize::from(shape(sample.input().unwrap()) != shape(sample.target().unwrap()));
        }
    }
    // Every target comes to every input (crops without any of the left half aside), and not cut
    // like it.
    assert!(
        (0..3).all(|input| (101..=105).all(|target| partners.contains(&(input, target)))),
        "{partners:?}"
    );
    assert!(apart > 100, "{apart} of 150 are cut differently");

    let plain =
        Dataset::open(DatasetOptions { phase: "train".into(), ..base.plain("train") }).unwrap();
    let row: Vec<_> = (0..5)
        .map(|i| plain.sample(1, i).unwrap())
        .map(|s| (largest(s.input().unwrap()), largest(s.target().unwrap())))
        .collect();
    assert_eq!(row, [(1, 101), (2, 102), (3, 103), (1, 104), (2, 105)]);
    let swapped = Dataset::open(DatasetOptions {
        direction: Direction::BtoA,
        max_dataset_size: Some(2),
        ..base.plain("train")
    })
    .unwrap();
    let row: Vec<_> = (0..2)
        .map(|i| swapped.sample(1, i).unwrap())
        .map(|s| (largest(s.input().unwrap()), largest(s.target().unwrap())))
        .collect();
    assert_eq!((swapped.len(), row), (2, vec![(101, 1), (102, 2)]));
}

#[test]
fn a_side_without_pictures_is_refused() {
    let dir = unpaired_sets(2, 0);
    let unaligned = || DatasetOptions { task: Task::Unaligned, ..options(dir.path()) };
    assert!(refusal(unaligned()).contains("trainB: no images"));
    std::fs::remove_dir(dir.path().join("trainB")).unwrap();
    let message = refusal(unaligned());
    assert!(
        message.contains("trainA")
            && message.contains("need not be pairs")
            && message.contains("ROOT has trainA"),
        "{message}"
    );
}
