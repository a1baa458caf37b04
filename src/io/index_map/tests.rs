use super::*;
use crate::io::picture::Depth;
use crate::io::write_aside;
use std::path::{Path, PathBuf};

fn map() -> IndexMap {
    IndexMap::new(3, 2, vec![1, 2, 3, 4, 5, 6]).unwrap()
}

#[test]
fn maps_are_cut_scaled_and_padded_without_new_indices() {
    assert_eq!(map().crop(1, 0, 2, 2).unwrap().data, [2, 3, 5, 6]);
    assert_eq!(map().flip_horizontal().data, [3, 2, 1, 6, 5, 4]);
    let double = map().resize(6, 2).unwrap();
    assert_eq!(double.data, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
    // Pillow: Image.resize((2, 1), NEAREST) of 0 1 2 / 3 4 5 gives 3 5.
    assert_eq!(map().resize(2, 1).unwrap().data, [4, 6]);
    let padded = map().pad_edge(1, 1, 5, 3).unwrap();
    assert_eq!(padded.data, [1, 1, 2, 3, 3, 1, 1, 2, 3, 3, 4, 4, 5, 6, 6]);
    for bad in [map().crop(2, 0, 2, 1), map().resize(0, 1), map().pad_edge(3, 0, 5, 2)] {
        assert!(bad.is_err());
    }
    assert!(IndexMap::new(2, 2, vec![0; 3]).is_err());
}

#[test]
fn neighbouring_indices_are_shown_in_colours_apart() {
    let shown = IndexMap::new(5, 1, vec![0, 1, 2, 3, 8]).unwrap().visible();
    let colours = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [64, 0, 0]];
    assert_eq!(shown.data, colours.concat());
    assert_eq!((shown.width, shown.height, shown.channels), (5, 1, 3));
}

/// Saves a PNG of one row as it is, bits packed.
fn png_row(
    path: &Path,
    width: u32,
    color: png::ColorType,
    depth: png::BitDepth,
    row: &[u8],
) -> IndexHeader {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, 1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        // Colours that no index would be taken for.
        encoder.set_palette(
            (0..=255u8).flat_map(|i| [255 - i, 7, i]).take(3 << 4).collect::<Vec<_>>(),
        );
    }
    encoder.write_header().unwrap().write_image_data(row).unwrap();
    write_aside(path, &bytes).unwrap();
    IndexHeader::read(path).unwrap()
}

#[test]
fn the_index_in_a_png_counts_whatever_it_looks_like() {
    use png::{BitDepth as B, ColorType as C};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("map.png");
    for color in [C::Grayscale, C::Indexed] {
        for (depth, row, indices) in [
            (B::One, vec![0b1011_0000, 0b1000_0000], vec![1, 0, 1, 1, 0, 0, 0, 0, 1]),
            (B::Two, vec![0b1101_1000, 0b0100_0000], vec![3, 1, 2, 0, 1]),
            (B::Four, vec![0xF1, 0x20], vec![15, 1, 2]),
            (B::Eight, vec![3, 15, 0], vec![3, 15, 0]),
        ] {
            let width = indices.len() as u32;
            let header = png_row(&path, width, color, depth, &row);
            assert_eq!(header, IndexHeader { width, height: 1, channels: 1, bits: 8 });
            assert_eq!(IndexMap::load(&path).unwrap().data, indices, "{color:?} {depth:?}");
        }
    }
    let header = png_row(&path, 2, C::Grayscale, B::Sixteen, &[0x80, 0x01, 0x00, 0x07]);
    assert_eq!((header.bits, IndexMap::load(&path).unwrap().data), (16, vec![0x8001, 7]));
    for (color, channels, row) in
        [(C::Rgb, 3, &[1; 6][..]), (C::Rgba, 4, &[1; 8]), (C::GrayscaleAlpha, 2, &[1; 4])]
    {
        assert_eq!(png_row(&path, 2, color, B::Eight, row).channels, channels);
        let message = IndexMap::load(&path).unwrap_err().to_string();
        assert!(
            message.contains(&format!("has {channels} channels")) && message.contains("palette"),
            "{message}"
        );
    }
}

