//! The boards of a Pinterest account, and the one that its Pins go to unless they name one.
//!
//! The default board stands in the account's settings: the first one there is when the account is
//! connected, later whichever was chosen. Connecting the account again leaves it as it is.

use super::access::{AccessError, Accounts, unreadable};
use crate::engine::{Expect, Records};
use crate::model::{
    Account, AccountId, BOARDS_MAX, BOARDS_NAMED_MAX, Board, Code, Fault, Millis, Platform, Secret,
};
use crate::platforms::{Access, Answer, Request, pinterest};
use crate::store::{Key, Record, Write};
use crate::wire::{BoardRequest, DefaultBoard};

/// How long one call to Pinterest may take.
const BOARD_TIMEOUT: Millis = Millis::from_secs(20);

/// A board that is there because it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeBoard {
    /// The board.
    pub board: Board,
    /// Whether it was there before.
    pub existing: bool,
}

impl Accounts {
    /// The account's first boards, as many as fit on a page.
    ///
    /// # Errors
    /// `platform.mismatch`, or what Pinterest said.
    pub async fn boards(&self, account: &Account) -> Result<Vec<Board>, Fault> {
        is_pinterest(account)?;
        let page = self.board_page(account, None).await?;
        Ok(page.boards)
    }

    /// Makes a board; with `upsert` one of that name does as well.
    ///
    /// # Errors
    /// `platform.mismatch`, or what Pinterest said.
    pub async fn make_board(
        &self,
        account: &Account,
        request: &BoardRequest,
    ) -> Result<MadeBoard, Fault> {
        is_pinterest(account)?;
        let wanted = &request.board;
        let create = |access: &Access| pinterest::create_board(&access.base_url, wanted);
        let answer = self.ask_pinterest(account, create).await?;
        match pinterest::read_board(&answer) {
            Ok(board) => Ok(MadeBoard { board, existing: false }),
            Err(pinterest::BoardRefusal::NameTaken(taken)) if request.upsert => {
                let name = wanted.name.trim().to_lowercase();
                let is_it = |board: &Board| board.name.trim().to_lowercase() == name;
                let found = self.find_board(account, BOARDS_NAMED_MAX, is_it).await?;
                let board = found.ok_or_else(|| pinterest::name_hidden(&taken))?;
                Ok(MadeBoard { board, existing: true })
            }
            Err(
                pinterest::BoardRefusal::NameTaken(fault) | pinterest::BoardRefusal::Other(fault),
            ) => Err(fault),
        }
    }

    /// The account's board with this id.
    ///
    /// # Errors
    /// `platform.mismatch`, `pinterest.board.unknown`, or what Pinterest said.
    pub async fn board(&self, account: &Account, id: &str) -> Result<Board, Fault> {
        is_pinterest(account)?;
        let found = self.find_board(account, BOARDS_MAX, |board| board.id == id).await?;
        found.ok_or_else(pinterest::unknown_board)
    }

    /// What makes a board the account's default one.
    ///
    /// # Errors
    /// When the account is gone, or cannot be read.
    pub fn plan_default_board(&self, id: AccountId, board: &Board) -> Result<Records, Fault> {
        let key = Key::Account(id);
        let found = self.options.store.get(&key).map_err(|problem| unreadable(&problem))?;
        let Some(Record::Account(old)) = found else {
            return Err(Fault::new(Code::NotFound, format!("there is no account {id}"))
                .remedy("GET /v1/accounts lists the connected accounts."));
        };
        let new = Account {
            settings: DefaultBoard::new(board).among(&old.settings),
            updated_at: (self.options.now)(),
            ..old.clone()
        };
        Ok(Records {
            expect: vec![Expect::Is(key, Some(Record::Account(old)))],
            writes: vec![Write::Put(key, Record::Account(new))],
            ..Records::default()
        })
    }

    /// The settings of an account that is being connected, with its first board as the default
    /// one. An account without boards has none, and so has one that cannot be looked at now: that
    /// is no reason not to connect it.
    pub(super) async fn with_first_board(
        &self,
        settings: String,
        base_url: &str,
        token: &Secret,
    ) -> String {
        let request = pinterest::list_boards(base_url, None);
        let upstream = &self.options.upstream;
        let answer = upstream.send(&request, Some(token), None, BOARD_TIMEOUT).await;
        match pinterest::read_boards(&answer) {
            Ok(page) => match page.boards.first() {
                Some(board) => DefaultBoard::new(board).among(&settings),
                None => settings,
            },
            Err(fault) => {
                tracing::warn!(problem = %fault.message,
                    "a Pinterest account is connected without a default board");
                settings
            }
        }
    }

    /// The first board that is meant, among so many of the account's.
    async fn find_board(
        &self,
        account: &Account,
        boards_max: usize,
        is_meant: impl Fn(&Board) -> bool,
    ) -> Result<Option<Board>, Fault> {
        let mut bookmark = None;
        let mut left = boards_max;
        loop {
            let page = self.board_page(account, bookmark.as_deref()).await?;
            let looked_at = page.boards.len().min(left);
            if let Some(board) = page.boards.into_iter().take(left).find(&is_meant) {
                return Ok(Some(board));
            }
            left -= looked_at;
            // A page without a board would lead round in circles.
            if left == 0 || looked_at == 0 || page.bookmark.is_none() {
                return Ok(None);
            }
            bookmark = page.bookmark;
        }
    }

    async fn board_page(
        &self,
        account: &Account,
        bookmark: Option<&str>,
    ) -> Result<pinterest::BoardPage, Fault> {
        let list = |access: &Access| pinterest::list_boards(&access.base_url, bookmark);
        pinterest::read_boards(&self.ask_pinterest(account, list).await?)
    }

    /// Speaks to Pinterest as the account. If it does not take the access, that is renewed and the
    /// request sent once more: what was refused so was not done.
    async fn ask_pinterest(
        &self,
        account: &Account,
        request: impl Fn(&Access) -> Request,
    ) -> Result<Answer, Fault> {
        let mut refused = false;
        loop {
            let access =
                self.access(account.id, refused).await.map_err(|problem| match problem {
                    AccessError::Refused(fault) | AccessError::Unavailable(fault) => fault,
                })?;
            let (token, upstream) = (Some(&access.token), &self.options.upstream);
            let answer = upstream.send(&request(&access), token, None, BOARD_TIMEOUT).await;
            if !pinterest::refused_access(&answer) {
                return Ok(answer);
            }
            self.refused(account.id, &access.token);
            if refused {
                return Ok(answer);
            }
            refused = true;
        }
    }
}

/// The settings of an account that is connected again: what was found out anew, and the default
/// board that stood there.
pub(super) fn reconnected(old: &Account, found_out: &str) -> String {
    let chosen = DefaultBoard::of(old);
    if chosen.is_none() { found_out.to_owned() } else { chosen.among(found_out) }
}

fn is_pinterest(account: &Account) -> Result<(), Fault> {
    if account.platform == Platform::Pinterest {
        return Ok(());
    }
    let message = format!("this is an account of {}, not of pinterest", account.platform);
    Err(Fault::new(Code::ValidationFailed, message)
        .rule("platform.mismatch")
        .on(account.platform)
        .remedy("Name a Pinterest account: GET /v1/accounts tells each one's platform."))
}
