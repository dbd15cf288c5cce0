//! A file of the project, once as it is and once with comments and literals blanked out.

use std::fmt;
use std::path::Path;

/// One file.
pub struct Source {
    /// Its path in the project, with slashes.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The text with every comment, string and character replaced by blanks; lines stay lines.
    pub code: String,
}

/// Something to mend.
#[derive(Debug, PartialEq, Eq)]
pub struct Complaint {
    pub path: String,
    /// From 1.
    pub line: usize,
    pub problem: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.problem)
    }
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: blank(text) }
    }

    /// A complaint about what stands at a byte of the code.
    pub fn complain(&self, at: usize, problem: String) -> Complaint {
        let line = self.code.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Complaint { path: self.path.clone(), line, problem }
    }

    /// Every plain string of the file, where it begins and what stands between its quotes.
    pub fn strings(&self) -> Vec<(usize, &str)> {
        let bytes = self.text.as_bytes();
        let (mut found, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            match literal_end(bytes, at) {
                Some(end) => {
                    if bytes[at] == b'"' && end > at + 1 {
                        found.push((at, &self.text[at + 1..end - 1]));
                    }
                    at = end;
                }
                None if is_name(bytes[at]) => at = name_end(bytes, at),
                None => at += 1,
            }
        }
        found
    }

    /// Where `words` stands in the code, with no longer name around it.
    pub fn places<'a>(&'a self, words: &'a str) -> impl Iterator<Item = usize> + 'a {
        let code = self.code.as_bytes();
        self.code.match_indices(words).map(|(at, _)| at).filter(move |&at| {
            let bare = |inner: u8, outer: Option<&u8>| {
                !(is_name(inner) && outer.is_some_and(|byte| is_name(*byte)))
            };
            let (first, last) = (code[at], code[at + words.len() - 1]);
            bare(first, at.checked_sub(1).and_then(|before| code.get(before)))
                && bare(last, code.get(at + words.len()))
        })
    }
}

/// Whether a byte may be part of a name.
pub fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Every Rust file of the project.
pub fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches"] {
        walk(root, &root.join(folder), &mut found);
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder of ours can be read").path();
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                walk(root, &path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("our files are UTF-8");
            let name = path.strip_prefix(root).expect("it was found under the root");
            found.push(Source::new(&name.to_string_lossy().replace('\\', "/"), &text));
        }
    }
}

/// Replaces comments, strings and characters by blanks, byte for byte.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        match end {
            Some(end) => {
                for byte in &mut out[at..end] {
                    if *byte != b'\n' {
                        *byte = b' ';
                    }
                }
                at = end;
            }
            // A name is stepped over whole, so that the `r` of `for"` starts no raw string.
            None if is_name(bytes[at]) => at = name_end(bytes, at),
            None => at += 1,
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn name_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| !is_name(*byte)).map_or(bytes.len(), |length| at + length)
}

/// The end of the comment or literal that begins at `at`, if one does.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let to_end_of = |pattern: &[u8], from: usize| {
        let found = rest[from..].windows(pattern.len()).position(|window| window == pattern);
        found.map_or(bytes.len(), |found| at + from + found + pattern.len())
    };
    if rest.starts_with(b"//") {
        let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        return Some(at + line);
    }
    if rest.starts_with(b"/*") {
        return Some(block_end(bytes, at));
    }
    let prefix = rest.iter().take_while(|byte| b"bcr".contains(byte)).count();
    let raw = prefix > 0 && rest[prefix - 1] == b'r';
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let opener = rest.get(prefix + hashes);
    if raw && opener == Some(&b'"') {
        let mut closer = vec![b'"'];
        closer.resize(hashes + 1, b'#');
        return Some(to_end_of(&closer, prefix + hashes + 1));
    }
    match (hashes, opener) {
        (0, Some(b'"')) => Some(quoted_end(bytes, at + prefix, b'"')),
        (0, Some(b'\'')) if is_character(&rest[prefix..]) => {
            Some(quoted_end(bytes, at + prefix, b'\''))
        }
        _ => None,
    }
}

/// Tells a character from a lifetime: one character, or an escape, before the closing quote.
fn is_character(rest: &[u8]) -> bool {
    if rest.get(1) == Some(&b'\\') {
        return true;
    }
    let width = rest.get(1).map_or(1, |first| match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    });
    rest.get(1 + width) == Some(&b'\'')
}

fn quoted_end(bytes: &[u8], open: usize, quote: u8) -> usize {
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn block_end(bytes: &[u8], open: usize) -> usize {
    let (mut at, mut depth) = (open, 0);
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => {
                (at, depth) = (at + 2, depth - 1);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

#[test]
fn comments_and_literals_are_blanked_and_code_is_not() {
    let check = |text: &str, code: &str| assert_eq!(blank(text), code, "{text}");
    check("a // b\nc", "a     \nc");
    check("a /* b /* c */ d */ e", "a                   e");
    check(r#"f("x\"y") + g"#, "f(      ) + g");
    check("r#\"a\"b\"# + c", "         + c");
    check("b\"ab\" c\"d\"", "           ".get(..10).expect("ten"));
    check("'a' + 'b'", "    +    ");
    check(r"'\'' + x", "     + x");
    check("'é' + x", "     + x");
    check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
    check("for\"x\"", "for   ");
}

#[test]
fn strings_are_found_and_comments_are_not() {
    let source =
        Source::new("a.rs", "f(\"a.b\") // \"c\"\n+ b\"d\" + \"\" + r\"e\" + '\"' + \"f\"");
    let found: Vec<_> = source.strings().into_iter().map(|(_, text)| text).collect();
    assert_eq!(found, ["a.b", "", "f"]);
    assert_eq!(source.strings()[0].0, 2);
}

#[test]
fn names_are_found_whole() {
    let source = Source::new("a.rs", "sled::x; unsled; sledge; \"sled\"; // sled\n(sled)");
    let found: Vec<_> = source.places("sled").collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(source.complain(found[1], String::new()).line, 2);
}