#[test]
fn every_width_survives_the_formats_that_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    for (largest, bits) in [(255, 8), (65_535, 16), (u32::MAX, 32)] {
        let map = IndexMap::new(3, 2, vec![0, 1, 7, largest, 3, 2]).unwrap();
        assert_eq!(map.bits(), bits);
        for (extension, widths) in [("png", 8..=16), ("tiff", 8..=32), ("npy", 8..=32)] {
            for wide in [8, 16, 32] {
                let path = dir.path().join(format!("{largest}-{wide}.{extension}"));
                let saved = map.save(&path, wide);
                assert_eq!(saved.is_ok(), wide >= bits && widths.contains(&wide), "{path:?}");
                if saved.is_ok() {
                    assert_eq!(IndexMap::load(&path).unwrap(), map, "{path:?}");
                    let header = IndexHeader { width: 3, height: 2, channels: 1, bits: wide };
                    assert_eq!(IndexHeader::read(&path).unwrap(), header);
                }
            }
        }
    }
}

/// An array file of one row.
fn npy_row(path: &Path, descr: &str, width: usize, values: &[u8]) -> PathBuf {
    let mut bytes = npy_bytes(descr, &format!("(1, {width})"));
    bytes.extend(values);
    write_aside(path, &bytes).unwrap();
    path.into()
}

fn npy_bytes(descr: &str, shape: &str) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

#[test]
fn arrays_of_any_whole_numbers_are_maps_if_the_numbers_are_indices() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("map.npy");
    let (small, large) = ([5i64, 300], [5i64, 70_000]);
    let bytes = |numbers: [i64; 2], size: usize, big: bool| -> Vec<u8> {
        let one = |n: i64| {
            let mut bytes = n.to_le_bytes()[..size].to_vec();
            if big {
                bytes.reverse();
            }
            bytes
        };
        numbers.into_iter().flat_map(one).collect()
    };
    for (kind, size, numbers) in [
        ("u2", 2, small),
        ("i2", 2, small),
        ("u4", 4, large),
        ("i4", 4, large),
        ("u8", 8, large),
        ("i8", 8, large),
    ] {
        for (order, big) in [("<", false), (">", true)] {
            npy_row(&path, &format!("{order}{kind}"), 2, &bytes(numbers, size, big));
            let map = IndexMap::load(&path).unwrap();
            assert_eq!(map.data, numbers.map(|n| n as u32), "{order}{kind}");
            assert_eq!(IndexHeader::read(&path).unwrap().bits, 8 * size as u32);
        }
    }
    npy_row(&path, "|b1", 2, &[0, 1]);
    assert_eq!(IndexMap::load(&path).unwrap().data, [0, 1]);
    for (descr, values, part) in [
        ("<i8", bytes([5, -1], 8, false), "below 0"),
        ("<i2", bytes([-32768, 5], 2, false), "below 0"),
        ("<u8", bytes([5, 1 << 32], 8, false), "above 4294967295"),
        ("<f4", vec![0; 8], "holds whole numbers"),
        ("<u2", vec![0; 3], "3 bytes of values where its header says 4"),
    ] {
        let message = IndexMap::load(&npy_row(&path, descr, 2, &values)).unwrap_err().to_string();
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(IndexHeader::read(&npy_row(&path, "<f4", 2, &[0; 8])).is_err());
}

#[test]
fn other_formats_are_read_and_what_is_no_map_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let gray = image::GrayImage::from_raw(2, 1, vec![4, 9]).unwrap();
    for name in ["m.pgm", "m.bmp", "m.jpg"] {
        gray.save(at(name)).unwrap();
    }
    assert_eq!(IndexMap::load(&at("m.pgm")).unwrap().data, [4, 9]);
    let floats = AnyPicture::F32(Picture::new(2, 1, 1, vec![4.0, 9.0]).unwrap());
    floats.save(&at("f.tiff")).unwrap();
    std::fs::write(at("cut.png"), &std::fs::read(at("m.pgm")).unwrap()[..4]).unwrap();
    for (name, part) in [
        ("m.jpg", "is a JPEG"),
        ("f.tiff", "holds floats"),
        ("cut.png", "cannot be decoded"),
        ("none.png", "cannot be opened"),
    ] {
        for message in [
            IndexMap::load(&at(name)).unwrap_err().to_string(),
            IndexHeader::read(&at(name)).unwrap_err().to_string(),
        ] {
            assert!(message.contains(part), "{name}: {message}");
        }
    }
    assert_eq!(floats.depth(), Depth::F32);
}

