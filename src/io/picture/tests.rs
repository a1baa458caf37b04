//! Images by formula, against Pillow and through files.

use super::*;
use image::{ExtendedColorType, ImageEncoder};

/// An image by integer formula, the same in Rust and in the script that made the references.
pub(crate) fn formula(width: u32, height: u32, channels: u32, k: u32) -> Picture {
    let value = |i: u32| {
        let (x, y, c) = (i / channels % width, i / channels / width, i % channels);
        ((x * 7 + y * 13 + c * 31 + x * y * k) % 256) as u8
    };
    let data = (0..width * height * channels).map(value).collect();
    Picture::new(width, height, channels, data).unwrap()
}

#[test]
fn png_round_trip_in_gray_and_rgb() {
    let dir = tempfile::tempdir().unwrap();
    for channels in [1, 3] {
        let path = dir.path().join(format!("{channels}.png"));
        let picture = formula(9, 5, channels, 1);
        picture.save_png(&path).unwrap();
        assert_eq!(Picture::load(&path, channels).unwrap(), picture);
        assert_eq!(Picture::dimensions(&path).unwrap(), (9, 5));
    }
    let gray = Picture::load(&dir.path().join("1.png"), 3).unwrap();
    assert_eq!(gray, formula(9, 5, 1, 1).into_channels(3));
}

#[test]
fn sixteen_bits_are_scaled_and_alpha_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep.png");
    let deep = image::ImageBuffer::<image::Rgba<u16>, _>::from_raw(
        2,
        1,
        vec![0u16, 257, 65535, 0, 257 * 100, 257 * 200, 40000, 65535],
    );
    deep.unwrap().save(&path).unwrap();
    assert_eq!(Picture::load(&path, 3).unwrap().data, [0, 1, 255, 100, 200, 156]);
    let gray = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(2, 1, vec![257u16 * 9, 65535]);
    gray.unwrap().save(&path).unwrap();
    assert_eq!(Picture::load(&path, 1).unwrap().data, [9, 255]);
}

/// First values of Pillow 13.0.0's convert('L').
#[test]
fn luma_matches_pil() {
    let want = [
        25, 32, 39, 46, 53, 60, 67, 74, 81, 88, 95, 102, 38, 46, 54, 62, 70, 78, 86, 94, 102, 110,
        118, 126,
    ];
    assert_eq!(formula(12, 10, 3, 1).into_channels(1).data[..24], want);
}

/// Pillow 13.0.0's BICUBIC, shrinking 12x10 to 5x4, and a corner of growing to 17x13 where an
/// overshoot is clipped between the passes.
#[test]
fn resize_matches_pil_within_a_level() {
    #[rustfmt::skip]
    let want = [
        16, 47, 78, 34, 65, 96, 54, 85, 116, 73, 104, 135, 90, 121, 154, 49, 80, 111, 73, 104, 135,
        98, 129, 160, 123, 154, 191, 147, 183, 209, 85, 116, 147, 115, 146, 177, 146, 178, 216, 179,
        213, 177, 212, 192, 78, 118, 149, 180, 153, 186, 217, 193, 213, 122, 207, 142, 41, 130, 42, 57u8,
    ];
    let got = formula(12, 10, 3, 1).resize(5, 4).unwrap();
    for (g, w) in got.data.iter().zip(want) {
        assert!(g.abs_diff(w) <= 1, "{:?}", got.data);
    }
    #[rustfmt::skip]
    let want = [
        183, 214, 185, 194, 231, 72, 205, 222, 0, 216, 166, 3, 232, 172, 26, 213, 128, 45, 161, 3, 54,
        174, 25, 65, 99, 47, 77, 0, 55, 86, 117, 148, 179, 126, 157, 188, 138, 169,
        200, 150, 181, 212, 161, 192, 223, 172, 203, 246, 183, 214, 230, 195, 226, 29, 206, 254, 0, 217,
        206, 23, 229, 6, 35, 255, 0, 46, 174, 17, 57, 0, 37, 68, 0, 49, 80, 23, 61, 92, 40, 70,
        101u8,
    ];
    let got = formula(12, 10, 3, 1).resize(17, 13).unwrap();
    for (g, w) in got.data[12 * 51 - 30..].iter().zip(want) {
        assert!(g.abs_diff(w) <= 1, "{:?}", &got.data[12 * 51 - 30..]);
    }
    let same = formula(12, 10, 1, 1);
    assert_eq!(same.clone().resize(12, 10).unwrap(), same);
    assert!(same.resize(0, 4).is_err());
}

