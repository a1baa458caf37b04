//! Reading joints: which of the two formats a file has is decided by its content.

use crate::commands::prepare::planes::{at_line, named, note};
use crate::commands::prepare::work::some;
use crate::messages::shown;
use pixtape::io::read_text;
use pixtape::{Error, Result};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// First line of the CSV.
const TITLES: &str = "name:keypoints_y:keypoints_x";
const EXPECTED: &str = "COCO's keypoints (person_keypoints_*.json), or lines \
                        name:keypoints_y:keypoints_x under that title";
/// The most joints: the channels that a network may read.
const MOST: usize = 1024;

/// The places of a person's joints, (x, y) from the middle of the top left pixel. What is not seen
/// has none.
pub(super) type Person = Vec<Option<[f64; 2]>>;

/// An image and who is in it.
#[derive(Debug, PartialEq)]
pub(super) struct Figures {
    pub name: PathBuf,
    /// Width and height, if the file tells.
    pub size: Option<[u32; 2]>,
    pub people: Vec<Person>,
}

/// What a file tells.
#[derive(Debug)]
pub(super) struct Keypoints {
    /// In the order of the file.
    pub images: Vec<Figures>,
    /// Joints of a person.
    pub joints: usize,
}

impl Keypoints {
    /// Reads a file of either format, and notes images that nobody is seen in.
    ///
    /// # Errors
    /// [`Error::File`] for what is of neither, and for what does not agree with itself, with the
    /// line or the annotation.
    pub fn read(file: &Path) -> Result<Keypoints> {
        let text = read_text(file, EXPECTED)?;
        let first = text.trim_start().lines().next().unwrap_or_default().trim();
        let found = if first.starts_with(['{', '[']) {
            coco(&text, file)?
        } else if first.eq_ignore_ascii_case(TITLES) {
            csv(&text, file)?
        } else if first.is_empty() {
            return Err(Error::file(file, format!("is empty; expected {EXPECTED}")));
        } else {
            let start: String = first.chars().take(40).collect();
            let why = format!("begins with {start:?}, which is neither; expected {EXPECTED}");
            return Err(Error::file(file, why));
        };
        if !(1..=MOST).contains(&found.joints) {
            let why = format!("has {} joints; from 1 to {MOST} are possible", found.joints);
            return Err(Error::file(file, why));
        }
        Ok(found)
    }
}

/// What is read of COCO's annotations.
#[derive(Deserialize)]
struct Coco {
    images: Vec<Photo>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Photo {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
}

/// A person, or a thing that has no joints.
#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    /// x, y and visibility of each joint; 0 if it is not labelled.
    #[serde(default)]
    keypoints: Vec<f64>,
}

fn coco(text: &str, file: &Path) -> Result<Keypoints> {
    let Coco { images, annotations } = serde_json::from_str(text).map_err(|e| {
        Error::file(file, format!("not COCO's keypoints: {e}; expected {EXPECTED}"))
    })?;
    let numbers = annotations.iter().map(|a| a.keypoints.len()).find(|count| *count > 0);
    let Some(numbers) = numbers else {
        let why = format!(
            "has {} annotations and no keypoints among them; those of people are in COCO's \
             person_keypoints_*.json",
            annotations.len()
        );
        return Err(Error::file(file, why));
    };
    let mut found = Vec::with_capacity(images.len());
    let mut places = HashMap::new();
    for Photo { id, file_name, width, height } in images {
        let name = named(&file_name).map_err(|why| Error::file(file, why))?;
        if places.insert(id, found.len()).is_some() {
            return Err(Error::file(file, format!("has two images of id {id}")));
        }
        found.push(Figures { name, size: Some([width, height]), people: Vec::new() });
    }
    for (at, Annotation { image_id, keypoints }) in (1..).zip(&annotations) {
        let refuse = |why: String| Error::file(file, format!("annotation {at}: {why}"));
        let place = places
            .get(image_id)
            .ok_or_else(|| refuse(format!("image_id {image_id} is not among the images")))?;
        if keypoints.is_empty() {
            continue;
        }
        if keypoints.len() != numbers || numbers % 3 != 0 {
            return Err(refuse(format!(
                "{} numbers in keypoints; x, y and visibility of as many joints as in the others \
                 ({} numbers) are expected",
                keypoints.len(),
                numbers
            )));
        }
        let joints = keypoints.chunks_exact(3).map(|k| (k[2] > 0.0).then_some([k[0], k[1]]));
        let person: Person = joints.collect();
        if person.iter().any(Option::is_some) {
            found[*place].people.push(person);
        }
    }
    let all = found.len();
    found.retain(|figures| !figures.people.is_empty());
    if found.is_empty() {
        return Err(Error::file(file, "has no joint that is labelled: every visibility is 0"));
    }
    if found.len() < all {
        let none = all - found.len();
        note(file, &format!("{none} of {all} images have no joints; they get no planes"));
    }
    Ok(Keypoints { images: found, joints: numbers / 3 })
}

