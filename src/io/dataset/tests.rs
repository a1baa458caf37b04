use super::*;
use crate::io::picture::tests::formula;

pub(crate) fn options(root: &Path) -> AlignedOptions {
    AlignedOptions {
        root: root.to_owned(),
        phase: "train".into(),
        direction: Direction::AtoB,
        preprocess: Preprocess::ResizeAndCrop,
        load_size: 12,
        crop_size: 8,
        flip: true,
        serial_batches: false,
        batch_size: 2,
        seed: 7,
        max_dataset_size: None,
        input_nc: 3,
        output_nc: 3,
        multiple_of: 4,
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

fn refusal(options: AlignedOptions) -> String {
    let message = AlignedDataset::open(options).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn order_is_decided_by_seed_and_epoch() {
    let dir = folder(&[(16, 8); 20]);
    let open = |seed, serial_batches| AlignedDataset::open(AlignedOptions { seed, serial_batches, ..options(dir.path()) }).unwrap();
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
    let base = AlignedOptions { preprocess: Preprocess::Crop, ..options(dir.path()) };
    let data = AlignedDataset::open(base.clone()).unwrap();
    let plain = AlignedDataset::open(AlignedOptions { flip: false, ..base }).unwrap();
    let mut seen = Vec::new();
    let mut flips = 0;
    for epoch in 1..=40 {
        let (got, unflipped) = (data.sample(epoch, 0).unwrap(), plain.sample(epoch, 0).unwrap());
        assert_eq!(got.input, got.target);
        assert_eq!((got.input.width, got.input.height), data.image_size());
        assert_eq!(got, data.sample(epoch, 0).unwrap());
        if got.input != unflipped.input {
            assert_eq!(got.input, unflipped.input.flip_horizontal());
            flips += 1;
        }
        if !seen.contains(&unflipped.input) {
            seen.push(unflipped.input);
        }
    }
    assert!((10..=30).contains(&flips), "{flips} flips of 40");
    assert!(seen.len() > 20, "{} crops of 81", seen.len());
}

#[test]
fn offsets_reach_both_ends() {
    let mut random = Random::new([1, 2, 3]);
    let draws = Vec::from_iter((0..200).map(|_| random.below(5)));
    assert_eq!(BTreeSet::from_iter(draws), BTreeSet::from([0, 1, 2, 3, 4]));
}

#[test]
fn direction_and_channels() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("train")).unwrap();
    let (a, b) = (formula(8, 8, 3, 1), formula(8, 8, 3, 2));
    let whole = Picture::grid(&[vec![a.clone(), b.clone()]], 0).unwrap();
    whole.save_png(&dir.path().join("train/p.png")).unwrap();
    let base = AlignedOptions { preprocess: Preprocess::None, flip: false, batch_size: 1, ..options(dir.path()) };
    let back = AlignedOptions { direction: Direction::BtoA, input_nc: 1, ..base.clone() };
    let forth = AlignedDataset::open(base).unwrap().pair(1, 0).unwrap();
    assert_eq!((forth.input, forth.target), (a.clone(), b.clone()));
    let back = AlignedDataset::open(back).unwrap().pair(1, 0).unwrap();
    assert_eq!((back.input, back.target), (b.into_channels(1), a));
}

#[test]
fn odd_width_gives_equal_sizes() {
    let dir = folder(&[(33, 16), (33, 16)]);
    for preprocess in [Preprocess::ResizeAndCrop, Preprocess::Crop, Preprocess::ScaleWidth] {
        let o = AlignedOptions { preprocess, multiple_of: 1, ..options(dir.path()) };
        let data = AlignedDataset::open(o).unwrap();
        let s = data.pair(1, 1).unwrap();
        assert_eq!((s.input.width, s.input.height), data.image_size());
        assert_eq!((s.target.width, s.target.height), data.image_size());
    }
    let none = AlignedOptions { preprocess: Preprocess::None, ..options(dir.path()) };
    assert!(refusal(none).contains("00.png: is 33x16: with an odd width"));
}

#[test]
fn scale_width_follows_the_reference() {
    let dir = folder(&[(32, 24), (64, 48)]);
    let size = |preprocess, crop_size| {
        let o = AlignedOptions { preprocess, crop_size, ..options(dir.path()) };
        AlignedDataset::open(AlignedOptions { multiple_of: 1, ..o }).unwrap().image_size()
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
    assert!(empty.contains("no picture in it; expected ROOT/train/*"), "{empty}");
}

#[test]
fn sizes_that_do_not_work_are_refused_with_numbers() {
    let dir = folder(&[(32, 16), (32, 18)]);
    let with = |preprocess, crop_size, multiple_of| refusal(AlignedOptions { preprocess, crop_size, multiple_of, ..options(dir.path()) });
    let none = with(Preprocess::None, 8, 1);
    assert!(none.contains("01.png: its halves come to 16x18, those of"), "{none}");
    assert!(none.contains("00.png to 16x16"), "{none}");
    let small = with(Preprocess::Crop, 17, 1);
    assert!(small.contains("each half is 16x16: too small for --crop_size 17"), "{small}");
    let multiple = with(Preprocess::Crop, 10, 8);
    assert!(multiple.contains("10x10, the generator needs multiples of 8, 8x8 or 16x16"), "{multiple}");
    let load = with(Preprocess::ResizeAndCrop, 16, 1);
    assert!(load.contains("--load_size 12 is smaller than --crop_size 16"), "{load}");
}

#[test]
fn batches_are_whole_and_there_is_at_least_one() {
    let dir = folder(&[(16, 8); 5]);
    let open = |batch_size, max_dataset_size| {
        let o = AlignedOptions { batch_size, max_dataset_size, ..options(dir.path()) };
        AlignedDataset::open(o)
    };
    assert_eq!(open(2, None).unwrap().batches_per_epoch(), 2);
    assert_eq!(open(5, None).unwrap().batches_per_epoch(), 1);
    assert_eq!(open(1, Some(3)).unwrap().len(), 3);
    let message = open(6, None).unwrap_err().to_string();
    assert!(message.contains("5 pairs do not fill one batch of 6"), "{message}");
}

#[test]
fn broken_and_changed_files_are_named() {
    let dir = folder(&[(16, 8); 2]);
    let path = dir.path().join("train/01.png");
    let data = AlignedDataset::open(options(dir.path())).unwrap();
    formula(20, 8, 3, 1).save_png(&path).unwrap();
    let changed = data.sample(1, 1).unwrap_err().to_string();
    assert!(changed.contains("01.png: is 20x8 now but was 16x8"), "{changed}");
    std::fs::write(&path, b"not a picture").unwrap();
    assert!(refusal(options(dir.path())).contains("01.png: cannot be decoded"));
}

#[test]
fn names_round_trip() {
    for (mode, name) in MODES {
        assert_eq!(name.parse::<Preprocess>().unwrap(), mode);
        assert_eq!(mode.to_string(), name);
    }
    assert_eq!("scale-width".parse::<Preprocess>().unwrap(), Preprocess::ScaleWidth);
    assert!("resize".parse::<Preprocess>().is_err());
    for direction in [Direction::AtoB, Direction::BtoA] {
        assert_eq!(direction.to_string().parse::<Direction>().unwrap(), direction);
    }
    assert!("atob".parse::<Direction>().is_err());
}