#[test]
fn crop_flip_and_odd_split() {
    let p = formula(7, 3, 3, 1);
    let c = p.crop(2, 1, 3, 2).unwrap();
    assert_eq!((c.width, c.height), (3, 2));
    assert_eq!(c.data[..9], p.data[(7 + 2) * 3..(7 + 5) * 3]);
    assert!(p.crop(5, 0, 3, 1).unwrap_err().to_string().contains("7x3"));
    assert!(p.crop(u32::MAX, 0, 2, 1).is_err());
    assert_eq!(p.flip_horizontal().data[..3], p.data[18..21]);
    assert_eq!(p.flip_horizontal().flip_horizontal(), p);
    let (a, b) = p.split_pair().unwrap();
    assert_eq!((a.width, b.width), (3, 4));
    assert_eq!(b, p.crop(3, 0, 4, 3).unwrap());
    assert!(formula(1, 3, 1, 0).split_pair().is_err());
}

#[test]
fn grid_has_white_gaps_and_takes_gray() {
    let gray = Picture::new(2, 1, 1, vec![1, 2]).unwrap();
    let rgb = Picture::new(1, 2, 3, vec![3, 4, 5, 6, 7, 8]).unwrap();
    let grid = Picture::grid(&[vec![gray, rgb.clone()], vec![rgb]], 1).unwrap();
    assert_eq!((grid.width, grid.height, grid.channels), (4, 5, 3));
    assert_eq!(grid.data[..12], [1, 1, 1, 2, 2, 2, 255, 255, 255, 3, 4, 5]);
    assert_eq!(grid.data[2 * 12..3 * 12], [255; 12]);
    assert_eq!(grid.data[3 * 12..3 * 12 + 6], [3, 4, 5, 255, 255, 255]);
    assert!(Picture::grid(&[], 1).is_err());
}

#[test]
fn list_is_recursive_sorted_and_ignores_other_files() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("a")).unwrap();
    for name in ["b.JPG", "a/z.png", "a-1.tiff", "notes.txt", "c.jpg.part"] {
        std::fs::write(dir.path().join(name), b"").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", dir.path().join("a/circle")).unwrap();
    let want = ["a-1.tiff", "a/z.png", "b.JPG"].map(|n| dir.path().join(n));
    assert_eq!(list_pictures(dir.path()).unwrap(), want);
    assert!(list_pictures(&dir.path().join("none")).is_err());
}

#[test]
fn what_a_decoder_lists_is_shortened() {
    let all = "Unknown(18761), ".repeat(200);
    let message = super::fault::broken(Path::new("a.tiff"), &all).to_string();
    assert!(message.len() < 400 && message.contains("Unknown(18761), ") && message.contains('…'));
    assert!(message.ends_with("; remove it or repair it"), "{message}");
}

#[test]
fn broken_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.png");
    let bytes = formula(64, 64, 3, 1).encode_png().unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(Picture::dimensions(&path).unwrap(), (64, 64));
    let message = Picture::load(&path, 3).unwrap_err().to_string();
    assert!(message.contains("cut.png: cannot be decoded"), "{message}");
    assert!(message.contains("remove it or repair it") && !message.contains('\n'), "{message}");
    let message = Picture::load(&dir.path().join("none.png"), 3).unwrap_err().to_string();
    assert!(message.contains("none.png: cannot be opened"), "{message}");
}

#[test]
fn cut_jpeg_is_an_error_and_not_a_gray_picture() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.jpg");
    let p = formula(64, 48, 3, 1);
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
    encoder.write_image(&p.data, 64, 48, ExtendedColorType::Rgb8).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(Picture::load(&path, 3).unwrap().describe(), "64x48x3");
    for len in [bytes.len() / 2, bytes.len() - 2] {
        std::fs::write(&path, &bytes[..len]).unwrap();
        let message = Picture::load(&path, 3).unwrap_err().to_string();
        assert!(message.contains("cut.jpg: cannot be decoded"), "{message}");
    }
}