fn csv(text: &str, file: &Path) -> Result<Keypoints> {
    let mut found: Vec<Figures> = Vec::new();
    let mut known: HashMap<PathBuf, usize> = HashMap::new();
    let (mut joints, mut nobody) = (None, Vec::new());
    let lines = (1..).zip(text.split('\n')).filter(|(_, line)| !line.trim().is_empty());
    for (number, line) in lines.skip(1) {
        let (name, person) = row(line).map_err(|why| at_line(file, number, why))?;
        if let Some(before) = known.insert(name.clone(), number) {
            let why = format!("{} is in line {before} too; keep one of them", shown(&name));
            return Err(at_line(file, number, why));
        }
        let (count, first) = *joints.get_or_insert((person.len(), number));
        if person.len() != count {
            let why = format!("{} joints, and {count} in line {first}", person.len());
            return Err(at_line(file, number, why));
        }
        if person.iter().all(Option::is_none) {
            nobody.push(shown(&name));
        }
        found.push(Figures { name, size: None, people: vec![person] });
    }
    let Some((joints, _)) = joints else {
        return Err(Error::file(file, "has no joints: there is no line under its title"));
    };
    if !nobody.is_empty() {
        let what = format!("{} image(s) have no joint at all: {}", nobody.len(), some(&nobody));
        note(file, &format!("{what}; their planes are empty"));
    }
    Ok(Keypoints { images: found, joints })
}

/// A line of the CSV: `name: [y, …]: [x, …]`, -1 for a joint that is not seen.
fn row(line: &str) -> std::result::Result<(PathBuf, Person), String> {
    let columns: Vec<&str> = line.rsplitn(3, ':').collect();
    let [x, y, name] = columns[..] else {
        return Err(format!("{} column(s); expected {TITLES}", columns.len()));
    };
    let numbers = |title: &str, list: &str| {
        serde_json::from_str::<Vec<f64>>(list.trim())
            .map_err(|e| format!("{title} is no list of numbers as [12, 34, -1]: {e}"))
    };
    let (y, x) = (numbers("keypoints_y", y)?, numbers("keypoints_x", x)?);
    if x.len() != y.len() {
        return Err(format!("{} numbers in keypoints_y and {} in keypoints_x", y.len(), x.len()));
    }
    let place = |(x, y): (&f64, &f64)| (*x != -1.0 && *y != -1.0).then_some([*x, *y]);
    Ok((named(name)?, x.iter().zip(&y).map(place).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_y_first_and_minus_one_for_what_is_not_seen() {
        let (name, joints) = row("a.b.jpg: [12, -1, 3.5]: [34, 5, 0]").unwrap();
        assert_eq!(name, Path::new("a.b.jpg"));
        assert_eq!(joints, [Some([34.0, 12.0]), None, Some([0.0, 3.5])]);
        for (bad, why) in [
            ("a.jpg: [1, 2]", "2 column(s)"),
            ("a.jpg: [1, 2]: [1]", "2 numbers in keypoints_y and 1 in keypoints_x"),
            ("a.jpg: [1, nan]: [1, 2]", "keypoints_y is no list"),
            ("a.jpg: [1]: 1", "keypoints_x is no list"),
            ("../a.jpg: [1]: [1]", "no name"),
        ] {
            let said = row(bad).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }
}
