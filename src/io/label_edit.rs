//! Edits of a label map by instance: another label for one, or none of it.

use super::IndexMap;
use crate::{Error, Result};
use std::collections::{BTreeSet, VecDeque};
use std::str::FromStr;

/// An edit: `26001=7` gives the pixels of instance 26001 the label 7, `26001=` removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelEdit {
    /// The number of the instance.
    pub instance: u32,
    /// Its new label; without one it goes away.
    pub label: Option<u32>,
}

impl FromStr for LabelEdit {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || {
            "an edit is an instance and its new label, 26001=7, or 26001= to remove it".to_string()
        };
        let number = |word: &str| word.trim().parse::<u32>().map_err(|_| wrong());
        let (instance, label) = text.split_once('=').ok_or_else(wrong)?;
        let label = match label.trim() {
            "" | "none" => None,
            label => Some(number(label)?),
        };
        Ok(LabelEdit { instance: number(instance)?, label })
    }
}

impl LabelEdit {
    /// Edits the maps of a scene of `classes` classes. The pixels of an instance that goes away
    /// take label and instance of the nearest pixel outside of it, counted in steps to the four
    /// sides; of several the one that is met first row by row. One that gets another label keeps
    /// its number, so that the edges around it stay.
    ///
    /// # Errors
    /// [`Error::Usage`] for maps of two sizes, an instance that is not there, a label that is no
    /// class, and an instance without anything around it that goes away.
    pub fn apply(
        &self,
        labels: &mut IndexMap,
        instances: &mut IndexMap,
        classes: u32,
    ) -> Result<()> {
        if (labels.width, labels.height) != (instances.width, instances.height) {
            return Err(Error::Usage("labels and instances are maps of two sizes".into()));
        }
        if let Some(label) = self.label.filter(|label| *label >= classes) {
            let why = format!("label {label} is no class: they are 0 to {}", classes.max(1) - 1);
            return Err(Error::Usage(why));
        }
        let inside: Vec<bool> = instances.data.iter().map(|id| *id == self.instance).collect();
        if !inside.contains(&true) {
            return Err(Error::Usage(self.missing(instances)));
        }
        match self.label {
            Some(label) => {
                let all = labels.data.iter_mut().zip(&inside).filter(|(_, inside)| **inside);
                all.for_each(|(own, _)| *own = label);
            }
            None => self.remove(labels, instances, inside)?,
        }
        Ok(())
    }

    fn missing(&self, instances: &IndexMap) -> String {
        let known: BTreeSet<u32> = instances.data.iter().copied().collect();
        let first: Vec<String> = known.iter().take(10).map(u32::to_string).collect();
        let more = match known.len() - first.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("has no instance {}; there are {}{more}", self.instance, first.join(", "))
    }

    /// Fills the hole that an instance leaves, from its border on.
    fn remove(
        &self,
        labels: &mut IndexMap,
        instances: &mut IndexMap,
        mut hole: Vec<bool>,
    ) -> Result<()> {
        let (w, h) = (labels.width as usize, labels.height as usize);
        if !hole.contains(&false) {
            let why =
                format!("instance {} is all there is; nothing could take over", self.instance);
            return Err(Error::Usage(why));
        }
        let (labels, instances) = (&mut labels.data, &mut instances.data);
        let border = (0..hole.len()).filter(|at| hole[*at]);
        let border = border.filter_map(|at| {
            let outside = neighbours(at, w, h).find(|next| !hole[*next]);
            outside.map(|from| (at, from))
        });
        let mut waiting: VecDeque<(usize, usize)> = border.collect();
        waiting.iter().for_each(|(at, _)| hole[*at] = false);
        while let Some((at, from)) = waiting.pop_front() {
            (labels[at], instances[at]) = (labels[from], instances[from]);
            for next in neighbours(at, w, h) {
                if std::mem::take(&mut hole[next]) {
                    waiting.push_back((next, at));
                }
            }
        }
        Ok(())
    }
}