/// Components by flooding from each pixel in turn, without anything clever.
fn flooded(map: &IndexMap, connectivity: Connectivity) -> (Vec<Component>, Vec<u32>) {
    let (w, h) = (i64::from(map.width), i64::from(map.height));
    let (mut all, mut numbers) = (Vec::new(), vec![u32::MAX; map.data.len()]);
    for start in 0..map.data.len() {
        if numbers[start] != u32::MAX {
            continue;
        }
        let number = all.len() as u32;
        let (mut waiting, mut pixels) = (vec![start], 0);
        numbers[start] = number;
        while let Some(at) = waiting.pop() {
            pixels += 1;
            let (x, y) = (at as i64 % w, at as i64 / w);
            for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
                let beside = connectivity == Connectivity::Eight || dx == 0 || dy == 0;
                let inside = (0..w).contains(&(x + dx)) && (0..h).contains(&(y + dy));
                let to = ((y + dy) * w + x + dx) as usize;
                if beside && inside && numbers[to] == u32::MAX && map.data[to] == map.data[at] {
                    numbers[to] = number;
                    waiting.push(to);
                }
            }
        }
        all.push(Component { index: map.data[start], pixels });
    }
    (all, numbers)
}

#[test]
fn components_are_those_of_a_flood() {
    let mut state = 1u64;
    let mut random = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u32 % below
    };
    let mut counts = Vec::new();
    for (w, h, kinds) in [(1, 1, 2), (17, 1, 2), (1, 9, 3), (23, 19, 2), (40, 31, 3), (16, 16, 1)] {
        let data = (0..w * h).map(|_| random(kinds)).collect();
        let map = IndexMap::new(w, h, data).unwrap();
        for connectivity in [Connectivity::Four, Connectivity::Eight] {
            let found = map.components(connectivity);
            assert_eq!(found, flooded(&map, connectivity), "{w}x{h} {connectivity:?}");
            counts.push(found.0.len());
        }
    }
    assert!(counts[6] > counts[7], "corners join: {counts:?}");
    // A spiral, whose parts meet late.
    let spiral = ["1111111", "0000001", "1111101", "1000101", "1011101", "1000001", "1111111"];
    let data = spiral.concat().bytes().map(|b| u32::from(b - b'0')).collect();
    let map = IndexMap::new(7, 7, data).unwrap();
    assert_eq!(map.components(Connectivity::Four).0.len(), 2);
}

#[test]
fn instances_are_numbered_by_class_and_the_rest_has_the_class() {
    // Two of class 3, which touch at a corner, and so do one of class 24 and a pixel of it.
    let map = IndexMap::new(5, 3, vec![3, 0, 24, 24, 0, 0, 3, 24, 24, 0, 7, 7, 7, 0, 24]).unwrap();
    let made = |things: &[u32], least, connectivity| {
        let (map, count) = map.instances(|c| things.contains(&c), least, connectivity).unwrap();
        (map.data, count)
    };
    let (data, count) = made(&[3, 24], 1, Connectivity::Four);
    assert_eq!(
        (data, count),
        (vec![3000, 0, 24000, 24000, 0, 0, 3001, 24000, 24000, 0, 7, 7, 7, 0, 24001], 4)
    );
    let (data, count) = made(&[3, 24], 2, Connectivity::Eight);
    assert_eq!(
        (data, count),
        (vec![3000, 0, 24000, 24000, 0, 0, 3000, 24000, 24000, 0, 7, 7, 7, 0, 24000], 2)
    );
    let (data, count) = made(&[3, 24], 2, Connectivity::Four);
    assert_eq!(
        (data, count),
        (vec![3, 0, 24000, 24000, 0, 0, 3, 24000, 24000, 0, 7, 7, 7, 0, 24], 1)
    );
    assert_eq!(made(&[], 1, Connectivity::Eight), (map.data.clone(), 0));
    let refusal =
        |map: &IndexMap| map.instances(|_| true, 1, Connectivity::Four).unwrap_err().to_string();
    assert!(refusal(&map).contains("class 0 cannot have instances"));
    // Every second pixel is a component of its own.
    let board = (0..2002 * 2).map(|i| 1 + (i + i / 2002) % 2).collect();
    let board = IndexMap::new(2002, 2, board).unwrap();
    assert!(refusal(&board).contains("class 1 has more than 1000 instances"));
    assert!(refusal(&IndexMap::new(1, 1, vec![1000]).unwrap()).contains("end at 999"));
}
