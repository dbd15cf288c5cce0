//! The room `front`.
