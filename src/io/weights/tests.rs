use super::*;
use crate::nets::{NormKind, UnetConfig, UnetQuirks};
use crate::store::Packed;
use approx::abs_diff_eq;

/// Files that `kernels-tests/golden/weights/make_weights.py` made with PyTorch.
fn golden(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/golden/weights").join(name),
    )
    .unwrap()
}

fn parsed(name: &str) -> WeightsFile {
    WeightsFile::parse(&golden(name)).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    let message = WeightsFile::parse(bytes).unwrap_err();
    assert!(!message.contains('\n') && message.len() < 300, "{message}");
    message
}

#[test]
fn both_forms_of_pth_hold_the_same_and_the_net_is_recognised() {
    let file = parsed("zip.pth");
    assert_eq!(file, parsed("legacy.pth"));
    let wanted = UnetConfig { ngf: 1, downs: 5, ..UnetConfig::default() };
    assert_eq!(Net::recognise(&file), Ok(Net::Unet(wanted)));
    assert_eq!(file.tensors["model.model.0.weight"].shape, [1, 3, 4, 4]);
    assert_eq!(file.counters["model.model.1.model.2.num_batches_tracked"], 4);
}

#[test]
fn other_types_views_and_wrappings_are_read() {
    let file = parsed("types.pth");
    let base: Vec<f32> = (0..24).map(|i| i as f32 / 8.0).collect();
    assert_eq!(file.tensors["half"], (vec![4, 6], base.clone()).into());
    assert_eq!(file.tensors["bfloat"], (vec![24], base.clone()).into());
    assert_eq!(file.tensors["double"], (vec![3], base[..3].to_vec()).into());
    let turned: Vec<f32> = (0..24).map(|i| base[i % 4 * 6 + i / 4]).collect();
    assert_eq!(file.tensors["turned"], (vec![6, 4], turned).into());
    let part = [8, 9, 14, 15].map(|i| base[i]).to_vec();
    assert_eq!(file.tensors["part"], (vec![2, 2], part).into());
    assert_eq!(file.tensors["parameter"], (vec![2], base[..2].to_vec()).into());
}

#[test]
fn a_pickled_model_is_refused_and_nothing_of_it_runs() {
    let message = refused(&golden("model.pth"));
    assert!(
        message.contains("torch.nn.modules.linear.Linear") && message.contains("state_dict()"),
        "{message}"
    );
    // What a malicious file would do: os.system("…").
    let pickle = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00echo\x85R.";
    assert!(super::machine::read(pickle).unwrap_err().contains("posix.system"));
}

#[test]
fn pickles_made_to_fill_memory_or_to_go_round_in_circles_are_refused() {
    assert!(
        super::machine::read(&[vec![b']'; 3 << 20], b".".to_vec()].concat())
            .unwrap_err()
            .contains("operations")
    );
    // Tuples nested a million deep, and a list that holds itself: no stack is used for either.
    assert!(
        super::machine::read(&[b")".to_vec(), vec![0x85; 1 << 20], b".".to_vec()].concat()).is_ok()
    );
    assert!(super::machine::read(b"]q\x00h\x00a.").is_ok());
    for broken in [
        &b"t."[..],
        b"(0.",
        b"a.",
        b"h\x00.",
        b".",
        b"(.",
        b"X\xff\xff\xff\xffab.",
        b"\x8a\x0912345678",
        b"cabc",
    ] {
        assert!(super::machine::read(broken).is_err(), "{broken:?}");
    }
}

#[test]
fn a_list_that_is_kept_and_copied_over_and_over_is_refused() {
    // A list of 4096 pairs ((), ()) in slot 0, then OrderedDict of it a thousand times: 200 MB of
    // entries from 20 kB.
    let list =
        [&b"]q\x00("[..], &b"))\x86".repeat(4096), b"eccollections\nOrderedDict\nq\x01"].concat();
    let bomb = [list.clone(), b"h\x01h\x00\x85R".repeat(1000), b".".to_vec()].concat();
    assert!(super::machine::read(&bomb).unwrap_err().contains("copies more values than it has"));
    assert!(super::machine::read(&[list, b"h\x01h\x00\x85R.".to_vec()].concat()).is_ok());
}

