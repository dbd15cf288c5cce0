//! What requests mean and what replies say, row by row.

mod replies;
mod requests;
mod sample;
