//! `prepare joints`: a heat map for each joint, from COCO's keypoints or those of DeepFashion.

mod keypoints;

use crate::commands::prepare::planes::{note, refusal, save};
use crate::commands::prepare::work::{Common, Job, by_key, renamed, run_all, some};
use crate::messages::shown;
use clap::Args;
use keypoints::{Figures, Keypoints, Person};
use pixtape::io::{Header, Picture, name_key};
use pixtape::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Flags of `prepare joints`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct JointsArgs {
    /// Joints: COCO's annotations (person_keypoints_train2017.json for example), or the CSV of
    /// DeepFashion for pose transfer, with lines name:keypoints_y:keypoints_x.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Folder of the images that the joints are of. The CSV needs it, for their sizes; COCO's file
    /// has sizes, and the images are only compared.
    #[arg(long, value_name = "FOLDER")]
    images: Option<PathBuf>,
    /// Folder for the planes: an .npy file for each image, of its name and size, with a channel
    /// for each joint.
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
    /// Width of a spot: the value falls from 255 at the joint to 155 at this distance. [default: 6
    /// of 256 pixels of the longer side]
    #[arg(long, value_name = "PIXELS", value_parser = sigma)]
    sigma: Option<f64>,
    #[command(flatten)]
    common: Common,
}

fn sigma(text: &str) -> std::result::Result<f64, String> {
    let value = text.trim().parse::<f64>().ok().filter(|v| (0.1..=10_000.0).contains(v));
    value.ok_or_else(|| "a number of pixels, from 0.1 to 10000".into())
}

/// Six pixels for images of 256x176, as pose transfer has them; as much of larger ones, which
/// training scales down.
fn usual_sigma([width, height]: [u32; 2]) -> f64 {
    f64::from(width.max(height)) * 6.0 / 256.0
}

pub(crate) fn run(args: &JointsArgs) -> Result<()> {
    let found = Keypoints::read(&args.input)?;
    let jobs = jobs(args, &found)?;
    run_all(&args.common, &jobs, |at, job| {
        let figures = &found.images[at];
        let size = size(args, figures, &job.from[0])?;
        if let Some(why) = refusal(size, found.joints as u32) {
            return Err(Error::file(&job.from[0], why));
        }
        let sigma = args.sigma.unwrap_or_else(|| usual_sigma(size));
        save(draw(size, found.joints, &figures.people, sigma)?, &job.to[0])
    })?;
    println!("{} planes in each, one for a joint", found.joints);
    Ok(())
}

/// Width and height of an image: what the annotations say, or else the image itself.
fn size(args: &JointsArgs, figures: &Figures, image: &Path) -> Result<[u32; 2]> {
    if args.images.is_none() {
        return Ok(figures.size.unwrap_or_default());
    }
    let Header { width, height, .. } = Header::read(image)?;
    match figures.size {
        Some([w, h]) if [w, h] != [width, height] => {
            let why = format!(
                "is {width}x{height}, and {w}x{h} in {}; give the images as they were annotated",
                shown(&args.input)
            );
            Err(Error::file(image, why))
        }
        _ => Ok([width, height]),
    }
}

/// A job for each image.
fn jobs(args: &JointsArgs, found: &Keypoints) -> Result<Vec<Job>> {
    let to = |name: &Path| renamed(name, Path::new(""), &args.output, "npy");
    let Some(folder) = &args.images else {
        if found.images.iter().any(|figures| figures.size.is_none()) {
            let why = "tells no sizes of images; name their folder with --images";
            return Err(Error::file(&args.input, why));
        }
        return Ok(found.images.iter().map(|f| Job::new(&f.name, to(&f.name))).collect());
    };
    let there = by_key(folder, &args.output)?;
    let (mut jobs, mut missing) = (Vec::with_capacity(found.images.len()), Vec::new());
    for Figures { name, .. } in &found.images {
        match there.get(&name_key(name)) {
            Some(image) => jobs.push(Job::new(image, to(name))),
            None => missing.push(shown(name)),
        }
    }
    if !missing.is_empty() {
        let why = format!(
            "names {} image(s) that are not in {}: {}; put them there, or take them out of the \
             file",
            missing.len(),
            shown(folder),
            some(&missing)
        );
        return Err(Error::file(&args.input, why));
    }
    tell_of_rest(folder, &there, found);
    Ok(jobs)
}

/// Says which images of the folder get no planes.
fn tell_of_rest(folder: &Path, there: &HashMap<PathBuf, PathBuf>, found: &Keypoints) {
    let named: HashSet<PathBuf> = found.images.iter().map(|f| name_key(&f.name)).collect();
    let mut rest: Vec<String> =
        there.keys().filter(|key| !named.contains(*key)).map(|key| shown(key)).collect();
    if !rest.is_empty() {
        rest.sort();
        let what = format!("{} image(s) without joints: {}", rest.len(), some(&rest));
        note(folder, &format!("{what}; they get no planes, and fit no pair"));
    }
}

/// Planes of joints: 255 at a joint, and less around it as a Gaussian falls. Of several people each
/// pixel has the nearest's.
fn draw(size: [u32; 2], joints: usize, people: &[Person], sigma: f64) -> Result<Picture> {
    let [width, height] = size.map(|side| side as usize);
    let mut data = vec![0u8; width * height * joints];
    let falls = |side: usize, middle: f64| -> Vec<f64> {
        (0..side).map(|at| (-0.5 * ((at as f64 - middle) / sigma).powi(2)).exp()).collect()
    };
    for person in people {
        for (joint, place) in person.iter().enumerate() {
            let Some([x, y]) = *place else { continue };
            let columns = falls(width, x);
            for (row, fall) in falls(height, y).into_iter().enumerate() {
                if fall * 255.0 < 0.5 {
                    continue;
                }
                let pixels = data[row * width * joints..].chunks_exact_mut(joints);
                for (pixel, column) in pixels.zip(&columns) {
                    pixel[joint] = pixel[joint].max((255.0 * fall * column + 0.5) as u8);
                }
            }
        }
    }
    Picture::new(size[0], size[1], joints as u32, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_fall_as_gaussians_and_the_nearest_person_counts() {
        let people = vec![vec![Some([2.0, 1.0]), None], vec![Some([6.0, 1.0]), Some([-1.0, 9e99])]];
        let picture = draw([9, 3], 2, &people, 1.5).unwrap();
        let at = |x: u32, y: u32, joint: u32| picture.data[((y * 9 + x) * 2 + joint) as usize];
        for y in 0..3 {
            for x in 0..9 {
                let distance = [2.0f64, 6.0]
                    .map(|to| (f64::from(x) - to).powi(2) + (f64::from(y) - 1.0).powi(2));
                let nearest = distance[0].min(distance[1]);
                let wanted = (255.0 * (-nearest / (2.0 * 1.5 * 1.5)).exp()).round() as u8;
                assert_eq!((at(x, y, 0), at(x, y, 1)), (wanted, 0), "({x}, {y})");
            }
        }
        assert_eq!(at(2, 1, 0), 255);
    }

    #[test]
    fn the_usual_width_is_that_of_pose_transfer() {
        assert_eq!((usual_sigma([176, 256]), usual_sigma([640, 480])), (6.0, 15.0));
        assert!(["0", "-1", "nan", "inf", "x"].iter().all(|text| sigma(text).is_err()));
    }
}