#[test]
fn a_shape_of_many_sides_stays_within_a_line() {
    let ones = vec![1usize; 900];
    let scaled = format!(
        "{{\"w\":{{\"dtype\":\"I8\",\"shape\":{ones:?},\"data_offsets\":[0,1]}},\"w.scale\":{{\"dtype\":\"F32\",\"shape\":{ones:?},\"data_offsets\":[1,5]}}}}"
    );
    let file = [&(scaled.len() as u64).to_le_bytes(), scaled.as_bytes(), &[0; 5]].concat();
    assert!(refused(&file).contains("a scale of shape [1, 1, 1, 1, 1, 1, 1, 1, …]"));
    let list = format!("[{{\"name\":\"generator/encoder_1/conv2d/kernel\",\"shape\":{ones:?}}}]");
    let block = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
    let pict = [block(list.as_bytes()), block(&[0; 1024]), block(&[0])].concat();
    assert!(refused(&pict).contains("a kernel of shape [1, 1, 1, 1, 1, 1, 1, 1, …]"));
}

#[test]
fn a_tensor_larger_than_its_storage_is_refused() {
    let mut bytes = golden("legacy.pth");
    // The first tensor is [1, 3, 4, 4]: BININT1 1, 3, 4, 4 in a tuple.
    let at = bytes.windows(9).position(|w| w == b"(K\x01K\x03K\x04K\x04").unwrap();
    bytes[at + 2] = 255;
    assert!(refused(&bytes).contains("more values than its storage"));
}

/// Every way to cut a file, and many ways to change a byte: an error or other weights, and no
/// panic.
#[test]
fn cut_and_changed_files_never_panic() {
    for name in ["zip.pth", "legacy.pth", "types.pth", "small.pict"] {
        let whole = golden(name);
        // What is lost at the end of an archive may be its padding only; everything else is missed.
        for length in (0..whole.len()).step_by(7) {
            assert!(WeightsFile::parse(&whole[..length]).is_err(), "{name} cut to {length}");
        }
        let mut random = 1u32;
        for _ in 0..4000 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (random >> 8) as usize % bytes.len();
                bytes[at] = random as u8;
            }
            if let Ok(file) = WeightsFile::parse(&bytes) {
                let _ = Net::recognise(&file).map(|net| net.to_string());
            }
        }
    }
    for bytes in
        [&b""[..], b"PK\x03\x04", b"\xff\xff\xff\xff[abc", b"12345678{}", b"\0\0\0\0\0\0\0\0"]
    {
        refused(bytes);
    }
}

#[test]
fn pict_is_read_with_its_bottleneck_norm_and_its_biases() {
    let file = parsed("small.pict");
    let quirks = UnetQuirks { bottleneck_norm: true, ..UnetQuirks::default() };
    let wanted = UnetConfig {
        ngf: 1,
        downs: 5,
        norm: NormKind::InstanceAffine,
        quirks,
        ..UnetConfig::default()
    };
    assert_eq!(Net::recognise(&file), Ok(Net::Unet(wanted)));
}

