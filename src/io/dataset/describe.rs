//! What a dataset says of itself to people.

use super::entry::Entry;
use super::scan::Heads;
use super::slot::{Head, Kind};
use super::{Dataset, Frame, Task};
use crate::error::shown;
use crate::io::picture::LeftOut;

impl Dataset {
    /// What a person should know before a training, one line each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.left_out.note().into_iter().collect();
        notes.extend(self.list_notes.iter().cloned());
        let Frame { content: (w, h), padded } = self.frame;
        if self.frame.pads() {
            let m = self.options.multiple_of;
            let maps = if self.options.labels().is_some() { " (maps by their edge)" } else { "" };
            notes.push(format!(
                "images of {w}x{h} are padded by reflection{maps} to {}x{}, multiples of {m}, and \
                 cropped afterwards",
                padded.0, padded.1
            ));
        }
        if self.enlarged > 0 {
            let (what, all) = (self.things(), self.entries.len());
            notes.push(format!(
                "{} of {all} {what} are smaller than `crop_size` {} and are enlarged",
                self.enlarged, self.options.crop_size
            ));
        }
        notes.extend(self.no_instances.iter().map(|folder| {
            format!("no {}: trained without instances, as `no_instance`", shown(folder))
        }));
        notes.extend(self.sizes_note());
        notes.extend(self.narrow_note());
        notes
    }

    /// Pairs whose files are resized each on its own.
    fn sizes_note(&self) -> Option<String> {
        let differs = |heads: &Heads| heads.iter().position(|h| h.size() != heads[0].size());
        let mut found = self.entries.iter().zip(&self.heads).filter_map(|(entry, heads)| {
            let Entry::Files(files) = entry else { return None };
            Some((files, heads, differs(heads)?))
        });
        let (files, heads, place) = found.next()?;
        let [(w, h), (x, y)] = [heads[0].size(), heads[place].size()];
        Some(format!(
            "{} of {} {} have files of different sizes ({} is {w}x{h}, {} {x}x{y}); each file is \
             resized on its own",
            1 + found.count(),
            self.entries.len(),
            self.things(),
            shown(&files[0][0]),
            shown(&files[place][0])
        ))
    }

    /// What instance maps of 8 bits cannot say.
    fn narrow_note(&self) -> Option<String> {
        let place = self.slots.iter().position(|slot| slot.kind == Kind::Instances)?;
        let narrow = |heads: &Heads| matches!(heads[place], Head::Instances(map) if map.bits == 8);
        let mut found = self.entries.iter().zip(&self.heads).filter(|(_, heads)| narrow(heads));
        let (Entry::Files(files), _) = found.next()? else { return None };
        Some(format!(
            "{} of {} instance maps have 8 bits ({}): they tell at most 256 instances of an image \
             apart, and numbers of Cityscapes' kind (class * 1000 + k) do not fit; give 16 bits \
             if some are cut off",
            1 + found.count(),
            self.entries.len(),
            shown(&files[place][0])
        ))
    }

    /// What its entries are, for people.
    pub(super) fn things(&self) -> &'static str {
        match self.options.task {
            Task::Unaligned => "images",
            Task::Labels(_) => "samples",
            _ => "pairs",
        }
    }

    /// Files of its folders that are not used.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// What it holds, in a line: how many samples, their size and planes.
    pub fn summary(&self) -> String {
        let ([a, b], [deep_a, deep_b], (w, h)) =
            (self.channels(), self.depths(), self.frame.content);
        if let Some([inputs, targets]) = self.unpaired_counts() {
            return format!(
                "{inputs} and {targets} images of {w}x{h}, {a} channels of {deep_a} and {b} of \
                 {deep_b}"
            );
        }
        let samples = format!("{} {} of {w}x{h}", self.len(), self.things());
        if self.options.labels().is_none() {
            return format!("{samples}, {a} channels of {deep_a} to {b} of {deep_b}");
        }
        let planes = self.slots.iter().map(|slot| match slot.kind {
            Kind::Labels => format!("labels of {a} classes"),
            Kind::Instances => "instances".into(),
            Kind::Image | Kind::Regions => {
                format!("{} of {} channels of {}", slot.name, slot.channels, slot.depth)
            }
        });
        format!("{samples}: {}", planes.collect::<Vec<_>>().join(", "))
    }

    /// The largest label of all maps, where there are any.
    pub fn largest_label(&self) -> Option<u32> {
        let labels = self.heads.iter().flatten().filter_map(|head| match head {
            Head::Labels { largest, .. } => Some(*largest),
            _ => None,
        });
        labels.max()
    }
}
