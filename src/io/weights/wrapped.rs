//! Files that hold more than one network, or one inside of something else: which of it is meant.
//!
//! Training scripts save dictionaries in dictionaries (`{'netG': {…}, 'epoch': 7}`), Lightning puts
//! all networks into one (`generator.model.…`), `DataParallel` and `torch.compile` put a word of
//! their own into every name. Names and shapes decide; values are not looked at.

use super::pickle::Refusal;
use super::recognise::Net;
use super::{WeightsFile, short};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The most places that a search tries: a limit of time for files made to be searched.
const MOST_PLACES: usize = 256;
/// How deep in dotted names a network may begin.
const DEEPEST: usize = 5;
/// Keys named in a message.
const SHOWN: usize = 6;

/// Which network of a file is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pick<'a> {
    /// Where it lies: keys of dictionaries and prefixes of names, joined by dots.
    pub key: Option<&'a str>,
    /// What it is for, where no key says.
    pub wanted: Wanted,
}

impl Pick<'_> {
    /// A network for a purpose.
    pub fn of(wanted: Wanted) -> Self {
        Pick { key: None, wanted }
    }
}

/// Purpose of a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wanted {
    /// Any.
    #[default]
    Any,
    /// A generator.
    Generator,
    /// A discriminator.
    Discriminator,
}

impl Wanted {
    fn fits(self, net: &Net) -> bool {
        let made = matches!(net, Net::Unet(_) | Net::Resnet(_) | Net::Enhancer(_));
        match self {
            Wanted::Any => true,
            Wanted::Generator => made,
            Wanted::Discriminator => !made && !matches!(net, Net::Encoder(_)),
        }
    }
}

/// A name without the words that `DataParallel` and `torch.compile` put into it.
pub(super) fn bare(name: &str) -> Cow<'_, str> {
    let wraps = |part: &&str| matches!(*part, "module" | "_orig_mod");
    if !name.split('.').any(|part| wraps(&part)) {
        return name.into();
    }
    name.split('.').filter(|part| !wraps(part)).collect::<Vec<_>>().join(".").into()
}

/// Shapes by bare name.
pub(super) type Shapes = BTreeMap<String, Vec<usize>>;

/// A place in a file that a network lies at.
struct Candidate {
    set: usize,
    prefix: String,
    key: String,
    net: Net,
}

/// The place that was chosen: a set of tensors, and what its names begin with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Choice {
    pub set: usize,
    pub prefix: String,
}

impl Choice {
    /// The name of a tensor in the network, if it belongs to it.
    pub fn name<'a>(&self, bare: &'a str) -> Option<&'a str> {
        bare.strip_prefix(self.prefix.as_str())
    }
}

fn joined(path: &str, prefix: &str) -> String {
    let prefix = prefix.trim_end_matches('.');
    let dot = if path.is_empty() || prefix.is_empty() { "" } else { "." };
    format!("{path}{dot}{prefix}")
}

/// The names under a prefix, without it.
fn under<'a>(shapes: &'a Shapes, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [usize])> {
    let from = shapes.range(prefix.to_string()..);
    from.map_while(move |(name, shape)| Some((name.strip_prefix(prefix)?, &shape[..])))
}

/// Networks in a set of tensors, at most so many tries; the outermost ones.
fn search(set: usize, path: &str, shapes: &Shapes, tries: &mut usize, found: &mut Vec<Candidate>) {
    let mut open = vec![(String::new(), 0)];
    while let Some((prefix, depth)) = open.pop() {
        let Some(left) = tries.checked_sub(1) else { return };
        *tries = left;
        let tensors = under(shapes, &prefix);
        let tensors = tensors.map(|(name, shape)| (name.into(), (shape.into(), Vec::new()).into()));
        let file = WeightsFile { tensors: tensors.collect(), ..WeightsFile::default() };
        if let Ok(net) = Net::recognise(&file) {
            let key = joined(path, &prefix);
            found.push(Candidate { set, prefix, key, net });
            continue;
        }
        if depth == DEEPEST {
            continue;
        }
        let mut parts: Vec<&str> =
            file.tensors.keys().filter_map(|name| Some(name.split_once('.')?.0)).collect();
        parts.dedup();
        open.extend(parts.iter().rev().map(|part| (format!("{prefix}{part}."), depth + 1)));
    }
}

