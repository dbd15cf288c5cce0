//! Pinterest boards.

/// A board of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// Pinterest's id of it.
    pub id: String,
    /// Its name, unique within the account.
    pub name: String,
    /// Who may see it, in Pinterest's word, if it says so.
    pub privacy: Option<String>,
}

/// A board that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBoard {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// Who may see it; Pinterest decides if that is left out.
    pub privacy: Option<BoardPrivacy>,
}

/// Who may see a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BoardPrivacy {
    /// Everybody.
    Public,
    /// Whoever has its address.
    Protected,
    /// Its owner, and whom that one invites.
    Secret,
}

impl BoardPrivacy {
    /// Every word.
    pub const ALL: [Self; 3] = [Self::Public, Self::Protected, Self::Secret];

    /// The word, on our wire as on Pinterest's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::Protected => "PROTECTED",
            Self::Secret => "SECRET",
        }
    }
}
