//! Checkpoints of other shapes than a plain state dict, made by a small writer of pickles.

use super::pth_write::{Writer, assembled};
use super::*;
use std::collections::BTreeMap;

/// A checkpoint being written: its pickle, and the storages that it refers to.
struct Made {
    pickle: Writer,
    keys: Vec<String>,
    values: Vec<u8>,
}

/// Writes a dictionary's values under their keys.
type Inner<'a> = &'a dyn Fn(&mut Made);

impl Made {
    /// A file whose contents `write` puts down.
    fn file(write: Inner<'_>) -> Vec<u8> {
        let mut made = Made { pickle: Writer::new(), keys: Vec::new(), values: Vec::new() };
        write(&mut made);
        let mut keys = Writer::new();
        keys.put(b"](");
        for key in &made.keys {
            keys.text(key);
        }
        assembled(&made.pickle.finish(), &keys.put(b"e").finish(), &made.values)
    }

    fn dict(&mut self, entries: &[(&str, Inner<'_>)]) {
        self.pickle.put(b"}(");
        for (key, value) in entries {
            self.pickle.text(key);
            value(self);
        }
        self.pickle.put(b"u");
    }

    fn tensor(&mut self, tensor: &Values) {
        let values = tensor.f32s();
        let key = self.keys.len().to_string();
        self.pickle.tensor("FloatStorage", &key, &tensor.shape);
        self.keys.push(key);
        self.values.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| self.values.extend(value.to_le_bytes()));
    }

    /// A state dict with a prefix before each name.
    fn state(&mut self, prefix: &str, tensors: &BTreeMap<String, Values>) {
        self.pickle.ordered_dict().put(b"(");
        self.names(prefix, tensors);
        self.pickle.put(b"u");
    }

    fn names(&mut self, prefix: &str, tensors: &BTreeMap<String, Values>) {
        for (name, tensor) in tensors {
            self.pickle.text(&format!("{prefix}{name}"));
            self.tensor(tensor);
        }
    }

    /// An object of a class, made as pickle makes one, with attributes.
    fn object(&mut self, module: &str, name: &str) {
        self.pickle.global(module, name).put(b")\x81}(").text("lr").put(b"G\0\0\0\0\0\0\0\0ub");
    }

    /// What training scripts save beside the weights.
    fn beside(&mut self) {
        let entries: [(&str, Inner<'_>); 5] = [
            ("epoch", &|m| {
                m.pickle.number(7);
            }),
            ("args", &|m| m.object("argparse", "Namespace")),
            // numpy.core.multiarray.scalar(dtype, bytes)
            ("best", &|m| {
                m.pickle.global("numpy.core.multiarray", "scalar");
                m.pickle.global("numpy", "dtype").put(b"U\x02f8\x88\x89\x87R");
                m.pickle.put(b"C\x08\x00\x00\x00\x00\x00\x00\x0c\x40\x86R");
            }),
            // Sets, bytes, a number of 80 bits.
            ("more", &|m| {
                m.pickle.put(b"\x8f(K\x01K\x02\x90\x8a\x0a0123456789\x86");
            }),
            ("optimizer", &|m| {
                let adam: [(&str, Inner<'_>); 1] =
                    [("exp_avg", &|m| m.tensor(&(vec![3], vec![9.0; 3]).into()))];
                m.dict(&[
                    ("state", &|m| {
                        m.pickle.put(b"}(K\x00");
                        m.dict(&adam);
                        m.pickle.put(b"u");
                    }),
                    ("param_groups", &|m| {
                        m.pickle.put(b"](}(X\x02\0\0\0lrG\0\0\0\0\0\0\0\0ue");
                    }),
                ]);
            }),
        ];
        for (key, value) in entries {
            self.pickle.text(key);
            value(self);
        }
    }

    /// A dictionary with these entries and everything that scripts save beside.
    fn checkpoint(&mut self, entries: &[(&str, Inner<'_>)]) {
        self.pickle.put(b"}(");
        for (key, value) in entries {
            self.pickle.text(key);
            value(self);
        }
        self.beside();
        self.pickle.put(b"u");
    }
}

fn unet() -> BTreeMap<String, Values> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/golden/weights/zip.pth");
    WeightsFile::read(&path).unwrap().tensors
}

fn patch() -> BTreeMap<String, Values> {
    let tensor =
        |shape: &[usize]| Values::from((shape.to_vec(), vec![0.5; shape.iter().product()]));
    [
        ("model.0.weight", &[2, 6, 4, 4][..]),
        ("model.0.bias", &[2]),
        ("model.2.weight", &[4, 2, 4, 4]),
        ("model.5.weight", &[1, 4, 4, 4]),
    ]
    .map(|(name, shape)| (name.to_string(), tensor(shape)))
    .into()
}

fn read(bytes: &[u8], key: Option<&str>, wanted: Wanted) -> Result<WeightsFile, String> {
    let read = WeightsFile::parse_net(bytes, &Pick { key, wanted });
    if let Err(message) = &read {
        assert!(!message.contains('\n') && message.len() < 400, "{message}");
    }
    read
}

#[test]
fn a_network_loads_however_a_script_wrapped_it() {
    let net = unet();
    let state = |prefix: &'static str| {
        let net = &net;
        move |made: &mut Made| made.state(prefix, net)
    };
    for key in ["netG", "model_state_dict", "state_dict", "generator"] {
        let file = Made::file(&|made| made.checkpoint(&[(key, &state(""))]));
        assert_eq!(read(&file, None, Wanted::Generator).unwrap().tensors, net, "{key}");
        assert_eq!(WeightsFile::parse(&file).unwrap().tensors, net, "{key}");
    }
    for prefix in [
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "generator.",
        "netG.",
        "model.",
        "netG.module.",
        "_orig_mod.netG.",
        "model.generator._orig_mod.",
    ] {
        let file = Made::file(&|made| made.state(prefix, &net));
        assert_eq!(read(&file, None, Wanted::Generator).unwrap().tensors, net, "{prefix}");
        let inner = state(prefix);
        let file = Made::file(&|made| made.checkpoint(&[("state_dict", &inner)]));
        assert_eq!(read(&file, None, Wanted::Generator).unwrap().tensors, net, "{prefix}");
    }
    // A list, a tuple, dictionaries three deep, and one of a class that is not known.
    let list = Made::file(&|made| {
        made.pickle.put(b"](");
        made.state("", &net);
        made.pickle.put(b"K\x07e");
    });
    let deep = Made::file(&|made| {
        made.dict(&[("a", &|m| m.dict(&[("b", &|m| m.dict(&[("c", &state(""))]))]))])
    });
    for file in [list, deep] {
        assert_eq!(read(&file, None, Wanted::Any).unwrap().tensors, net);
    }
}

#[test]
fn of_several_networks_the_purpose_or_the_key_chooses_and_a_message_lists_them() {
    let (net, other) = (unet(), patch());
    let lightning = Made::file(&|made| {
        made.checkpoint(&[("state_dict", &|m| {
            m.pickle.put(b"}(");
            m.names("generator.", &net);
            m.names("discriminator.module.", &other);
            m.names(
                "vgg.",
                &BTreeMap::from([("features.0.weight".into(), (vec![1], vec![1.0]).into())]),
            );
            m.pickle.put(b"u");
        })])
    });
    let scripts = Made::file(&|made| {
        made.checkpoint(&[("netD", &|m| m.state("", &other)), ("netG", &|m| m.state("", &net))])
    });
    for (file, g, d) in
        [(&lightning, "state_dict.generator", "discriminator"), (&scripts, "netG", "netD")]
    {
        assert_eq!(read(file, None, Wanted::Generator).unwrap().tensors, net);
        assert_eq!(read(file, None, Wanted::Discriminator).unwrap().tensors, other);
        assert_eq!(read(file, Some(g), Wanted::Any).unwrap().tensors, net);
        // The key decides, whatever the purpose.
        assert_eq!(read(file, Some(d), Wanted::Generator).unwrap().tensors, other);
        let message = read(file, None, Wanted::Any).unwrap_err();
        for part in [g, d, "U-Net generator", "discriminator)", "`key`"] {
            assert!(message.contains(part), "{message}");
        }
        let message = read(file, Some("netX"), Wanted::Any).unwrap_err();
        assert!(message.contains("netX") && message.contains(g), "{message}");
    }
    let vgg = read(&lightning, Some("state_dict.vgg"), Wanted::Any).unwrap();
    assert_eq!(vgg.tensors.keys().collect::<Vec<_>>(), ["features.0.weight"]);
    let averages = Made::file(&|made| {
        made.dict(&[("G", &|m| m.state("", &net)), ("G_ema", &|m| m.state("", &net))])
    });
    let message = read(&averages, None, Wanted::Generator).unwrap_err();
    assert!(message.contains("G (U-Net generator), G_ema (U-Net generator)"), "{message}");
    assert_eq!(read(&averages, Some("G_ema"), Wanted::Generator).unwrap().tensors, net);
}

/// Made by PyTorch itself, with all that Lightning and a training script save.
#[test]
fn a_checkpoint_that_pytorch_wrote_is_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels-tests/golden/weights");
    let bytes = std::fs::read(golden.join("lightning.ckpt")).unwrap();
    let read_g = read(&bytes, None, Wanted::Generator).unwrap();
    let whole = WeightsFile::read(&golden.join("zip.pth")).unwrap();
    assert_eq!(read_g.tensors.keys().collect::<Vec<_>>(), whole.tensors.keys().collect::<Vec<_>>());
    let judge = read(&bytes, Some("discriminator"), Wanted::Any).unwrap();
    let patch = Net::recognise(&judge).unwrap();
    assert!(matches!(patch, Net::Patch { n_layers: 1, input_nc: 6, .. }), "{patch}");
    assert_eq!(judge.counters.len(), 1);
}

#[test]
fn safetensors_of_several_networks_are_read_by_prefix() {
    let (net, other) = (unet(), patch());
    let named = |prefix: &str, tensors: &BTreeMap<String, Values>| {
        tensors.iter().map(|(n, v)| (format!("{prefix}{n}"), v.clone())).collect::<Vec<_>>()
    };
    let tensors = [named("netG._orig_mod.", &net), named("netD.", &other)].concat();
    let both = WeightsFile { tensors: tensors.into_iter().collect(), ..WeightsFile::default() };
    let bytes = both.to_safetensors(Precision::F32).unwrap();
    assert_eq!(read(&bytes, None, Wanted::Generator).unwrap().tensors, net);
    assert_eq!(read(&bytes, Some("netD"), Wanted::Any).unwrap().tensors, other);
    assert!(read(&bytes, None, Wanted::Any).unwrap_err().contains("netD (discriminator)"));
    // As it is where no network is asked for.
    assert_eq!(WeightsFile::parse(&bytes).unwrap().tensors.len(), net.len() + other.len());
}

#[test]
fn pickled_objects_in_the_place_of_weights_are_named_with_their_key() {
    let whole = Made::file(&|made| made.object("models.networks", "UnetGenerator"));
    let message = read(&whole, None, Wanted::Any).unwrap_err();
    assert!(message.contains("a pickled models.networks.UnetGenerator instead"), "{message}");
    let inner = Made::file(&|made| made.dict(&[("netG", &|m| m.object("models", "Unet"))]));
    let message = read(&inner, None, Wanted::Any).unwrap_err();
    assert!(
        message.contains("models.Unet at netG") && message.contains("state_dict()"),
        "{message}"
    );
    let entry = Made::file(&|made| {
        made.pickle.put(b"}(").text("model.model.0.weight").global("my", "Tensor").put(b")R");
        made.names("", &patch());
        made.pickle.put(b"u");
    });
    assert!(read(&entry, None, Wanted::Any).unwrap_err().contains("made by my.Tensor"));
    let nothing = Made::file(&|made| {
        made.dict(&[("epoch", &|m| {
            m.pickle.number(3);
        })])
    });
    assert!(read(&nothing, None, Wanted::Any).unwrap_err().contains("no state dict"));
}

#[test]
fn files_made_to_run_programs_are_refused_wherever_the_call_is() {
    for (module, name) in [
        ("posix", "system"),
        ("os", "system"),
        ("nt", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("os.path", "join"),
        ("runpy", "run_path"),
    ] {
        let file = Made::file(&|made| {
            made.checkpoint(&[
                ("netG", &|m| m.state("", &patch())),
                ("x", &|m| {
                    m.pickle.global(module, name).put(b"(").text("touch x").put(b"tR");
                }),
            ])
        });
        let message = read(&file, None, Wanted::Any).unwrap_err();
        assert!(message.contains(&format!("calls {module}.{name}")), "{message}");
    }
}

#[test]
fn dictionaries_that_hold_each_other_and_searches_without_end_end() {
    // d = {}; d['a'] = d, and a thousand names for it.
    let round = Made::file(&|made| {
        made.pickle.put(b"}q\x00(");
        for i in 0..1000 {
            made.pickle.text(&format!("{i}")).put(b"h\x00");
        }
        made.pickle.put(b"u");
    });
    assert!(read(&round, None, Wanted::Any).unwrap_err().contains("no state dict"));
    // Ten thousand prefixes, none of them a network's.
    let tensors: Vec<(String, Values)> =
        (0..10_000).map(|i| (format!("a{i}.b.c.d.e.f.g"), (vec![1], vec![0.0]).into())).collect();
    let wide = WeightsFile { tensors: tensors.into_iter().collect(), ..WeightsFile::default() };
    let start = std::time::Instant::now();
    assert_eq!(read(&wide.to_pth(), None, Wanted::Any).unwrap().tensors.len(), 10_000);
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn sound_files_of_kinds_that_are_not_read_are_named() {
    let mut tar = vec![0; 600];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, part) in [
        (tar, "tar archive"),
        (b"\x89HDF\r\n\x1a\n0000".to_vec(), "HDF5"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0".to_vec(), "compressed"),
        (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "git lfs pull"),
        (b"<!DOCTYPE html><html>".to_vec(), "HTML"),
        (b"\x80\x04}q\x00.".to_vec(), "pickle that torch.save did not write"),
        (b"\x93NUMPY\x01\0v\0{'descr'".to_vec(), "NumPy array"),
    ] {
        let message = WeightsFile::parse(&bytes).unwrap_err();
        assert!(message.contains(part), "{message}");
    }
}