/// The pixels above, left, right and below.
fn neighbours(at: usize, w: usize, h: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (at % w, at / w);
    let above = (y > 0).then(|| at - w);
    let left = (x > 0).then(|| at - 1);
    let right = (x + 1 < w).then_some(at + 1);
    let below = (y + 1 < h).then_some(at + w);
    [above, left, right, below].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rows: &[&[u32]]) -> IndexMap {
        let data: Vec<u32> = rows.concat();
        IndexMap::new(rows[0].len() as u32, rows.len() as u32, data).unwrap()
    }

    fn edited(text: &str, labels: &IndexMap, instances: &IndexMap) -> Result<[IndexMap; 2]> {
        let (mut labels, mut instances) = (labels.clone(), instances.clone());
        let edit: LabelEdit = text.parse().unwrap();
        edit.apply(&mut labels, &mut instances, 30).map(|()| [labels, instances])
    }

    #[test]
    fn edits_are_read_and_what_is_none_is_refused() {
        let edit = |instance, label| Ok(LabelEdit { instance, label });
        assert_eq!("26001=7".parse(), edit(26001, Some(7)));
        assert_eq!(" 3 = 0".parse(), edit(3, Some(0)));
        for text in ["26001=", "26001=none", "26001= none "] {
            assert_eq!(text.parse(), edit(26001, None));
        }
        for text in ["", "26001", "=7", "car=7", "1=-2", "1=2=3", "1=many"] {
            let message = text.parse::<LabelEdit>().unwrap_err();
            assert!(message.contains("26001=7"), "{text}: {message}");
        }
    }

    #[test]
    fn a_new_label_is_that_of_the_instance_alone() {
        let labels = map(&[&[7, 26, 26, 26], &[7, 26, 26, 26]]);
        let instances = map(&[&[7, 26000, 26001, 26001], &[7, 26000, 26001, 26002]]);
        let [made, same] = edited("26001=11", &labels, &instances).unwrap();
        assert_eq!(made, map(&[&[7, 26, 11, 11], &[7, 26, 11, 26]]));
        assert_eq!(same, instances);
    }

    #[test]
    fn what_goes_away_is_filled_from_the_nearest_pixels_in_row_order() {
        let labels = map(&[
            &[1, 1, 1, 1, 1, 2],
            &[1, 9, 9, 9, 9, 2],
            &[1, 9, 9, 9, 9, 2],
            &[1, 9, 9, 9, 9, 2],
            &[3, 3, 3, 3, 3, 3],
        ]);
        let instances = map(&[
            &[1, 1, 1, 1, 1, 2000],
            &[1, 9000, 9000, 9000, 9000, 2000],
            &[1, 9000, 9000, 9000, 9000, 2000],
            &[1, 9000, 9000, 9000, 9000, 2000],
            &[3, 3, 3, 3, 3, 3],
        ]);
        let wanted = map(&[
            &[1, 1, 1, 1, 1, 2],
            &[1, 1, 1, 1, 1, 2],
            &[1, 1, 1, 1, 2, 2],
            &[1, 1, 3, 3, 2, 2],
            &[3, 3, 3, 3, 3, 3],
        ]);
        let [made, ids] = edited("9000=", &labels, &instances).unwrap();
        assert_eq!(made, wanted);
        // Every pixel has label and instance of one that was there.
        let pairs = made.data.iter().zip(&ids.data);
        assert!(
            pairs.clone().all(|pair| [(1, 1), (2, 2000), (3, 3)].contains(&(*pair.0, *pair.1)))
        );
        // Parts of one instance are filled each from its own surroundings.
        let row = map(&[&[5, 9, 9, 9, 6, 9, 7]]);
        let [made, _] = edited("9=none", &row, &row).unwrap();
        assert_eq!(made, map(&[&[5, 5, 5, 6, 6, 6, 7]]));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let labels = map(&[&[0; 12]]);
        let ids: Vec<u32> = (100..112).collect();
        let instances = map(&[&ids]);
        let message = edited("7=1", &labels, &instances).unwrap_err().to_string();
        assert_eq!(
            message,
            "has no instance 7; there are 100, 101, 102, 103, 104, 105, 106, 107, 108, 109 and 2 \
             more"
        );
        let message = edited("100=30", &labels, &instances).unwrap_err().to_string();
        assert!(message.contains("label 30") && message.contains("0 to 29"), "{message}");
        let message = edited("0=", &labels, &labels).unwrap_err().to_string();
        assert!(message.contains("all there is"), "{message}");
        assert!(edited("0=1", &labels, &map(&[&[0; 11]])).is_err());
    }
}
