//! `prepare coco`: label and instance maps from COCO's panoptic annotations.

use crate::commands::prepare::instances::{Bits, save};
use crate::commands::prepare::split::put;
use crate::commands::prepare::work::{Common, Job, run_all, some};
use crate::messages::shown;
use clap::Args;
use pixtape::io::{IndexMap, Picture, create_dir, instance_number, write_aside};
use pixtape::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Flags of `prepare coco`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct CocoArgs {
    /// Folder of panoptic PNGs, whose colours are numbers of segments: red + 256 green + 65536
    /// blue.
    #[arg(long)]
    input: PathBuf,
    /// Their annotations: `panoptic_train2017.json` for example.
    #[arg(long, value_name = "FILE")]
    json: PathBuf,
    /// ROOT of the results: ROOT/PHASE_label, ROOT/PHASE_inst and ROOT/names.txt.
    #[arg(long)]
    output: PathBuf,
    /// PHASE of the results: train, val or test.
    #[arg(long, default_value = "train")]
    phase: String,
    /// Folder of the photographs, copied to ROOT/PHASE_img.
    #[arg(long)]
    images: Option<PathBuf>,
    /// Hard links instead of copies of the photographs.
    #[arg(long, requires = "images")]
    link: bool,
    #[command(flatten)]
    common: Common,
}

/// What is read of the annotations.
#[derive(Deserialize, Debug)]
struct Panoptic {
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
    #[serde(default)]
    images: Vec<Photo>,
}

#[derive(Deserialize, Debug)]
struct Annotation {
    file_name: String,
    #[serde(default)]
    image_id: Option<u64>,
    segments_info: Vec<Segment>,
}

#[derive(Deserialize, Debug)]
struct Segment {
    id: u32,
    category_id: u32,
    #[serde(default)]
    iscrowd: u32,
}

#[derive(Deserialize, Debug)]
struct Category {
    id: u32,
    name: String,
    #[serde(default = "thing")]
    isthing: u32,
}

#[derive(Deserialize, Debug)]
struct Photo {
    id: u64,
    file_name: String,
}

/// Where nothing is said, every segment is an instance.
fn thing() -> u32 {
    1
}

/// Classes by category: from 1 on in the order of their categories; 0 is what has no segment.
struct Classes<'a>(BTreeMap<u32, (u32, &'a Category)>);

impl<'a> Classes<'a> {
    fn new(categories: &'a [Category], json: &Path) -> Result<Classes<'a>> {
        let mut sorted: Vec<&Category> = categories.iter().collect();
        sorted.sort_by_key(|category| category.id);
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].id == pair[1].id) {
            let why = format!("names category {} twice", pair[0].id);
            return Err(Error::file(json, why));
        }
        if !(1..=254).contains(&sorted.len()) {
            let why = format!("has {} categories; from 1 to 254 are read", sorted.len());
            return Err(Error::file(json, why));
        }
        let numbered = (1..).zip(sorted).map(|(class, category)| (category.id, (class, category)));
        Ok(Classes(numbered.collect()))
    }

    /// Bits that every possible number of an instance fits.
    fn bits(&self) -> Bits {
        let things = self.0.values().filter(|(_, category)| category.isthing != 0);
        match things.map(|(class, _)| *class).max() {
            Some(class) if 1000 * class + 999 > u32::from(u16::MAX) => Bits::ThirtyTwo,
            _ => Bits::Sixteen,
        }
    }

    /// A line per class: number, name, thing or stuff, COCO's category.
    fn names(&self) -> String {
        let mut text = "0\tunlabelled\tstuff\t\n".to_string();
        for (id, (class, category)) in &self.0 {
            let kind = if category.isthing != 0 { "thing" } else { "stuff" };
            let name = category.name.replace(char::is_control, " ");
            text += &format!("{class}\t{name}\t{kind}\t{id}\n");
        }
        text
    }
}

pub(crate) fn run(args: &CocoArgs) -> Result<()> {
    let panoptic = read(&args.json)?;
    let classes = Classes::new(&panoptic.categories, &args.json)?;
    let bits = classes.bits();
    let jobs = jobs(args, &panoptic, bits)?;
    let names = args.output.join("names.txt");
    if names.exists()
        && !args.common.overwrite
        && std::fs::read(&names).ok() != Some(classes.names().into_bytes())
    {
        let why = "exists already and names other classes; choose another folder, or give \
                   --overwrite";
        return Err(Error::file(&names, why));
    }
    run_all(&args.common, &jobs, |at, job| {
        let (labels, instances) = maps(&job.from[0], &panoptic.annotations[at], &classes)?;
        save(&instances, &job.from[0], &job.to[1], bits)?;
        labels.save(&job.to[0], 8)?;
        match (job.from.get(1), job.to.get(2)) {
            (Some(from), Some(to)) => put(from, to, args.link),
            _ => Ok(()),
        }
    })?;
    create_dir(&args.output)?;
    write_aside(&names, classes.names().as_bytes())?;
    let classes = classes.0.len() + 1;
    println!("{classes} classes in {} (--label_nc {classes}); 0 is unlabelled", shown(&names));
    Ok(())
}

