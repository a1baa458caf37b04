//! Where in a pickle dictionaries of tensors lie.

use super::pickle::{Pickle, Refusal, Value};
use super::short;
use std::collections::{HashSet, VecDeque};

/// How deep dictionaries are searched, and how many of them: checkpoints of training scripts have
/// them two or three deep.
const DEEPEST: usize = 6;
const MOST: usize = 4096;
/// Longer keys name no network.
const LONGEST: usize = 200;
/// Dictionaries of tensors that are kept.
const MOST_SETS: usize = 64;

/// A value on the way to it: the place it was found at, and its key there.
#[derive(Clone, Copy)]
struct Step<'a> {
    before: usize,
    key: Key<'a>,
}

#[derive(Clone, Copy)]
enum Key<'a> {
    Top,
    Name(&'a str),
    Index(usize),
}

/// The keys on the way, joined by dots.
fn path(steps: &[Step<'_>], mut at: usize) -> String {
    let mut keys = Vec::new();
    loop {
        match steps[at].key {
            Key::Top => break,
            Key::Name(name) => keys.push(name.to_string()),
            Key::Index(index) => keys.push(index.to_string()),
        }
        at = steps[at].before;
    }
    keys.reverse();
    keys.join(".")
}

/// The dictionaries with tensors in them that can be reached by names, outer ones first, by the
/// keys that lead to them.
///
/// # Errors
/// What the file holds instead if there are none.
pub(super) fn places<'a>(pickle: &Pickle<'a>, top: Value<'a>) -> Refusal<Vec<(String, Value<'a>)>> {
    let mut steps = vec![Step { before: 0, key: Key::Top }];
    let mut open = VecDeque::from([(top, 0, 0)]);
    let (mut seen, mut sets, mut object) = (HashSet::new(), Vec::new(), None);
    while let Some((value, at, depth)) = open.pop_front() {
        let mut inner = |key, value: Value<'a>| {
            let nests = matches!(
                value,
                Value::Dict(_) | Value::List(_) | Value::Tuple { .. } | Value::Object(_)
            );
            if nests && depth < DEEPEST && steps.len() < MOST {
                steps.push(Step { before: at, key });
                open.push_back((value, steps.len() - 1, depth + 1));
            }
        };
        match value {
            Value::Dict(number) => {
                // Dictionaries may hold each other.
                if !seen.insert(number) {
                    continue;
                }
                let (entries, mut tensors) = (pickle.entries(value).unwrap_or_default(), false);
                for (key, value) in entries {
                    let Value::Text(name) = *key else { continue };
                    tensors |= matches!(value, Value::Tensor(_));
                    if name.len() <= LONGEST {
                        inner(Key::Name(name), *value);
                    }
                }
                if tensors && sets.len() < MOST_SETS {
                    sets.push((path(&steps, at), value));
                }
            }
            Value::List(_) | Value::Tuple { .. } => {
                let items = pickle.items(value).unwrap_or_default();
                // A model's list of networks is short; other lists need not be searched.
                items.iter().take(16).enumerate().for_each(|(i, v)| inner(Key::Index(i), *v));
            }
            Value::Object(_) if object.is_none() => object = Some((path(&steps, at), value)),
            _ => {}
        }
    }
    if !sets.is_empty() {
        return Ok(sets);
    }
    Err(match object {
        Some((path, object)) => {
            let class = pickle.class(object).unwrap_or_default();
            let (of, from) = if path.is_empty() {
                (String::new(), "the object".to_string())
            } else {
                (format!(" at {}", short(&path)), format!("what lies at {}", short(&path)))
            };
            format!(
                "holds a pickled {class}{of} instead of plain tensors, and nothing of a file is \
                 executed to make one; in Python save the state_dict() of {from} and import that"
            )
        }
        None => "holds no state dict (a dictionary of tensors); save net.state_dict() in Python \
                 and import that"
            .into(),
    })
}