#[test]
fn safetensors_come_back_as_they_went() {
    let file = parsed("zip.pth");
    let exact = WeightsFile::parse(&file.to_safetensors(Precision::F32).unwrap()).unwrap();
    assert_eq!((&exact.tensors, &exact.counters), (&file.tensors, &file.counters));
    for (precision, allowed) in [(Precision::F16, 1.0 / 2048.0), (Precision::I8, 0.5 / 127.0)] {
        let coarse = WeightsFile::parse(&file.to_safetensors(precision).unwrap()).unwrap();
        assert_eq!(
            coarse.tensors.keys().collect::<Vec<_>>(),
            file.tensors.keys().collect::<Vec<_>>()
        );
        for (name, exact) in &file.tensors {
            let (shape, values) = (&exact.shape, exact.f32s());
            let largest = values.iter().fold(0f32, |l, v| l.max(v.abs()));
            assert_eq!(&coarse.tensors[name].shape, shape);
            for (a, b) in coarse.tensors[name].f32s().iter().zip(&*values) {
                // Vectors are kept exactly; half a unit of the largest value is what rounding may
                // cost a weight.
                let bound = if shape.len() == 4 { largest * allowed * 1.001 } else { 0.0 };
                assert!(abs_diff_eq!(a, b, epsilon = bound), "{precision:?} {name}: {a} and {b}");
            }
        }
    }
    let mut large = file;
    large.tensors.get_mut("model.model.0.weight").unwrap().f32s_mut()[0] = 1e6;
    assert!(large.to_safetensors(Precision::F16).unwrap_err().contains("65504"));
}

/// Bytes of a file's values in memory.
fn bytes_held(file: &WeightsFile) -> usize {
    let bytes = |values: &Values| match values.packed() {
        Packed::F32(values) => size_of_val(values),
        Packed::F16(halves) | Packed::Bf16(halves) => size_of_val(halves),
        Packed::I8 { codes, scale, .. } => size_of_val(codes) + size_of_val(scale),
    };
    file.tensors.values().map(bytes).sum()
}

#[test]
fn packed_files_stay_packed_until_they_are_changed() {
    let file = parsed("zip.pth");
    let exact = WeightsFile::parse(&file.to_safetensors(Precision::F32).unwrap()).unwrap();
    for (precision, most) in [(Precision::F16, 0.6), (Precision::I8, 0.4)] {
        let bytes = file.to_safetensors(precision).unwrap();
        let mut packed = WeightsFile::parse(&bytes).unwrap();
        let share = bytes_held(&packed) as f64 / bytes_held(&exact) as f64;
        assert!(share < most, "{precision:?}: {share} of the bytes of f32");
        let weight = &packed.tensors["model.model.0.weight"];
        assert!(!matches!(weight.packed(), Packed::F32(_)));
        let wide = Values::from((weight.shape.clone(), weight.f32s().into_owned()));
        assert_eq!(*weight, wide);
        // What is written of it is what it was read from; changing a value widens its tensor.
        assert!(packed.to_safetensors(precision).unwrap() == bytes, "{precision:?}");
        let weight = packed.tensors.get_mut("model.model.0.weight").unwrap();
        weight.f32s_mut()[1] = 7.0;
        let now = weight.f32s();
        assert!(matches!(weight.packed(), Packed::F32(_)) && now[1] == 7.0);
        assert!(now[0] == wide.f32s()[0] && now[2..] == wide.f32s()[2..]);
    }
    let types = parsed("types.pth");
    assert!(matches!(types.tensors["half"].packed(), Packed::F16(_)));
    assert!(matches!(types.tensors["turned"].packed(), Packed::F32(_)));
    assert!(matches!(types.tensors["bfloat"].packed(), Packed::Bf16(_)));
}

#[test]
fn conversions_undo_themselves_and_are_noted() {
    let file = parsed("zip.pth");
    for conversion in [
        Conversion { concat: ConcatOrder::UpFirst, ..Conversion::default() },
        Conversion { channels: ChannelOrder::Bgr, ..Conversion::default() },
    ] {
        let mut twice = file.clone();
        conversion.apply(&mut twice).unwrap();
        assert_ne!(twice.tensors, file.tensors);
        assert_eq!(twice.about.as_ref().map(|a| a.as_object().unwrap().len()), Some(1));
        let text =
            String::from_utf8_lossy(&twice.to_safetensors(Precision::F32).unwrap()).into_owned();
        assert!(text.contains("swapped") || text.contains("mirrored"));
        conversion.apply(&mut twice).unwrap();
        assert_eq!(twice.tensors, file.tensors);
    }
}