/// Chooses among the sets of tensors of a file, given their places and, one at a time, their
/// shapes.
pub(super) fn choose(
    paths: &[String],
    shapes: &dyn Fn(usize) -> Shapes,
    pick: &Pick<'_>,
) -> Refusal<Choice> {
    let (mut found, mut tries) = (Vec::new(), MOST_PLACES);
    for (set, path) in paths.iter().enumerate() {
        search(set, path, &shapes(set), &mut tries, &mut found);
    }
    if let Some(key) = pick.key {
        return at_key(paths, shapes, &found, key.trim_matches('.'));
    }
    let of = |c: &Candidate| Choice { set: c.set, prefix: c.prefix.clone() };
    let fits: Vec<&Candidate> = found.iter().filter(|c| pick.wanted.fits(&c.net)).collect();
    match (&fits[..], &found[..], paths) {
        // What is no network of the kind is for the caller to refuse by name.
        ([one], ..) => Ok(of(one)),
        ([], [one], _) => Ok(of(one)),
        ([], [], [_]) => Ok(Choice::default()),
        ([], [], _) => {
            let plain = paths.iter().position(|path| path == "state_dict");
            plain.map(|set| Choice { set, prefix: String::new() }).ok_or_else(|| {
                let all = listed(paths.iter().map(|p| short(p)));
                format!("holds tensors at {all}, and none of a known network; `key` chooses one")
            })
        }
        _ => Err(format!(
            "holds several networks: {}; choose one with `key`, of import, translate, eval and export",
            listed(found.iter().map(described))
        )),
    }
}

/// What lies at a key: a network, all of a dictionary, or all names that begin with it.
fn at_key(
    paths: &[String],
    shapes: &dyn Fn(usize) -> Shapes,
    found: &[Candidate],
    key: &str,
) -> Refusal<Choice> {
    let of = |c: &Candidate| Choice { set: c.set, prefix: c.prefix.clone() };
    if let Some(exact) = found.iter().find(|c| c.key == key) {
        return Ok(of(exact));
    }
    for (set, path) in paths.iter().enumerate() {
        let inner = match key.strip_prefix(path.as_str()) {
            Some("") => return Ok(Choice { set, prefix: String::new() }),
            Some(inner) if path.is_empty() => inner,
            Some(inner) if inner.starts_with('.') => &inner[1..],
            _ => continue,
        };
        let prefix = format!("{}.", bare(inner));
        if under(&shapes(set), &prefix).next().is_some() {
            return Ok(Choice { set, prefix });
        }
    }
    let ends = |c: &&Candidate| c.key.strip_suffix(key).is_some_and(|rest| rest.ends_with('.'));
    let mut ending = found.iter().filter(ends);
    if let (Some(one), None) = (ending.next(), ending.next()) {
        return Ok(of(one));
    }
    let known = if found.is_empty() {
        listed(paths.iter().map(|path| short(path)))
    } else {
        listed(found.iter().map(described))
    };
    Err(format!("has no tensors at `key` {}; it holds {known}", short(key)))
}

fn described(candidate: &Candidate) -> String {
    let kind = match candidate.net {
        Net::Unet(_) => "U-Net generator",
        Net::Resnet(_) => "ResNet generator",
        Net::Enhancer(_) => "local enhancer",
        Net::Encoder(_) => "feature encoder",
        Net::MultiScale { .. } | Net::Patch { .. } | Net::Pixel { .. } => "discriminator",
    };
    let key = if candidate.key.is_empty() { "the top".into() } else { short(&candidate.key) };
    format!("{key} ({kind})")
}

fn listed(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(SHOWN);
    let shown = all.take(SHOWN).map(|key| if key.is_empty() { "the top".into() } else { key });
    let shown = shown.collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// Keeps one network of a file whose tensors lie in one place.
pub(super) fn keep(file: &mut WeightsFile, pick: &Pick<'_>) -> Refusal<()> {
    let shapes = |_| {
        let all = file.tensors.iter().map(|(name, values)| (name.clone(), values.shape.clone()));
        all.collect()
    };
    let choice = choose(&[String::new()], &shapes, pick)?;
    if choice.prefix.is_empty() {
        return Ok(());
    }
    fn inner<V>(map: &mut BTreeMap<String, V>, choice: &Choice) {
        let all = std::mem::take(map).into_iter();
        map.extend(all.filter_map(|(name, v)| Some((choice.name(&name)?.to_string(), v))));
    }
    inner(&mut file.tensors, &choice);
    inner(&mut file.counters, &choice);
    Ok(())
}
