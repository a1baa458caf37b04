//! Shaders without what only readers need, for builds that are downloaded: comments go, indentation
//! becomes one space. Lines keep their numbers, and the loader's directives stay.
//!
//! Everything is evaluated at compile time, so that the files' full texts are not in the binary.

/// Writes the bare text to `to`, which is at least as long as `text`, and returns its length.
pub(super) const fn write(text: &str, to: &mut [u8]) -> usize {
    let from = text.as_bytes();
    let (mut at, mut length) = (0, 0);
    while at < from.len() {
        let mut end = at;
        while end < from.len() && from[end] != b'\n' {
            end += 1;
        }
        let stop = code_end(from, at, end);
        let mut next = at;
        while next < stop && from[next] == b' ' {
            next += 1;
        }
        // The loader takes constants at the margin only.
        if at < next && next < stop {
            next -= 1;
        }
        while next < stop {
            to[length] = from[next];
            (next, length) = (next + 1, length + 1);
        }
        if end < from.len() {
            to[length] = b'\n';
            length += 1;
        }
        at = end + 1;
    }
    length
}

/// The first `N` bytes.
#[cfg(target_arch = "wasm32")]
pub(super) const fn cut<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut to = [0; N];
    to.copy_from_slice(bytes.split_at(N).0);
    to
}

/// Where the line `at..end` ends without its comment. Of a comment at the margin its slashes stay:
/// a file's head is the lines that begin with them.
const fn code_end(text: &[u8], at: usize, end: usize) -> usize {
    let mut stop = at;
    while stop < end && !begins(text, stop, end, b"//") {
        stop += 1;
    }
    if stop == end
        || begins(text, stop, end, b"//@")
        || begins(text, stop, end, b"// use:")
        || begins(text, stop, end, b"// tune")
    {
        return end;
    }
    if stop == at {
        return at + 2;
    }
    while stop > at && text[stop - 1] == b' ' {
        stop -= 1;
    }
    stop
}

const fn begins(text: &[u8], at: usize, end: usize, with: &[u8]) -> bool {
    let mut i = 0;
    while i < with.len() {
        if at + i >= end || text[at + i] != with[i] {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> String {
        let mut to = vec![0; text.len()];
        let length = write(text, &mut to);
        to.truncate(length);
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn comments_go_and_directives_stay() {
        let text = "// use: index\n// What it does.\n\nconst K: u32 = 0u; // tune\nfn f() {\n    \
                    //@unroll\n    a();  // why\n  // why\n}";
        let expected =
            "// use: index\n//\n\nconst K: u32 = 0u; // tune\nfn f() {\n //@unroll\n a();\n\n}";
        assert_eq!(bare(text), expected);
        assert_eq!(bare("// at the end"), "//");
        assert_eq!(bare(""), "");
    }

    #[test]
    fn every_file_keeps_its_code_line_by_line() {
        let code = |line: &str| line.split("//").next().unwrap_or_default().trim().to_string();
        let kept = |line: &str| {
            let comment = line.find("//").map_or("", |at| &line[at..]);
            ["// use:", "// tune", "//@"].iter().any(|d| comment.starts_with(d))
        };
        for (name, text) in crate::shader::FILES {
            let bare = bare(text);
            assert_eq!(bare.lines().count(), text.lines().count(), "{name}");
            for (bare, line) in bare.lines().zip(text.lines()) {
                assert_eq!(code(bare), code(line), "{name}");
                assert_eq!(bare.starts_with(' '), line.starts_with(' ') && !bare.is_empty());
                assert_eq!(bare.starts_with("//"), line.starts_with("//"), "{name}: {line}");
                if kept(line) {
                    assert_eq!(bare.trim_start(), line.trim_start(), "{name}");
                } else {
                    assert!(bare == "//" || !bare.contains("//"), "{name}: {bare}");
                }
            }
        }
    }
}
