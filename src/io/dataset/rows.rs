//! Lists of pairs, as people write them by hand, by a program or in a spreadsheet.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::entry::{Entry, Misfit};
use crate::error::shown;
use crate::io::text::read_text;
use crate::{Error, Result};

/// What a list holds.
#[derive(Debug, Default)]
pub(super) struct List {
    pub entries: Vec<Entry>,
    /// Files that are not there.
    pub misfits: Vec<Misfit>,
    pub notes: Vec<String>,
}

/// Missing files for which another spelling is looked for.
const LOOKED_FOR: usize = 20;

/// Titles of the two columns.
const TITLES: [[&str; 2]; 4] =
    [["input", "target"], ["a", "b"], ["source", "target"], ["image", "target"]];

impl List {
    /// Rows `input TAB target`, paths relative to the list. In a file named `.csv` commas or
    /// semicolons may separate the columns, the first row decides. Quotes are those of CSV. Empty
    /// rows, rows that begin with `#`, empty columns behind the second and a first row of titles
    /// are left out.
    ///
    /// # Errors
    /// [`Error::File`] with the line for what is no such row, or leads out of the list's folder.
    pub(super) fn read(list: &Path) -> Result<List> {
        List::parse(&read_text(list, "a list: text, each row a pair, input TAB target")?, list)
    }

    fn parse(text: &str, list: &Path) -> Result<List> {
        let folder = Folder::of(list);
        let mut found = List::default();
        let (mut separator, mut first) = (None, true);
        let mut known: HashMap<[PathBuf; 2], usize> = HashMap::new();
        let mut repeated: Vec<(usize, usize)> = Vec::new();
        for (number, line) in (1..).zip(text.split('\n')) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let refuse = |message: String| Error::file(list, format!("line {number}: {message}"));
            let separator = *separator.get_or_insert_with(|| separator_of(list, line));
            let [input, target] = columns(line, separator).map_err(refuse)?;
            let titles = TITLES.iter().any(|titles| {
                titles.iter().zip([&input, &target]).all(|(a, b)| b.trim().eq_ignore_ascii_case(a))
            });
            if std::mem::take(&mut first) && titles {
                continue;
            }
            let mut pair = [PathBuf::new(), PathBuf::new()];
            let mut complete = true;
            for (path, name) in pair.iter_mut().zip([input, target]) {
                match folder.find(&name).map_err(refuse)? {
                    Ok(there) => *path = there,
                    Err(missing) => {
                        complete = false;
                        let look = found.misfits.len() < LOOKED_FOR;
                        let hint = if look { other_case(&missing) } else { String::new() };
                        let list = shown(list);
                        let what = match missing.is_dir() {
                            true => format!("is a folder, in line {number} of {list}"),
                            false => format!("no such file, in line {number} of {list}{hint}"),
                        };
                        found.misfits.push(Misfit::new(&missing, what));
                    }
                }
            }
            if !complete {
                continue;
            }
            if let Some(before) = known.insert(pair.clone(), number) {
                repeated.push((number, before));
            }
            found.entries.push(Entry::Files(pair.map(|path| vec![path]).into()));
        }
        if let Some((line, before)) = repeated.first() {
            found.notes.push(format!(
                "{} row(s) of {} repeat others (line {line} is line {before}); their pairs are \
                 used as often as they are listed",
                repeated.len(),
                shown(list)
            ));
        }
        if found.entries.is_empty() && found.misfits.is_empty() {
            return Err(Error::file(list, "no pair in it; a row is input TAB target"));
        }
        Ok(found)
    }
}

/// The first character that makes two columns of a row.
fn separator_of(list: &Path, line: &str) -> u8 {
    let csv = list.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let choices: &[u8] = if csv { b"\t;," } else { b"\t" };
    let makes_two = |separator: &&u8| columns(line, **separator).is_ok();
    *choices.iter().find(makes_two).unwrap_or(&choices[choices.len() - 1])
}

/// The two columns of a row.
fn columns(line: &str, separator: u8) -> Result<[String; 2], String> {
    let row = [line.as_bytes(), b"\n"].concat();
    let mut reader = csv_core::ReaderBuilder::new().delimiter(separator).build();
    // Values are no longer than the row, and each takes a byte with its separator.
    let (mut values, mut ends) = (vec![0; row.len()], vec![0; row.len() + 1]);
    let (result, _, _, count) = reader.read_record(&row, &mut values, &mut ends);
    if result != csv_core::ReadRecordResult::Record {
        return Err("a quote is not closed; a quote within a quoted name is written twice".into());
    }
    let mut from = 0;
    let mut all: Vec<String> = ends[..count]
        .iter()
        .map(|&end| {
            let value = &values[std::mem::replace(&mut from, end)..end];
            String::from_utf8_lossy(value).into_owned()
        })
        .collect();
    while all.len() > 2 && all.last().is_some_and(|value| value.trim().is_empty()) {
        all.pop();
    }
    <[String; 2]>::try_from(all).map_err(|all| {
        format!(
            "{} columns; a row is input TAB target (in a file named .csv also input,target or \
             input;target)",
            all.len()
        )
    })
}

