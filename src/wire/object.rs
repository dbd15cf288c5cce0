//! JSON objects, written where they stay.
//!
//! serde looks through the letters of every name, and needs a string for every id and time; a page
//! of posts has thousands of both. What is said most often is written by this, all else by serde.

use serde::Serialize;

use super::fault::write_to;
use crate::model::Spell;

/// One object under way. Its names are of this program, so they are never escaped.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    begun: bool,
}

impl<'a> Object<'a> {
    /// Begins one at the end of `out`.
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, begun: false }
    }

    /// A member that is any text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        write_text(self.out, text);
    }

    /// A member that is any text, or null.
    pub(super) fn text_or_null(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.null(name),
        }
    }

    /// A member that is any text, or is left out.
    pub(super) fn text_if(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A member that is an id or a time.
    pub(super) fn spelled(&mut self, name: &str, value: impl Spell) {
        self.name(name);
        self.out.push(b'"');
        value.spell(self.out);
        self.out.push(b'"');
    }

    /// As `spelled`, or null.
    pub(super) fn spelled_or_null(&mut self, name: &str, value: Option<impl Spell>) {
        match value {
            Some(value) => self.spelled(name, value),
            None => self.null(name),
        }
    }

    /// As `spelled`, or left out.
    pub(super) fn spelled_if(&mut self, name: &str, value: Option<impl Spell>) {
        if let Some(value) = value {
            self.spelled(name, value);
        }
    }

    /// A member that is a word of the contract.
    pub(super) fn word(&mut self, name: &str, word: &'static str) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    /// A member that is true or false.
    pub(super) fn flag(&mut self, name: &str, flag: bool) {
        self.name(name);
        self.out.extend_from_slice(if flag { b"true" } else { b"false" });
    }

    /// A member that serde writes, or null.
    pub(super) fn value_or_null(&mut self, name: &str, value: Option<&impl Serialize>) {
        match value {
            Some(value) => self.value(name, value),
            None => self.null(name),
        }
    }

    /// Members that are written already.
    pub(super) fn written(&mut self, members: &[u8]) {
        self.comma();
        self.out.extend_from_slice(members);
    }

    /// A member that serde writes.
    pub(super) fn value(&mut self, name: &str, value: &impl Serialize) {
        self.name(name);
        write_to(self.out, value);
    }

    /// As `value`, or left out.
    pub(super) fn value_if(&mut self, name: &str, value: Option<&impl Serialize>) {
        if let Some(value) = value {
            self.value(name, value);
        }
    }

    /// A member that is a list; left out when it is empty.
    pub(super) fn list_if<T: Serialize>(&mut self, name: &str, list: &[T]) {
        if !list.is_empty() {
            self.value(name, &list);
        }
    }

    /// A member that `write` writes.
    pub(super) fn with(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.name(name);
        write(self.out);
    }

    /// A member that is null.
    pub(super) fn null(&mut self, name: &str) {
        self.name(name);
        self.out.extend_from_slice(b"null");
    }

    /// Ends it.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    fn comma(&mut self) {
        if self.begun {
            self.out.push(b',');
        }
        self.begun = true;
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// Writes a list; `each` writes one of its items.
pub(super) fn write_list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut each: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        each(out, item);
    }
    out.push(b']');
}

/// Writes text as a JSON string. Nearly all of it needs no escape, and is looked through in chunks.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    let escapes = text
        .as_bytes()
        .chunks(32)
        .any(|chunk| chunk.iter().fold(false, |found, byte| found | special(*byte)));
    if escapes {
        write_to(out, &text);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::{AccountId, Timestamp};

    proptest! {
        #[test]
        fn text_is_written_as_serde_writes_it(text in "(?s).{0,80}", at in 0usize..80) {
            let quoted: String =
                text.chars().enumerate().flat_map(|(n, c)| [Some(c), (n == at).then_some('"')])
                    .flatten().collect();
            for text in [text, quoted] {
                let mut out = Vec::new();
                write_text(&mut out, &text);
                prop_assert_eq!(out, serde_json::to_vec(&text).expect("text"));
            }
        }
    }

    #[test]
    fn each_kind_of_member_is_written() {
        let mut out = b"before".to_vec();
        let mut object = Object::begin(&mut out);
        object.text("a", "\u{1}\"x\\");
        object.text_or_null("b", None);
        object.text_if("c", None);
        object.text_if("d", Some("y"));
        object.spelled("e", Timestamp::from_millis(7));
        object.spelled_or_null("f", None::<Timestamp>);
        object.spelled_if("g", None::<Timestamp>);
        object.spelled_if("h", Some(AccountId::from_raw(8)));
        object.word("i", "queued");
        object.value("j", &json!([1]));
        object.value_if("k", None::<&u8>);
        object.list_if::<u8>("l", &[]);
        object.list_if("m", &[1]);
        object.with("n", |out| write_list(out, [2, 3], |out, n| write_to(out, &n)));
        object.with("o", |out| write_list(out, [], |out, n: u8| write_to(out, &n)));
        object.flag("p", true);
        object.flag("q", false);
        object.value_or_null("r", None::<&u8>);
        object.value_or_null("s", Some(&9));
        object.written(br#""t":1,"u":2"#);
        object.end();
        let expected = r#"before{"a":"\u0001\"x\\","b":null,"d":"y","#.to_owned()
            + r#""e":"1970-01-01T00:00:00.007Z","f":null,"#
            + r#""h":"00000000-0000-0000-0000-000000000008","#
            + r#""i":"queued","j":[1],"m":[1],"n":[2,3],"o":[],"#
            + r#""p":true,"q":false,"r":null,"s":9,"t":1,"u":2}"#;
        assert_eq!(String::from_utf8(out).expect("text"), expected);
        let mut out = Vec::new();
        Object::begin(&mut out).end();
        assert_eq!(out, b"{}");
    }
}
