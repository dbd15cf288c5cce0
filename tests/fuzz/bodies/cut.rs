//! Takes an input apart into small values; what is missing is zero or empty.

/// What is left of an input.
pub struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    /// The whole input.
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Whether one bit of a byte is set.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of some things.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }

    /// A line: up to the next line feed.
    pub fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
        let line = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        line
    }

    /// A line as text; bytes that are none are replaced.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.line()).into_owned()
    }

    /// A line as text, if there is anything in it.
    pub fn some_text(&mut self) -> Option<String> {
        Some(self.text()).filter(|text| !text.is_empty())
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}