fn read(json: &Path) -> Result<Panoptic> {
    let text = pixtape::io::file::read_text(json).map_err(|e| {
        Error::file(json, format!("cannot be read: {e}; expected COCO's panoptic annotations"))
    })?;
    let panoptic: Panoptic = serde_json::from_str(&text).map_err(|e| {
        let why = format!(
            "not COCO's panoptic annotations: {e}; expected annotations with segments_info, and \
             categories"
        );
        Error::file(json, why)
    })?;
    if panoptic.annotations.is_empty() {
        return Err(Error::file(json, "has no annotations"));
    }
    Ok(panoptic)
}

/// A job per annotation: its PNG, and its photograph if there are any.
fn jobs(args: &CocoArgs, panoptic: &Panoptic, bits: Bits) -> Result<Vec<Job>> {
    let photos: HashMap<u64, &str> =
        panoptic.images.iter().map(|photo| (photo.id, photo.file_name.as_str())).collect();
    let folder = |ending: &str| args.output.join(format!("{}_{ending}", args.phase));
    let mut jobs = Vec::with_capacity(panoptic.annotations.len());
    let mut missing = Vec::new();
    for annotation in &panoptic.annotations {
        let name = Path::new(plain(&annotation.file_name, &args.json)?);
        let mut job = Job {
            from: vec![args.input.join(name)],
            to: vec![
                folder("label").join(name).with_extension("png"),
                folder("inst").join(name).with_extension(bits.extension()),
            ],
        };
        if let Some(images) = &args.images {
            let photo = annotation.image_id.and_then(|id| photos.get(&id)).copied();
            let jpeg = name.with_extension("jpg");
            let photo = Path::new(match photo {
                Some(photo) => plain(photo, &args.json)?,
                None => jpeg.to_str().unwrap_or_default(),
            });
            let extension = photo.extension().unwrap_or_default();
            job.from.push(images.join(photo));
            job.to.push(folder("img").join(name).with_extension(extension));
        }
        missing.extend(job.from.iter().filter(|f| !f.is_file()).map(|f| f.display().to_string()));
        jobs.push(job);
    }
    if !missing.is_empty() {
        let why = format!("names {} files that are not there: {}", missing.len(), some(&missing));
        return Err(Error::file(&args.json, why));
    }
    Ok(jobs)
}

/// A name of a file of the annotations, which must not lead anywhere else.
fn plain<'a>(name: &'a str, json: &Path) -> Result<&'a str> {
    match name.contains(['/', '\\']) || name.contains(char::is_control) || name.starts_with('.') {
        false if !name.is_empty() => Ok(name),
        _ => Err(Error::file(json, format!("{name:?} is no plain name of a file"))),
    }
}

/// Label and instance map of a panoptic PNG.
fn maps(
    file: &Path,
    annotation: &Annotation,
    classes: &Classes<'_>,
) -> Result<(IndexMap, IndexMap)> {
    let refuse = |why: String| Error::file(file, why);
    // Of each segment its class and the number of its instance.
    let mut segments: HashMap<u32, (u32, u32)> = HashMap::from([(0, (0, 0))]);
    let mut counts: HashMap<u32, u32> = HashMap::new();
    for segment in &annotation.segments_info {
        let Some((class, category)) = classes.0.get(&segment.category_id) else {
            let why = format!("segment {} is of no category known", segment.id);
            return Err(refuse(format!("{why}: {}", segment.category_id)));
        };
        let instance = if category.isthing != 0 && segment.iscrowd == 0 {
            let count = counts.entry(*class).or_default();
            *count += 1;
            instance_number(*class, *count - 1).map_err(|e| refuse(e.to_string()))?
        } else {
            *class
        };
        segments.insert(segment.id, (*class, instance));
    }
    let picture = Picture::load(file, 3)?;
    let (mut labels, mut instances) = (Vec::new(), Vec::new());
    for (at, pixel) in picture.data.chunks_exact(3).enumerate() {
        let id = u32::from_le_bytes([pixel[0], pixel[1], pixel[2], 0]);
        let Some((class, instance)) = segments.get(&id) else {
            let (x, y) = (at % picture.width as usize, at / picture.width as usize);
            return Err(refuse(format!(
                "segment {id} at ({x}, {y}) is not among its annotation's segments_info"
            )));
        };
        labels.push(*class);
        instances.push(*instance);
    }
    let map = |data| IndexMap::new(picture.width, picture.height, data);
    Ok((map(labels)?, map(instances)?))
}