#[test]
fn nets_that_are_not_there_are_named() {
    let file = |names: &[(&str, &[usize])]| {
        let tensors = names
            .iter()
            .map(|(n, s)| (n.to_string(), (s.to_vec(), vec![0.0; s.iter().product()]).into()))
            .collect();
        WeightsFile { tensors, ..WeightsFile::default() }
    };
    let resnet = file(&[
        ("model.1.weight", &[4, 3, 7, 7]),
        ("model.10.conv_block.1.weight", &[4, 4, 3, 3]),
        ("model.26.weight", &[3, 4, 7, 7]),
    ]);
    let message = Net::recognise(&resnet).unwrap_err();
    assert!(
        message.contains("ResNet of another make") && message.contains("no such net"),
        "{message}"
    );
    let patch = file(&[
        ("model.0.weight", &[4, 6, 4, 4]),
        ("model.0.bias", &[4]),
        ("model.2.weight", &[8, 4, 4, 4]),
        ("model.5.weight", &[1, 8, 4, 4]),
    ]);
    assert_eq!(
        Net::recognise(&patch),
        Ok(Net::Patch { n_layers: 1, input_nc: 6, ndf: 4, norm: NormKind::None })
    );
    assert!(Net::recognise(&WeightsFile::default()).unwrap_err().contains("not the weights"));
}

#[test]
fn what_a_resnet_is_padded_with_is_told_by_its_names_and_its_own_words() {
    use crate::nets::{BlockPadding, Resnet, ResnetConfig};
    use crate::store::Store;
    let file = |padding| {
        let net = Resnet::new(
            &mut Store::new(),
            "G",
            ResnetConfig { ngf: 1, blocks: 1, padding, ..ResnetConfig::default() },
        )
        .unwrap();
        let mut file = WeightsFile::default();
        for param in net.weights().params() {
            let shape = param.layout.public_shape();
            let values = vec![0.5; shape.iter().product()];
            file.tensors.insert(param.name.clone(), (shape, values).into());
        }
        net.weights().about().iter().for_each(|(name, value)| file.note(name, value));
        WeightsFile::parse(&file.to_safetensors(Precision::F32).unwrap()).unwrap()
    };
    let padding = |file: &WeightsFile| match Net::recognise(file) {
        Ok(Net::Resnet(config)) => Ok(config.padding),
        other => Err(format!("{other:?}")),
    };
    for wanted in [BlockPadding::Reflect, BlockPadding::Replicate, BlockPadding::Zero] {
        assert_eq!(padding(&file(wanted)), Ok(wanted));
    }
    let mut silent = file(BlockPadding::Replicate);
    silent.about = None;
    assert_eq!(padding(&silent), Ok(BlockPadding::Reflect));
    for wrong in ["zero", "circular"] {
        silent.note("padding_type", wrong);
        assert!(padding(&silent).unwrap_err().contains(&format!("padding_type {wrong}")));
    }
}

#[test]
fn old_files_of_instance_norm_lose_the_statistics_that_mean_nothing() {
    let mut file = parsed("zip.pth");
    let norms: Vec<String> = file
        .tensors
        .keys()
        .filter_map(|n| n.strip_suffix(".running_mean").map(String::from))
        .collect();
    for norm in &norms {
        file.tensors.remove(&format!("{norm}.weight"));
        file.tensors.remove(&format!("{norm}.bias"));
    }
    // Innermost up: instance norm is inferred from the bias there.
    file.tensors.insert(
        "model.model.1.model.3.model.3.model.3.model.3.bias".into(),
        (vec![8], vec![0.0; 8]).into(),
    );
    let read = WeightsFile::parse(&file.to_safetensors(Precision::F32).unwrap()).unwrap();
    assert!(read.counters.is_empty() && !read.tensors.keys().any(|n| n.contains("running")));
    let Ok(Net::Unet(config)) = Net::recognise(&read) else { panic!() };
    assert_eq!(config.norm, NormKind::Instance);
}
