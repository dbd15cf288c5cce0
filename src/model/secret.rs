//! A value that prints nothing and is wiped from memory when dropped.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroize;

/// A secret text. `Debug` shows three stars; there is no `Display`. How long `==` takes tells
/// nothing but whether the lengths are equal.
#[derive(Clone, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. Every call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_equal_and_no_others() {
        let secret = Secret::new("a secret");
        assert!(secret == Secret::new("a secret"));
        for other in ["", "a secre", "a secret ", "b secret", "a secreT"] {
            assert!(secret != Secret::new(other), "{other}");
        }
    }
}
