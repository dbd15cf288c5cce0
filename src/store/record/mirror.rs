//! How a frozen type and the model's type of today become each other.
//!
//! A version of the disk format lists its types with the two macros below, field by field. When
//! the model grows a field, the list no longer compiles against it: that is the moment to leave
//! the version as it is and to write the next one.

use std::sync::Arc;

use crate::model::{
    AccountId, BatchId, ContentIx, Digest, KeyId, MediaId, Millis, PostId, ProfileId, RequestId,
    TargetIx, Timestamp,
};

/// What a stored value cannot be read as, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit(pub(super) String);

/// A frozen type with its counterpart in the model.
pub(super) trait Mirror<M>: Sized {
    /// The frozen form of `model`.
    fn freeze(model: &M) -> Self;
    /// The model's form again; stored text may not fit the model's type.
    fn thaw(self) -> Result<M, Unfit>;
}

/// Types that are the same in both worlds.
macro_rules! same {
    ($($ty:ty),*) => {$(
        impl Mirror<$ty> for $ty {
            fn freeze(model: &$ty) -> Self {
                model.clone()
            }
            fn thaw(self) -> Result<$ty, Unfit> {
                Ok(self)
            }
        }
    )*};
}
same!(bool, u8, u16, u32, u64, String);

/// Identifiers of 128 bits: their big-endian bytes.
macro_rules! wide {
    ($($model:ty),*) => {$(
        impl Mirror<$model> for [u8; 16] {
            fn freeze(model: &$model) -> Self {
                model.raw().to_be_bytes()
            }
            fn thaw(self) -> Result<$model, Unfit> {
                Ok(<$model>::from_raw(u128::from_be_bytes(self)))
            }
        }
    )*};
}
wide!(BatchId, PostId, AccountId, ProfileId, KeyId);

/// Wrappers around one public field.
macro_rules! wrapped {
    ($($model:ident as $frozen:ty),*) => {$(
        impl Mirror<$model> for $frozen {
            fn freeze(model: &$model) -> Self {
                model.0
            }
            fn thaw(self) -> Result<$model, Unfit> {
                Ok($model(self))
            }
        }
    )*};
}
wrapped!(Digest as [u8; 32], Millis as u64, TargetIx as u8, ContentIx as u16);

impl Mirror<Timestamp> for i64 {
    fn freeze(model: &Timestamp) -> Self {
        model.as_millis()
    }
    fn thaw(self) -> Result<Timestamp, Unfit> {
        Ok(Timestamp::from_millis(self))
    }
}

impl Mirror<Arc<str>> for String {
    fn freeze(model: &Arc<str>) -> Self {
        model.as_ref().to_owned()
    }
    fn thaw(self) -> Result<Arc<str>, Unfit> {
        Ok(self.into())
    }
}

impl Mirror<RequestId> for String {
    fn freeze(model: &RequestId) -> Self {
        model.as_str().to_owned()
    }
    fn thaw(self) -> Result<RequestId, Unfit> {
        RequestId::from_caller(&self).ok_or_else(|| Unfit(format!("{self:?} is no request id")))
    }
}

impl Mirror<MediaId> for String {
    fn freeze(model: &MediaId) -> Self {
        model.as_str().to_owned()
    }
    fn thaw(self) -> Result<MediaId, Unfit> {
        self.parse().map_err(|_| Unfit(format!("{self:?} is no media id")))
    }
}

impl<M, T: Mirror<M>> Mirror<M> for Box<T> {
    fn freeze(model: &M) -> Self {
        Self::new(T::freeze(model))
    }
    fn thaw(self) -> Result<M, Unfit> {
        (*self).thaw()
    }
}

impl<M, T: Mirror<M>> Mirror<Option<M>> for Option<T> {
    fn freeze(model: &Option<M>) -> Self {
        model.as_ref().map(T::freeze)
    }
    fn thaw(self) -> Result<Option<M>, Unfit> {
        self.map(T::thaw).transpose()
    }
}

impl<M, T: Mirror<M>> Mirror<Vec<M>> for Vec<T> {
    fn freeze(model: &Vec<M>) -> Self {
        model.iter().map(T::freeze).collect()
    }
    fn thaw(self) -> Result<Vec<M>, Unfit> {
        self.into_iter().map(T::thaw).collect()
    }
}

/// Declares a frozen struct. A field behind `without` is not stored and comes back empty.
macro_rules! frozen_struct {
    ($name:ident of $model:ty {
        $($field:ident: $ty:ty),* $(,)?
    } $(without $absent:ident)?) => {
        #[derive(Archive, Serialize, Deserialize)]
        pub(super) struct $name {
            $($field: $ty,)*
        }
        const _: () = {
            type Model = $model;
            impl Mirror<Model> for $name {
                fn freeze(model: &Model) -> Self {
                    Self { $($field: Mirror::freeze(&model.$field),)* }
                }
                fn thaw(self) -> Result<Model, Unfit> {
                    Ok(Model {
                        $($field: self.$field.thaw()?,)*
                        $($absent: Default::default(),)?
                    })
                }
            }
        };
    };
}

/// Declares a frozen enum. A variant's place in the list is stored: only ever add at the end.
macro_rules! frozen_enum {
    ($name:ident of $model:ty {
        $($variant:ident
            $(($bind:ident: $inner:ty))?
            $({ $($field:ident: $ty:ty),* })?
        ),* $(,)?
    }) => {
        #[derive(Archive, Serialize, Deserialize)]
        pub(super) enum $name {
            $($variant $(($inner))? $({ $($field: $ty),* })?,)*
        }
        const _: () = {
            type Model = $model;
            impl Mirror<Model> for $name {
                fn freeze(model: &Model) -> Self {
                    match model {
                        $(Model::$variant $(($bind))? $({ $($field),* })? =>
                            Self::$variant
                                $((Mirror::freeze($bind)))?
                                $({ $($field: Mirror::freeze($field)),* })?,)*
                    }
                }
                fn thaw(self) -> Result<Model, Unfit> {
                    Ok(match self {
                        $(Self::$variant $(($bind))? $({ $($field),* })? =>
                            Model::$variant
                                $(($bind.thaw()?))?
                                $({ $($field: $field.thaw()?),* })?,)*
                    })
                }
            }
        };
    };
}

pub(super) use {frozen_enum, frozen_struct};
