//! Files as people have them: bands, palettes, tags that turn, pixels without data, other kinds.

use super::tests::formula;
use super::*;
use image::{ExtendedColorType, ImageEncoder};

#[path = "../../../kernels-tests/support/tif.rs"]
mod tif_file;
use tif_file::{Tif, jpeg_with_exif, png_with_exif, webp_with_exif};

fn read(bytes: &[u8], how: Reading) -> Result<Loaded> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    std::fs::write(&path, bytes).unwrap();
    let (header, loaded) = (Header::read_as(&path, how), Loaded::read(&path, how));
    if let Ok(Loaded { picture, alpha, .. }) = &loaded {
        let (width, height) = picture.size();
        let (channels, depth) = (picture.channels(), picture.depth());
        let want = Header { width, height, channels, alpha: *alpha, depth };
        assert_eq!(header.unwrap(), want);
    }
    loaded
}

fn loaded(bytes: &[u8]) -> Loaded {
    read(bytes, Reading::default()).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    let message = read(bytes, Reading::default()).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

fn bytes_of(loaded: &Loaded) -> &[u8] {
    &loaded.picture.as_8bit().unwrap().data
}

#[test]
fn every_sample_is_a_channel_in_each_depth_and_layout() {
    for (samples, bits, motorola, planar, big) in [
        (4, 8, false, false, false),
        (5, 8, true, true, false),
        (8, 8, false, true, true),
        (3, 16, true, true, false),
        (4, 16, true, false, true),
        (5, 16, false, true, false),
        (8, 16, true, false, false),
    ] {
        for photometric in [1, 2] {
            let file = Tif {
                photometric,
                motorola,
                planar,
                big,
                extra: vec![0; samples as usize - if photometric == 1 { 1 } else { 3 }],
                ..Tif::formula(7, 5, samples, bits)
            };
            let got = loaded(&file.bytes());
            assert!(!got.alpha);
            let what = format!("{samples} of {bits}, {photometric}, {planar}");
            match got.picture {
                AnyPicture::U8(p) => {
                    let want: Vec<u8> = file.values.iter().map(|v| *v as u8).collect();
                    assert_eq!((p.channels, p.data), (samples, want), "{what}");
                }
                AnyPicture::U16(p) => {
                    let want: Vec<u16> = file.values.iter().map(|v| *v as u16).collect();
                    assert_eq!((p.channels, p.data), (samples, want), "{what}");
                }
                AnyPicture::F32(_) => panic!("{what}"),
            }
        }
    }
}

#[test]
fn floats_of_every_width_are_read() {
    let numbers = [0.0f64, 0.25, -1.5, 1.0, 0.5, 2.0];
    for (bits, planar) in [(16, false), (32, false), (32, true), (64, true)] {
        let value = |v: &f64| match bits {
            16 => u64::from(half::f16::from_f64(*v).to_bits()),
            32 => u64::from((*v as f32).to_bits()),
            _ => v.to_bits(),
        };
        let values = numbers.iter().map(value).collect();
        let file = Tif { format: 3, planar, ..Tif::new(1, 2, 3, bits, values) };
        let AnyPicture::F32(got) = loaded(&file.bytes()).picture else { panic!("{bits}") };
        assert_eq!(got.data, numbers.map(|v| v as f32), "{bits} {planar}");
    }
}

#[test]
fn only_what_a_tiff_calls_alpha_is_alpha() {
    let rgb = |extra: &[u16]| Tif {
        photometric: 2,
        extra: extra.to_vec(),
        ..Tif::formula(4, 3, 3 + extra.len() as u32, 8)
    };
    for (extra, alpha) in [(&[0][..], false), (&[1], true), (&[2], true), (&[0, 2], true)] {
        let got = loaded(&rgb(extra).bytes());
        assert_eq!(
            (got.alpha, got.picture.channels()),
            (alpha, 3 + extra.len() as u32),
            "{extra:?}"
        );
    }
    // Near infrared is no alpha: it is kept where four channels are asked for, and not dropped
    // where three are.
    let nir = loaded(&rgb(&[0]).bytes());
    assert_eq!(nir.clone().converted(4).unwrap(), nir.picture);
    assert!(nir.converted(3).is_none());
    let alpha = loaded(&rgb(&[2]).bytes());
    assert_eq!(alpha.clone().converted(4).unwrap(), alpha.picture);
    assert_eq!(alpha.clone().converted(3).unwrap(), alpha.picture.first(3));
    let both = loaded(&rgb(&[0, 2]).bytes());
    assert_eq!(both.clone().converted(4).unwrap(), both.picture.first(4));
    assert!(both.converted(3).is_none());
    // Alpha before another band moves behind it.
    let file = rgb(&[2, 0]);
    let (got, values) = (loaded(&file.bytes()), &file.values);
    assert_eq!(bytes_of(&got)[..5], [0, 1, 2, 4, 3].map(|i| values[i] as u8));
    // RGBA as many programs write it, without a word.
    let silent = Tif { extra: vec![], ..rgb(&[0]) };
    assert!(loaded(&silent.bytes()).alpha);
    let gray = Tif { extra: vec![2], ..Tif::formula(4, 3, 2, 8) };
    assert!(loaded(&gray.bytes()).alpha);
}

#[test]
fn palettes_few_bits_and_inks_become_colours() {
    let palette: Vec<u16> = (0..3 * 16).map(|i| i * 1000).collect();
    let file = Tif { photometric: 3, palette, ..Tif::new(3, 1, 1, 4, vec![0, 5, 15]) };
    let want = [0u16, 5, 15].map(|v| [v, v + 16, v + 32].map(|i| ((i * 1000) >> 8) as u8)).concat();
    assert_eq!(*bytes_of(&loaded(&file.bytes())), want);
    for (bits, values, want) in [
        (1, vec![0, 1, 1], [0, 255, 255]),
        (2, vec![0, 1, 3], [0, 85, 255]),
        (4, vec![0, 1, 15], [0, 17, 255]),
    ] {
        let file = Tif::new(3, 1, 1, bits, values);
        assert_eq!(*bytes_of(&loaded(&file.bytes())), want);
        // White is stored as 0.
        let file = Tif { photometric: 0, ..file };
        assert_eq!(*bytes_of(&loaded(&file.bytes())), want.map(|v| 255 - v));
    }
    let white = Tif { photometric: 0, ..Tif::new(2, 1, 1, 16, vec![0, 1000]) };
    let AnyPicture::U16(got) = loaded(&white.bytes()).picture else { panic!() };
    assert_eq!(got.data, [65535, 64535]);
    let ink = Tif { photometric: 5, ..Tif::new(2, 1, 4, 8, vec![0, 255, 0, 0, 10, 20, 30, 255]) };
    assert_eq!(*bytes_of(&loaded(&ink.bytes())), [255, 0, 255, 0, 0, 0]);
}

#[test]
fn sound_tiffs_that_are_not_read_are_refused_by_name() {
    let int = Tif { format: 2, ..Tif::formula(4, 3, 1, 32) };
    let wide = Tif::formula(4, 3, 1, 32);
    let lab = Tif { photometric: 8, ..Tif::formula(4, 3, 3, 8) };
    let subsampled = Tif { photometric: 6, ..Tif::formula(4, 4, 3, 8) };
    for (file, part) in
        [(int, "(int32)"), (wide, "(uint32)"), (lab, "CIE Lab"), (subsampled, "subsampled")]
    {
        let message = refused(&file.bytes());
        assert!(message.contains(part) && message.contains("convert it to"), "{message}");
        assert!(!message.contains("repair"), "{message}");
    }
    // Compressed by something else: number 50000 is Zstandard.
    let mut bytes = Tif::formula(4, 3, 1, 8).bytes();
    let at = bytes.windows(2).rposition(|w| w == 259u16.to_le_bytes()).unwrap();
    bytes[at + 8..at + 10].copy_from_slice(&50000u16.to_le_bytes());
    let message = refused(&bytes);
    assert!(message.contains("ompression") && message.contains("deflate"), "{message}");
}

/// An image that looks like no turned one of itself, and what each tag makes of it.
fn turned_by_hand(p: &Picture, orientation: u16) -> Picture {
    let (w, h) = (p.width, p.height);
    let at = |x: u32, y: u32| -> [u32; 2] {
        // Row 0 and column 0 of the file are, as the standard has it:
        match orientation {
            1 => [x, y],                 // top, left
            2 => [w - 1 - x, y],         // top, right
            3 => [w - 1 - x, h - 1 - y], // bottom, right
            4 => [x, h - 1 - y],         // bottom, left
            5 => [y, x],                 // left, top
            6 => [y, h - 1 - x],         // right, top
            7 => [w - 1 - y, h - 1 - x], // right, bottom
            _ => [w - 1 - y, x],         // left, bottom
        }
    };
    let (width, height) = if orientation > 4 { (h, w) } else { (w, h) };
    let c = p.channels as usize;
    let data = (0..height)
        .flat_map(|y| (0..width).map(move |x| at(x, y)))
        .flat_map(|[x, y]| p.data[(y * w + x) as usize * c..][..c].to_vec())
        .collect();
    Picture { width, height, channels: p.channels, data }
}

#[test]
fn images_are_turned_as_their_files_say_unless_that_is_ignored() {
    let p = formula(16, 8, 3, 1);
    let png = p.encode_png().unwrap();
    let mut webp = Vec::new();
    let encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
    encoder.write_image(&p.data, 16, 8, ExtendedColorType::Rgb8).unwrap();
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
    encoder.write_image(&p.data, 16, 8, ExtendedColorType::Rgb8).unwrap();
    let faded = AnyPicture::decode(jpeg.clone(), Path::new("x")).unwrap().to_8bit(None);
    let values = p.data.iter().map(|v| u64::from(*v)).collect();
    let tif = Tif { photometric: 2, ..Tif::new(16, 8, 3, 8, values) };
    let ignored = Reading { ignore_orientation: true, ..Reading::default() };
    for orientation in 1..=8 {
        let files = [
            ("png", png_with_exif(&png, orientation, false), &p),
            ("png, behind", png_with_exif(&png, orientation, true), &p),
            ("webp", webp_with_exif(&webp, (16, 8), orientation, false), &p),
            ("webp, prefix", webp_with_exif(&webp, (16, 8), orientation, true), &p),
            ("jpeg", jpeg_with_exif(&jpeg, orientation), &faded),
            ("tiff", Tif { orientation: Some(orientation), ..tif.clone() }.bytes(), &p),
        ];
        for (name, bytes, stored) in files {
            let got = loaded(&bytes).picture;
            let want = AnyPicture::U8(turned_by_hand(stored, orientation));
            assert!(got == want, "{name}, {orientation}");
            let got = read(&bytes, ignored).unwrap().picture;
            assert!(got == AnyPicture::U8(stored.clone()), "{name}, {orientation} ignored");
        }
    }
}

#[test]
fn a_tag_behind_many_pixels_is_found_and_pixels_that_spell_it_are_none() {
    let mut state = 1u32;
    let noise = (0..300 * 200 * 3).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let p = Picture::new(300, 200, 3, noise.collect()).unwrap();
    let png = p.encode_png().unwrap();
    assert!(png.len() > 1 << 17);
    let got = loaded(&png_with_exif(&png, 6, true)).picture;
    assert!(got == AnyPicture::U8(turned_by_hand(&p, 6)));
    // A comment whose text looks like such a chunk leads nowhere.
    let at = png.len() - 12;
    let text = [&[0, 0, 0, 26], b"eXIf".as_slice(), &tif_file::exif(6), b"and more"].concat();
    let comment = [&(text.len() as u32).to_be_bytes(), b"tEXt".as_slice(), &text, &[0; 4]].concat();
    let with = [&png[..at], &comment, &png[at..]].concat();
    assert!(loaded(&with).picture == AnyPicture::U8(p));
}

#[test]
fn pixels_without_data_are_counted_refused_kept_or_filled() {
    let how = |nodata| Reading { nodata, ..Reading::default() };
    let floats = |values: [f32; 6], nodata| {
        let values = values.iter().map(|v| u64::from(v.to_bits())).collect();
        Tif { format: 3, nodata, ..Tif::new(3, 2, 1, 32, values) }.bytes()
    };
    let holes = floats([0.0, 0.25, 0.5, 1.0, f32::NAN, f32::INFINITY], None);
    let message = refused(&holes);
    assert!(message.contains("2 of 6 pixels have no data (the first at (1, 1): NaN"), "{message}");
    assert!(message.contains("`nodata`"), "{message}");
    assert!(read(&holes, how(NoData::Keep)).is_err());
    let got = read(&holes, how(NoData::Is(0.25))).unwrap();
    assert_eq!(got.missing, Some(vec![false, true, false, false, true, true]));
    let AnyPicture::F32(filled) = got.filled(Some([0.0, 4.0])).picture else { panic!() };
    assert_eq!(filled.data, [0.0, 2.0, 0.5, 1.0, 2.0, 2.0]);

    let marked = floats([0.0, -9999.0, 0.5, 1.0, 0.1, 0.2], Some("-9999"));
    assert!(refused(&marked).contains("(the first at (1, 0): -9999"), "{}", refused(&marked));
    let AnyPicture::F32(kept) = read(&marked, how(NoData::Keep)).unwrap().picture else { panic!() };
    assert_eq!(kept.data[1], -9999.0);
    let got = read(&marked, how(NoData::Is(f32::NAN))).unwrap();
    assert_eq!(got.missing.unwrap().iter().filter(|m| **m).count(), 1);
    // The note alone is no reason, nor a value in some of the bands.
    assert!(loaded(&floats([0.5; 6], Some("nan"))).missing.is_none());
    let rgb =
        Tif { photometric: 2, nodata: Some("0"), ..Tif::new(2, 1, 3, 8, vec![0, 0, 7, 0, 9, 0]) };
    assert!(loaded(&rgb.bytes()).missing.is_none());
    let black = Tif { values: vec![0, 0, 7, 0, 0, 0], ..rgb };
    assert!(refused(&black.bytes()).contains("1 of 2 pixels"), "{}", refused(&black.bytes()));
    let npy = AnyPicture::F32(Picture::new(2, 1, 1, vec![f32::NEG_INFINITY, 0.0]).unwrap());
    assert!(refused(&npy.encode("npy").unwrap()).contains("at (0, 0): -inf"));
}

#[test]
fn the_words_of_no_data_are_read_and_written() {
    for word in ["refuse", "keep", "nan", "-9999", "0.5"] {
        assert_eq!(word.parse::<NoData>().unwrap().to_string(), word);
    }
    assert!("inf".parse::<NoData>().is_err() && "drop".parse::<NoData>().is_err());
}

#[test]
fn other_kinds_are_read_by_content_and_cut_ones_refused() {
    use image::ImageFormat as F;
    let p = formula(13, 9, 3, 1);
    let rgb = image::RgbImage::from_raw(13, 9, p.data.clone()).unwrap();
    let rgb = image::DynamicImage::ImageRgb8(rgb);
    for (format, exact) in [
        (F::Gif, false),
        (F::Tga, true),
        (F::Qoi, true),
        (F::Bmp, true),
        (F::Pnm, true),
        (F::Farbfeld, false),
        (F::Hdr, false),
        (F::Png, true),
        (F::WebP, true),
        (F::OpenExr, false),
        (F::Tiff, true),
    ] {
        let source = match format {
            F::Gif => image::DynamicImage::ImageRgba8(rgb.to_rgba8()),
            F::Farbfeld => image::DynamicImage::ImageRgba16(rgb.to_rgba16()),
            F::Hdr | F::OpenExr => image::DynamicImage::ImageRgb32F(rgb.to_rgb32f()),
            _ => rgb.clone(),
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        source.write_to(&mut bytes, format).unwrap();
        let bytes = bytes.into_inner();
        let got = loaded(&bytes);
        assert_eq!(got.picture.size(), (13, 9), "{format:?}");
        let made = got.clone().converted(3).unwrap().to_8bit(None);
        assert!(!exact || made == p, "{format:?}");
        for cut in (1..bytes.len()).filter(|cut| cut % 7 == 1) {
            // What is missing may be padding and checksums, never a pixel.
            if let Ok(part) = read(&bytes[..cut], Reading::default()) {
                assert!(part == got, "{format:?} cut off at {cut} of {}", bytes.len());
            }
        }
    }
}
