//! The room `courier`.