/// Files made by Pillow 13's `resize(size, BICUBIC)` of [`formula`]; noise, so that values
/// overshoot.
#[test]
fn resizing_gives_pillows_bits() {
    macro_rules! pil {
        ($name:literal) => {
            AnyPicture::decode(
                include_bytes!(concat!("pil/", $name, ".png")).to_vec(),
                Path::new($name),
            )
            .unwrap()
        };
    }
    let cases = [
        (formula(40, 30, 3, 1), pil!("40x30x3_k1_to_17x23")),
        (formula(40, 30, 3, 2), pil!("40x30x3_k2_to_57x41")),
        (formula(40, 30, 3, 3), pil!("40x30x3_k3_to_40x11")),
        (formula(33, 21, 1, 5), pil!("33x21x1_k5_to_9x40")),
        (formula(25, 25, 3, 7), pil!("25x25x3_k7_to_28x28")),
    ];
    for (from, want) in cases {
        let (w, h) = want.size();
        let what = from.describe();
        let deep = AnyPicture::U16(Picture {
            width: from.width,
            height: from.height,
            channels: from.channels,
            data: from.data.iter().map(|v| u16::from(*v) * 257).collect(),
        });
        let got = AnyPicture::U8(from.resize(w, h).unwrap());
        assert!(got == want, "{what} to {w}x{h}");
        // 16 bits round less in between.
        let (deep, want) = (deep.resize(w, h).unwrap().to_8bit(None), want.to_8bit(None));
        assert!(
            deep.data.iter().zip(&want.data).all(|(a, b)| a.abs_diff(*b) <= 2),
            "{what} of 16 bits to {w}x{h}"
        );
    }
    // Any number of channels, each as if alone.
    let bands = formula(12, 10, 5, 1);
    let whole = bands.clone().resize(7, 13).unwrap();
    assert_eq!(whole.channel(3), bands.channel(3).resize(7, 13).unwrap());
}

#[test]
fn every_depth_survives_the_formats_that_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    for channels in [1, 3, 4, 5] {
        let bytes = formula(9, 5, channels, 1);
        let of = |scale: f32| bytes.data.iter().map(move |v| f32::from(*v) * scale);
        let (width, height) = (9, 5);
        let u16 = Picture {
            width,
            height,
            channels,
            data: of(257.0).map(|v| v as u16 + 7 - 7 * u16::from(v > 60000.0)).collect(),
        };
        let f32 = Picture { width, height, channels, data: of(-1.7).collect() };
        for picture in [AnyPicture::U8(bytes), AnyPicture::U16(u16), AnyPicture::F32(f32)] {
            for extension in ["png", "tiff", "exr", "npy"] {
                let held = match extension {
                    "npy" => true,
                    "exr" => picture.depth() == Depth::F32 && matches!(channels, 3 | 4),
                    "png" => picture.depth() != Depth::F32 && channels != 5,
                    _ => channels != 5,
                };
                let path = dir.path().join(format!("x.{extension}"));
                let what = format!("{} of {} as {extension}", picture.describe(), picture.depth());
                if !held {
                    assert!(picture.save(&path).is_err(), "{what}");
                    continue;
                }
                picture.save(&path).unwrap_or_else(|e| panic!("{what}: {e}"));
                let header = Header::read(&path).unwrap();
                assert_eq!(
                    (header.width, header.height, header.channels, header.depth),
                    (9, 5, channels, picture.depth()),
                    "{what}"
                );
                assert_eq!(AnyPicture::load(&path).unwrap(), picture, "{what}");
            }
        }
    }
    let bad = AnyPicture::U8(formula(2, 2, 1, 1)).encode("gif").unwrap_err().to_string();
    assert!(bad.contains("png, tiff, exr or npy"), "{bad}");
}

