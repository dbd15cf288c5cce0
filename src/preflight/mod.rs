//! The room `preflight`.