/// The folder that the paths of a list are relative to.
struct Folder<'a> {
    path: &'a Path,
    /// The same without links.
    real: Option<PathBuf>,
}

impl<'a> Folder<'a> {
    fn of(list: &'a Path) -> Folder<'a> {
        let path = list.parent().unwrap_or(Path::new(""));
        let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Folder { path, real: here.canonicalize().ok() }
    }

    /// The file of a name, as it is written or as another system writes it; or where it should be.
    fn find(&self, name: &str) -> Result<Result<PathBuf, PathBuf>, String> {
        if name.trim().is_empty() || name.contains(char::is_control) {
            return Err(format!("{name:?} is no name of a file"));
        }
        let trimmed = name.trim();
        let slashes = trimmed.replace('\\', "/");
        let mut names = vec![name.to_string(), trimmed.into(), slashes.clone()];
        names.extend([slashes.nfc().collect::<String>(), slashes.nfd().collect()]);
        let out = || {
            format!(
                "{name:?} leads out of the list's folder; paths are relative to the list and stay \
                 below it, links too: copy the files, or move the list up"
            )
        };
        // Before anything is looked at.
        if !names.iter().all(|name| is_inside(Path::new(name))) {
            return Err(out());
        }
        let there = names.iter().map(|name| self.path.join(name)).find(|path| path.is_file());
        let Some(there) = there else { return Ok(Err(self.path.join(slashes))) };
        let linked = there
            .canonicalize()
            .is_ok_and(|real| self.real.as_ref().is_some_and(|root| !real.starts_with(root)));
        if linked { Err(out()) } else { Ok(Ok(there)) }
    }
}

/// A path that leads nowhere but down, `..` counted.
pub(super) fn is_inside(path: &Path) -> bool {
    let mut depth = 0i32;
    path.components().all(|c| {
        match c {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
        depth >= 0
    })
}

/// The file that has the name of a missing one in other letters, as the end of a message.
fn other_case(missing: &Path) -> String {
    let folder = missing.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let lower = |name: &std::ffi::OsStr| name.to_string_lossy().to_lowercase();
    let wanted = missing.file_name().map(lower);
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    match entries.find(|entry| Some(lower(&entry.file_name())) == wanted) {
        Some(entry) => {
            let name = entry.file_name();
            format!("; there is {}, upper and lower case count", shown(Path::new(&name)))
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with empty files of these names.
    fn files(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        dir
    }

    /// The rows of a list in a folder, below it.
    fn rows(dir: &tempfile::TempDir, name: &str, text: impl AsRef<[u8]>) -> Vec<[String; 2]> {
        let list = dir.path().join(name);
        std::fs::write(&list, text).unwrap();
        let found = List::read(&list).unwrap();
        assert!(found.misfits.is_empty(), "{:?}", found.misfits);
        let name =
            |path: &PathBuf| path.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned();
        let row = |entry: &Entry| match entry {
            Entry::Files(files) => [name(&files[0][0]), name(&files[1][0])],
            other => panic!("{other:?}"),
        };
        found.entries.iter().map(row).collect()
    }

    fn refusal(dir: &tempfile::TempDir, name: &str, text: impl AsRef<[u8]>) -> String {
        let list = dir.path().join(name);
        std::fs::write(&list, text).unwrap();
        let message = List::read(&list).unwrap_err().to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        message
    }

    #[test]
    fn lists_of_all_spreadsheets_and_editors_hold_the_same_rows() {
        let dir = files(&["a.png", "x/b.png", "c d.png", "e.png"]);
        let want = [["a.png", "x/b.png"], ["c d.png", "e.png"]].map(|row| row.map(String::from));
        let plain = "a.png\tx/b.png\nc d.png\te.png\n";
        let utf16: Vec<u8> =
            format!("\u{feff}{plain}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(rows(&dir, "list.tsv", utf16), want);
        for text in [
            plain.to_string(),
            plain.replace('\n', "\r\n"),
            plain.replace('\n', "\r"),
            format!("\u{feff}{plain}"),
            format!("# made by hand\n\n Input \tTARGET\n{plain}"),
            "\"input\"\t\"target\"\n\"a.png\"\t\"x/b.png\"\n\"c d.png\"\te.png\n".into(),
            "A\tB\t\t\na.png\tx/b.png\t\t\nc d.png\te.png\t \n".into(),
            "a.png \t x/b.png\n\n  \n#no\n  c d.png\te.png".into(),
            "a.png\tx\\b.png\nc d.png\t.\\e.png\n".into(),
        ] {
            assert_eq!(rows(&dir, "list.tsv", &text), want, "{text:?}");
        }
        for separator in [",", ";", "\t"] {
            let text = format!("input\ttarget\n{plain}").replace('\t', separator);
            assert_eq!(rows(&dir, "list.CSV", &text), want, "{text:?}");
        }
        let message = refusal(&dir, "list.tsv", plain.replace('\t', ","));
        assert!(message.contains("line 1: 1 columns") && message.contains(".csv"), "{message}");
    }

    #[test]
    fn quotes_keep_separators_and_quotes_within_names() {
        let dir = files(&["a,b.png", "say \"no\".png", "c\td.png"]);
        let got = rows(&dir, "list.csv", "\"a,b.png\",\"say \"\"no\"\".png\"\n");
        assert_eq!(got, [["a,b.png", "say \"no\".png"]]);
        let message = refusal(&dir, "list.tsv", "say \"no\".png\ta,b.png\n\"a,b.png\tx.png\n");
        assert!(message.contains("line 2: a quote is not closed"), "{message}");
    }

    #[test]
    fn rows_that_are_none_are_named_by_line() {
        let dir = files(&["a.png", "B.png"]);
        for (text, parts) in [
            ("a.png\tB.png\na.png\tB.png\ta.png\n", &["line 2", "3 columns"][..]),
            ("a.png\t\n", &["line 1", "is no name of a file"]),
            ("\n\n", &["no pair in it"]),
            ("input\ttarget\n", &["no pair in it"]),
        ] {
            let message = refusal(&dir, "list.tsv", text);
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
        let message = refusal(&dir, "list.tsv", b"a.png\tB.png\nna\xefve.png\tB.png\n");
        assert!(message.contains("line 2, byte 3"), "{message}");
        let list = dir.path().join("list.tsv");
        std::fs::write(&list, "# x\na.png\tb.png\nno.png\tB.png\na.png\tB.png\na.png\tB.png\n")
            .unwrap();
        let found = List::read(&list).unwrap();
        assert_eq!((found.entries.len(), found.misfits.len()), (2, 2));
        let said: Vec<String> = found.misfits.iter().map(|m| m.message.clone()).collect();
        assert!(said[0].contains("line 2 of") && said[0].contains("there is B.png"), "{said:?}");
        assert!(said[1].contains("no such file, in line 3"), "{said:?}");
        assert!(found.notes[0].contains("(line 5 is line 4)"), "{:?}", found.notes);
    }

    #[test]
    fn lists_stay_in_their_folder() {
        let dir = files(&["a.png", "x/c.png"]);
        assert_eq!(rows(&dir, "list.tsv", "x/../a.png\t./x/c.png\n").len(), 1);
        for bad in [
            "../a.png\ta.png",
            "a.png\t/etc/passwd",
            "x/../../a.png\ta.png",
            "a.png\t..\\..\\secret.png",
            "a.png\t\\\\server\\share\\a.png",
        ] {
            let message = refusal(&dir, "list.tsv", bad);
            assert!(
                message.contains("list.tsv: line 1") && message.contains("leads out"),
                "{message}"
            );
        }
        for bad in ["a.png\t", "a.png\ta\u{1}.png"] {
            let message = refusal(&dir, "list.tsv", bad);
            assert!(message.contains("line 1") && message.contains("is no name"), "{message}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_list_stay_in_its_folder_too() {
        let dir = files(&["data/a.png", "data/sub/b.png", "elsewhere/secret.png", "beside.png"]);
        let at = |name: &str| dir.path().join(name);
        for (link, to) in [
            ("data/out.png", "elsewhere/secret.png"),
            ("data/away", "elsewhere"),
            ("data/in.png", "data/sub/b.png"),
            ("root", "data"),
        ] {
            std::os::unix::fs::symlink(at(to), at(link)).unwrap();
        }
        // By way of a folder that is a link itself too.
        for root in ["data", "root"] {
            let list = format!("{root}/list.tsv");
            assert_eq!(rows(&dir, &list, "a.png\tsub/b.png\nin.png\ta.png\n").len(), 2);
            for bad in ["a.png\tout.png", "away/secret.png\ta.png", "a.png\taway/../beside.png\n"] {
                let message = refusal(&dir, &list, format!("a.png\ta.png\n{bad}"));
                assert!(
                    message.contains("list.tsv: line 2")
                        && message.contains("leads out of the list's folder"),
                    "{message}"
                );
            }
        }
    }

    #[test]
    fn names_of_other_systems_are_found() {
        let dir = files(&["cafe\u{301}.png", "x y.png"]);
        let got = rows(&dir, "list.tsv", "caf\u{e9}.png\tx y.png \n");
        assert_eq!(got, [["cafe\u{301}.png", "x y.png"]]);
    }
}
