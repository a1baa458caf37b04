//! Reads which modules a Rust file names: `use` declarations, and paths written out in code.

/// A path that a file names, from its first word; groups are written out, `*` is a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub path: Vec<String>,
    /// The name it gets here, where it is a `pub use`.
    pub exported: Option<String>,
}

/// Words and signs of a source text, without comments, strings and test modules.
fn tokens(text: &str) -> Vec<String> {
    let c: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    let word = |ch: char| ch.is_alphanumeric() || ch == '_';
    while at < c.len() {
        let rest = &c[at..];
        let starts = |s: &str| s.chars().enumerate().all(|(i, ch)| rest.get(i) == Some(&ch));
        if starts("//") {
            at += rest.iter().position(|ch| *ch == '\n').unwrap_or(rest.len());
        } else if starts("/*") {
            let mut depth = 0;
            loop {
                match (c.get(at), c.get(at + 1)) {
                    (Some('/'), Some('*')) => (depth, at) = (depth + 1, at + 2),
                    (Some('*'), Some('/')) => (depth, at) = (depth - 1, at + 2),
                    (None, _) => break,
                    _ => at += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if rest[0] == '"' {
            at += 1;
            while at < c.len() && c[at] != '"' {
                at += if c[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if rest[0] == 'r' && (starts("r\"") || starts("r#\"") || starts("r##\"")) {
            let hashes = rest[1..].iter().take_while(|ch| **ch == '#').count();
            let end: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
            at += hashes + 2;
            while at < c.len() && !c[at..].starts_with(&end) {
                at += 1;
            }
            at += end.len();
        } else if rest[0] == '\'' {
            // A character, or a lifetime.
            at += match (rest.get(1), rest.get(2)) {
                (Some('\\'), _) => {
                    2 + rest[2..].iter().skip(1).position(|ch| *ch == '\'').unwrap_or(0) + 2
                }
                (_, Some('\'')) => 3,
                _ => 1,
            };
        } else if word(rest[0]) {
            let length = rest.iter().take_while(|ch| word(**ch)).count();
            found.push(rest[..length].iter().collect());
            at += length;
        } else if starts("::") {
            found.push("::".into());
            at += 2;
        } else {
            if !rest[0].is_whitespace() {
                found.push(rest[0].into());
            }
            at += 1;
        }
    }
    without_tests(found)
}

/// Leaves out what follows `#[cfg(test)]`: a module in braces, or a declaration.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if tokens[at..].len() > mark.len() && tokens[at..at + mark.len()].iter().eq(mark.iter()) {
            let mut depth = 0;
            at += mark.len();
            while at < tokens.len() {
                match tokens[at].as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 && matches!(tokens[at - 1].as_str(), "}" | ";") {
                    break;
                }
            }
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// All paths of a file that begin with one of `roots` (`crate`, `super`, `pixtape`, and the names
/// of its child modules).
pub fn named(text: &str, roots: &dyn Fn(&str) -> bool) -> Vec<Named> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let follows = at > 0 && tokens[at - 1] == "::";
        if follows || !roots(token) || tokens.get(at + 1).is_none_or(|t| t != "::") {
            continue;
        }
        let used = at > 0 && tokens[at - 1] == "use";
        // `pub use`, `pub(crate) use`.
        let exported = used && at > 1 && (tokens[at - 2] == "pub" || tokens[at - 2] == ")");
        tree(&tokens, at, &[], exported, &mut found);
    }
    found
}

/// Reads a path from `at`, a group as each of its members; returns where it ends.
fn tree(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    exported: bool,
    found: &mut Vec<Named>,
) -> usize {
    let mut path = before.to_vec();
    let get = |at: usize| tokens.get(at).map(String::as_str).unwrap_or_default();
    loop {
        if get(at) == "{" {
            at += 1;
            while get(at) != "}" && at < tokens.len() {
                at = tree(tokens, at, &path, exported, found);
                at += usize::from(get(at) == ",");
            }
            return at + 1;
        }
        path.push(get(at).to_string());
        at += 1;
        if get(at) != "::" || !(get(at + 1) == "{" || get(at + 1) == "*" || is_word(get(at + 1))) {
            break;
        }
        at += 1;
    }
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if get(at) == "as" && exported {
        name = get(at + 1).to_string();
    }
    if get(at) == "as" {
        at += 2;
    }
    found.push(Named { path, exported: exported.then_some(name) });
    at
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Child modules that a file declares: `mod name;`.
pub fn children(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let declared = tokens.windows(3).filter(|w| w[0] == "mod" && w[2] == ";");
    declared.map(|w| w[1].clone()).collect()
}
