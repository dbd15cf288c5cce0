//! The room `upkeep`.
