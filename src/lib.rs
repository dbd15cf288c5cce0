//! Fanfare: the map of the house.

pub mod model;

pub mod machine;
pub mod platforms;
pub mod preflight;
pub mod wire;
pub mod workflow;

pub mod media;
pub mod store;
pub mod upstream;

pub mod accounts;
pub mod courier;
pub mod engine;
pub mod upkeep;

pub mod admission;
pub mod control;

pub mod cli;
pub mod front;

pub mod app;
pub mod config;