/// numpy.save of float64, float16, big-endian uint16, bool and arrays in Fortran's order.
#[test]
fn arrays_of_numpy_are_read_or_refused_with_a_reason() {
    let file = |descr: &str, order: &str, shape: &str, data: &[u8]| {
        let mut text =
            format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
        text.push('\n');
        [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes(), data]
            .concat()
    };
    let read = |bytes: Vec<u8>| AnyPicture::decode(bytes, Path::new("x.npy"));
    let doubles: Vec<u8> = [0.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(
        read(file("<f8", "False", "(1, 2)", &doubles)).unwrap(),
        AnyPicture::F32(Picture::new(2, 1, 1, vec![0.5, -2.0]).unwrap())
    );
    assert_eq!(
        read(file(">u2", "False", "(1, 1, 2)", &[1, 2, 3, 4])).unwrap(),
        AnyPicture::U16(Picture::new(1, 1, 2, vec![258, 772]).unwrap())
    );
    assert_eq!(
        read(file("|b1", "False", "(2, 1)", &[1, 0])).unwrap(),
        AnyPicture::U8(Picture::new(1, 2, 1, vec![255, 0]).unwrap())
    );
    assert_eq!(
        read(file("<f2", "False", "(1, 2)", &[0, 0x3c, 0, 0xc0])).unwrap(),
        AnyPicture::F32(Picture::new(2, 1, 1, vec![1.0, -2.0]).unwrap())
    );
    // Two rows of three pixels of two channels: rows come fastest, channels slowest.
    let fortran: Vec<u8> = vec![0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11];
    assert_eq!(
        read(file("|u1", "True", "(2, 3, 2)", &fortran)).unwrap(),
        AnyPicture::U8(Picture::new(3, 2, 2, (0..12).collect()).unwrap())
    );
    let first = file("|u1", "False", "(3, 20, 30)", &[0; 1800]);
    let message = read(first).unwrap_err().to_string();
    assert!(message.contains("channels first") && !message.contains("repair"), "{message}");
    let refused = [
        (file("<i4", "False", "(1, 1)", &[0; 4]), "uint8"),
        (file("<f4", "False", "(4,)", &[0; 16]), "1 dimensions"),
        (file("<f4", "False", "(4294967295, 4294967295, 4294967295)", &[0; 16]), "too large"),
        (file("<f4", "False", "(2, 2)", &[0; 15]), "15 bytes"),
        (file("<f4", "False", "(0, 2)", &[]), "2x0x1"),
        (b"\x93NUMPY\x01\x00\xff".to_vec(), "cut off"),
        (b"\x93NUMPY\x01\x00\x02\x00{}".to_vec(), "no descr"),
    ];
    for (bytes, part) in refused {
        let message = read(bytes).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn values_go_to_a_net_and_back() {
    let picture = AnyPicture::U16(Picture::new(3, 1, 1, vec![0, 32768, 65535]).unwrap());
    let values = picture.to_values(None);
    assert_eq!((values[0], values[2]), (-1.0, 1.0));
    assert_eq!(AnyPicture::from_values(&values, (3, 1), 1, Depth::U16, None).unwrap(), picture);
    assert_eq!(picture.to_values(Some([0.0, 32768.0])), [-1.0, 1.0, 1.0]);
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let all = AnyPicture::U16(Picture::new(256, 256, 1, all).unwrap());
    assert_eq!(
        AnyPicture::from_values(&all.to_values(None), (256, 256), 1, Depth::U16, None).unwrap(),
        all
    );
}

#[test]
fn padding_reflects_again_and_again() {
    let p = Picture::new(3, 1, 1, vec![1u8, 2, 3]).unwrap();
    assert_eq!(
        p.pad_reflect(2, 0, 10, 2).unwrap().data,
        [3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]
    );
    assert_eq!(p.pad_reflect(2, 1, 6, 2).unwrap().crop(2, 1, 3, 1).unwrap(), p);
    assert!(p.pad_reflect(2, 0, 4, 1).is_err());
}

#[test]
fn a_frame_of_a_webp_is_no_larger_than_its_file_can_hold() {
    let whole = include_bytes!("../../../kernels-tests/golden/pictures/faded.webp");
    let picture = AnyPicture::decode(whole.to_vec(), Path::new("a.webp")).unwrap();
    assert_eq!((picture.size(), picture.channels()), ((13, 9), 4));
    // The image stays 13x9, its frame claims to be as large as can be: 400 MB of a file of 200
    // bytes.
    let at = whole.windows(3).position(|w| w == [0x9d, 0x01, 0x2a]).unwrap();
    let mut bomb = whole.to_vec();
    bomb[at + 3..at + 7].fill(0xff);
    let message = AnyPicture::decode(bomb, Path::new("a.webp")).unwrap_err().to_string();
    assert!(
        message.contains("a frame of 16383x16383") && message.lines().count() == 1,
        "{message}"
    );
}
