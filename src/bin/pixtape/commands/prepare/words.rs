//! `prepare words`: a plane for each word of a caption, after two of coordinates.

use crate::commands::prepare::planes::{
    COORDINATES, at_line, columns, named, refusal, save, squares,
};
use crate::commands::prepare::work::{Common, Job, renamed, run_all, size, some};
use crate::messages::shown;
use clap::Args;
use pixtape::io::{create_dir, read_text, write_aside};
use pixtape::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// The most words, so that a file has at most 64 planes.
const MOST: usize = 64 - COORDINATES;
const EXPECTED: &str = "a text, each line the name of an image, a tab and its caption";
/// What a first line of titles may begin with.
const TITLES: [&str; 6] = ["name", "image", "file", "filename", "file_name", "file name"];

/// Flags of `prepare words`.
#[derive(Args, Clone, Debug)]
#[command(rename_all = "snake_case")]
pub(crate) struct WordsArgs {
    /// Captions: each line the name of an image, a tab and its caption. If any caption has a
    /// comma, all are phrases separated by commas; otherwise words separated by spaces. Upper and
    /// lower case are the same.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Folder for the planes: an .npy file for each caption, with a channel for x, one for y and
    /// one for each word, in which a square is white if it is said. The words are written beside
    /// it, to FOLDER.words.txt.
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
    /// Size of the images: 256, or 512x256 (width x height).
    #[arg(long, value_parser = size)]
    size: (u32, u32),
    /// Words (or phrases) in the order of their planes, one a line, as an earlier FOLDER.words.txt:
    /// needed for captions to translate [default: all words of the captions, sorted].
    #[arg(long, value_name = "FILE")]
    vocabulary: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// A caption of an image.
struct Caption {
    name: PathBuf,
    line: usize,
    words: Vec<String>,
}

pub(crate) fn run(args: &WordsArgs) -> Result<()> {
    let given = args.vocabulary.as_deref().map(vocabulary).transpose()?;
    let phrases = given.iter().flatten().any(|word| word.contains(' '));
    let captions = captions(&args.input, phrases)?;
    let words = match given {
        Some(words) => words,
        None => all_words(&captions, &args.input)?,
    };
    let size = [args.size.0, args.size.1];
    if let Some(why) = refusal(size, (COORDINATES + words.len()) as u32) {
        return Err(Error::Usage(format!("--size {}x{}: {why}", size[0], size[1])));
    }
    let columns = columns(words.len());
    if size.into_iter().min() < Some(columns) {
        return Err(Error::Usage(format!(
            "--size {}x{}: {} words need {columns} pixels each way or more",
            size[0],
            size[1],
            words.len()
        )));
    }
    let places = places(args, &captions, &words)?;
    let to = |name: &Path| renamed(name, Path::new(""), &args.output, "npy");
    let jobs: Vec<Job> = captions.iter().map(|c| Job::new(&c.name, to(&c.name))).collect();
    let list = args.vocabulary.is_none().then(|| list_of(&args.output));
    if let Some(list) = &list {
        may_be_written(list, &words, args.common.overwrite)?;
    }
    run_all(&args.common, &jobs, |at, job| {
        save(squares(size, words.len(), &places[at])?, &job.to[0])
    })?;
    let planes = COORDINATES + words.len();
    let mut said = format!("{planes} planes in each: x, y and {} words", words.len());
    if let Some(list) = &list {
        create_dir(list.parent().unwrap_or(Path::new("")))?;
        write_aside(list, text(&words).as_bytes())?;
        said += &format!(" ({}; --vocabulary takes it)", shown(list));
    }
    println!("{said}");
    Ok(())
}

/// The captions of a file.
///
/// # Errors
/// [`Error::File`] with the line for what is none, and for an image that has two.
fn captions(file: &Path, phrases: bool) -> Result<Vec<Caption>> {
    let text = read_text(file, EXPECTED)?;
    let mut rows: Vec<(usize, PathBuf, &str)> = Vec::new();
    let mut known: HashMap<PathBuf, usize> = HashMap::new();
    let lines = (1..).zip(text.split('\n'));
    for (line, row) in lines.filter(|(_, row)| !row.trim().is_empty() && !row.starts_with('#')) {
        let Some((name, caption)) = row.split_once('\t') else {
            return Err(at_line(file, line, format!("no tab in it; expected {EXPECTED}")));
        };
        let [name, caption] = [name, caption].map(unquoted);
        if rows.is_empty() && TITLES.contains(&name.to_lowercase().as_str()) {
            continue;
        }
        let name = named(name).map_err(|why| at_line(file, line, why))?;
        if let Some(before) = known.insert(name.clone(), line) {
            let why = format!("{} has a caption in line {before} too", shown(&name));
            return Err(at_line(file, line, format!("{why}; keep one of them")));
        }
        rows.push((line, name, caption));
    }
    if rows.is_empty() {
        return Err(Error::file(file, format!("has no captions; expected {EXPECTED}")));
    }
    let phrases = phrases || rows.iter().any(|(.., caption)| caption.contains(','));
    let captions = rows.into_iter().map(|(line, name, caption)| {
        let words = if phrases { phrases_of(caption) } else { words_of(caption) };
        match words.is_empty() {
            true => Err(at_line(file, line, format!("{} has an empty caption", shown(&name)))),
            false => Ok(Caption { name, line, words }),
        }
    });
    captions.collect()
}

/// A column without the quotes that spreadsheets put around what has a comma.
fn unquoted(column: &str) -> &str {
    let column = column.trim();
    let inside = column.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or(column).trim()
}

fn words_of(caption: &str) -> Vec<String> {
    let marks = ['.', ';', ':', '!', '?', '"', '(', ')'];
    let words = caption.split_whitespace().map(|word| word.trim_matches(marks).to_lowercase());
    words.filter(|word| !word.is_empty()).collect()
}

fn phrases_of(caption: &str) -> Vec<String> {
    caption.split(',').map(normal).filter(|phrase| !phrase.is_empty()).collect()
}

/// A phrase in lower case, with single spaces.
fn normal(phrase: &str) -> String {
    phrase.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The words of all captions, sorted.
fn all_words(captions: &[Caption], file: &Path) -> Result<Vec<String>> {
    let words: BTreeSet<&String> = captions.iter().flat_map(|caption| &caption.words).collect();
    let words: Vec<String> = words.into_iter().cloned().collect();
    if words.len() > MOST {
        let why = format!(
            "has {} different words: {}; at most {MOST} are possible: separate phrases by commas, \
             or leave words out",
            words.len(),
            some(&words)
        );
        return Err(Error::file(file, why));
    }
    Ok(words)
}

/// The words of a list, in its order.
fn vocabulary(file: &Path) -> Result<Vec<String>> {
    let text = read_text(file, "words or phrases, one a line")?;
    let mut words = Vec::new();
    let lines = (1..).zip(text.split('\n')).map(|(line, word)| (line, normal(word)));
    for (line, word) in lines.filter(|(_, word)| !word.is_empty()) {
        if word.contains(',') {
            return Err(at_line(file, line, format!("{word:?} has a comma; give one word a line")));
        }
        if words.contains(&word) {
            return Err(at_line(file, line, format!("{word:?} is there before; keep one of them")));
        }
        words.push(word);
    }
    if !(1..=MOST).contains(&words.len()) {
        let why = format!("has {} words; from 1 to {MOST} are possible", words.len());
        return Err(Error::file(file, why));
    }
    Ok(words)
}

/// Of each caption the numbers of its words.
fn places(args: &WordsArgs, captions: &[Caption], words: &[String]) -> Result<Vec<Vec<usize>>> {
    let place = |caption: &Caption, word: &String| {
        words.iter().position(|known| known == word).ok_or_else(|| {
            let list = args.vocabulary.as_deref().unwrap_or(&args.input);
            let why = format!("{word:?} is not in {}; {}", shown(list), near(word, words));
            at_line(&args.input, caption.line, why)
        })
    };
    captions.iter().map(|c| c.words.iter().map(|word| place(c, word)).collect()).collect()
}

/// Advice for a word that is not known.
fn near(word: &str, words: &[String]) -> String {
    let mut alike: Vec<(f64, &String)> =
        words.iter().map(|known| (strsim::jaro_winkler(known, word), known)).collect();
    alike.retain(|(alike, _)| *alike > 0.7);
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    let names: Vec<&String> = alike.into_iter().map(|(_, known)| known).take(3).collect();
    match names.is_empty() {
        true => format!("the words are {}", some(words)),
        false => format!("near are {}", some(&names)),
    }
}

/// Where the words are written: beside the folder, where no training counts another file.
fn list_of(output: &Path) -> PathBuf {
    match output.file_name() {
        Some(name) => {
            let mut name = name.to_os_string();
            name.push(".words.txt");
            output.with_file_name(name)
        }
        None => output.join("words.txt"),
    }
}

fn text(words: &[String]) -> String {
    words.iter().map(|word| format!("{word}\n")).collect()
}

/// Refuses to replace other words: planes made with them would mean something else.
fn may_be_written(list: &Path, words: &[String], overwrite: bool) -> Result<()> {
    let same = || std::fs::read(list).is_ok_and(|bytes| bytes == text(words).as_bytes());
    if !list.exists() || overwrite || same() {
        return Ok(());
    }
    let why = "exists already and has other words; give it as --vocabulary, choose another folder, \
               or give --overwrite";
    Err(Error::file(list, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_phrases_are_told_apart_and_made_alike() {
        assert_eq!(words_of(" A red (house).  Red!"), ["a", "red", "house", "red"]);
        assert_eq!(
            phrases_of("Two  storeys, red roof,,shop "),
            ["two storeys", "red roof", "shop"]
        );
        assert_eq!(unquoted(" \"red roof, shop\" "), "red roof, shop");
        assert_eq!(unquoted("\""), "\"");
    }

    #[test]
    fn the_words_lie_beside_their_folder() {
        for (folder, list) in
            [("a/b/", "a/b.words.txt"), ("b.1", "b.1.words.txt"), (".", "./words.txt")]
        {
            assert_eq!(list_of(Path::new(folder)), Path::new(list));
        }
    }
}
