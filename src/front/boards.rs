//! Pinterest boards over HTTP.

use std::sync::Arc;

use bytes::Bytes;

use super::handlers::{Asked, Handlers};
use super::reply::{self, Answer};
use super::route::BoardRoute;
use crate::accounts::MadeBoard;
use crate::engine::Records;
use crate::model::Fault;
use crate::wire;

/// Answers a request about a Pinterest account's boards.
///
/// # Errors
/// What is answered instead.
pub(super) async fn boards(
    front: &Handlers,
    asked: Asked,
    route: BoardRoute<'_>,
) -> Result<Answer, Fault> {
    match route {
        BoardRoute::List(id) => {
            let account = front.account(&asked.caller, id).await?;
            let boards = front.accounts.boards(&account).await?;
            front.durable().await?;
            Ok(reply::json(200, wire::boards_body(&boards, &account)))
        }
        BoardRoute::Create(id) => create(front, asked, id).await,
        BoardRoute::SetDefault(id) => set_default(front, asked, id).await,
    }
}

/// Pinterest makes the board before its reply can be kept. Where that does not come to pass, a
/// repeat is told that the name is taken: no second board is made.
async fn create(front: &Handlers, asked: Asked, id: &str) -> Result<Answer, Fault> {
    let path = format!("/v1/accounts/{id}/pinterest/boards");
    let caller = asked.caller.clone();
    let work = async |body: Bytes| {
        let request = wire::parse_board(&body)?;
        let account = front.account(&caller, id).await?;
        let MadeBoard { board, existing } = front.accounts.make_board(&account, &request).await?;
        let accounts = Arc::clone(&front.accounts);
        let is_default = request.set_as_default;
        Ok(move || {
            let records = if is_default {
                accounts.plan_default_board(account.id, &board)?
            } else {
                Records::default()
            };
            Ok((records, wire::board_reply(&board, existing, is_default)))
        })
    };
    front.recorded_after(asked, ("POST", &path), work).await
}

async fn set_default(front: &Handlers, asked: Asked, id: &str) -> Result<Answer, Fault> {
    let path = format!("/v1/accounts/{id}/pinterest/default-board");
    let caller = asked.caller.clone();
    let work = async |body: Bytes| {
        let wanted = wire::parse_default_board(&body)?;
        let account = front.account(&caller, id).await?;
        let board = front.accounts.board(&account, &wanted).await?;
        let accounts = Arc::clone(&front.accounts);
        Ok(move || {
            let records = accounts.plan_default_board(account.id, &board)?;
            Ok((records, wire::default_board_reply(account.id, &board)))
        })
    };
    front.recorded_after(asked, ("PATCH", &path), work).await
}
