//! How a frozen type and the model's type of today become each other.
//!
//! A version of the disk format lists its types with the `frozen` macros below, field by field.
//! When the model grows a field, the list no longer compiles against it: that is the moment to
//! write the type anew in the next version, and to mark the old one as `retired`. A retired type
//! is read for ever and never written; what it lacks comes back as the default.

use std::sync::Arc;

use crate::model::{
    AccountId, BatchId, ContentIx, DeliveryId, Digest, EndpointId, KeyId, MediaId, Millis,
    NoticeId, PostId, ProfileId, RequestId, TargetIx, Timestamp,
};

/// What a stored value cannot be read as, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit(pub(super) String);

/// A stored type that becomes its counterpart in the model.
pub(super) trait Thaw<M>: Sized {
    /// The model's form; stored text may not fit the model's type.
    fn thaw(self) -> Result<M, Unfit>;
}

/// A frozen type, which is also written.
pub(super) trait Mirror<M>: Thaw<M> {
    /// The frozen form of `model`.
    fn freeze(model: &M) -> Self;
}

/// Types that are the same in both worlds.
macro_rules! same {
    ($($ty:ty),*) => {$(
        impl Mirror<$ty> for $ty {
            fn freeze(model: &$ty) -> Self {
                model.clone()
            }
        }

        impl Thaw<$ty> for $ty {
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
        }

        impl Thaw<$model> for [u8; 16] {
            fn thaw(self) -> Result<$model, Unfit> {
                Ok(<$model>::from_raw(u128::from_be_bytes(self)))
            }
        }
    )*};
}
wide!(BatchId, PostId, AccountId, ProfileId, KeyId, NoticeId, EndpointId, DeliveryId);

/// Wrappers around one public field.
macro_rules! wrapped {
    ($($model:ident as $frozen:ty),*) => {$(
        impl Mirror<$model> for $frozen {
            fn freeze(model: &$model) -> Self {
                model.0
            }
        }

        impl Thaw<$model> for $frozen {
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
}

impl Thaw<Timestamp> for i64 {
    fn thaw(self) -> Result<Timestamp, Unfit> {
        Ok(Timestamp::from_millis(self))
    }
}

impl Mirror<Arc<str>> for String {
    fn freeze(model: &Arc<str>) -> Self {
        model.as_ref().to_owned()
    }
}

impl Thaw<Arc<str>> for String {
    fn thaw(self) -> Result<Arc<str>, Unfit> {
        Ok(self.into())
    }
}

impl Mirror<RequestId> for String {
    fn freeze(model: &RequestId) -> Self {
        model.as_str().to_owned()
    }
}

impl Thaw<RequestId> for String {
    fn thaw(self) -> Result<RequestId, Unfit> {
        RequestId::from_caller(&self).ok_or_else(|| Unfit(format!("{self:?} is no request id")))
    }
}

impl Mirror<MediaId> for String {
    fn freeze(model: &MediaId) -> Self {
        model.as_str().to_owned()
    }
}

impl Thaw<MediaId> for String {
    fn thaw(self) -> Result<MediaId, Unfit> {
        self.parse().map_err(|_| Unfit(format!("{self:?} is no media id")))
    }
}

impl<M, T: Mirror<M>> Mirror<M> for Box<T> {
    fn freeze(model: &M) -> Self {
        Self::new(T::freeze(model))
    }
}

impl<M, T: Thaw<M>> Thaw<M> for Box<T> {
    fn thaw(self) -> Result<M, Unfit> {
        (*self).thaw()
    }
}

impl<M, T: Mirror<M>> Mirror<Option<M>> for Option<T> {
    fn freeze(model: &Option<M>) -> Self {
        model.as_ref().map(T::freeze)
    }
}

impl<M, T: Thaw<M>> Thaw<Option<M>> for Option<T> {
    fn thaw(self) -> Result<Option<M>, Unfit> {
        self.map(T::thaw).transpose()
    }
}

impl<M, T: Mirror<M>> Mirror<Vec<M>> for Vec<T> {
    fn freeze(model: &Vec<M>) -> Self {
        model.iter().map(T::freeze).collect()
    }
}

impl<M, T: Thaw<M>> Thaw<Vec<M>> for Vec<T> {
    fn thaw(self) -> Result<Vec<M>, Unfit> {
        self.into_iter().map(T::thaw).collect()
    }
}

/// Declares a retired struct: read for ever, never written. A field behind `without` is not stored
/// and comes back as its default.
macro_rules! retired_struct {
    ($name:ident of $model:ty {
        $($field:ident: $ty:ty),* $(,)?
    } $(without $($absent:ident),+)?) => {
        #[derive(Archive, Serialize, Deserialize)]
        pub(super) struct $name {
            $($field: $ty,)*
        }
        const _: () = {
            type Model = $model;
            impl Thaw<Model> for $name {
                fn thaw(self) -> Result<Model, Unfit> {
                    Ok(Model {
                        $($field: self.$field.thaw()?,)*
                        $($($absent: Default::default(),)+)?
                    })
                }
            }
        };
    };
}

/// Declares a frozen struct, as `retired_struct` and also written.
macro_rules! frozen_struct {
    ($name:ident of $model:ty {
        $($field:ident: $ty:ty),* $(,)?
    } $(without $($absent:ident),+)?) => {
        retired_struct! { $name of $model { $($field: $ty),* } $(without $($absent),+)? }
        const _: () = {
            type Model = $model;
            impl Mirror<Model> for $name {
                fn freeze(model: &Model) -> Self {
                    Self { $($field: Mirror::freeze(&model.$field),)* }
                }
            }
        };
    };
}

/// Declares a retired enum. A variant's field behind `without` comes back as its default.
macro_rules! retired_enum {
    ($name:ident of $model:ty {
        $($variant:ident
            $(($bind:ident: $inner:ty))?
            $({ $($field:ident: $ty:ty),* } $([without $($absent:ident),+])?)?
        ),* $(,)?
    }) => {
        #[derive(Archive, Serialize, Deserialize)]
        pub(super) enum $name {
            $($variant $(($inner))? $({ $($field: $ty),* })?,)*
        }
        const _: () = {
            type Model = $model;
            impl Thaw<Model> for $name {
                fn thaw(self) -> Result<Model, Unfit> {
                    Ok(match self {
                        $(Self::$variant $(($bind))? $({ $($field),* })? =>
                            Model::$variant
                                $(($bind.thaw()?))?
                                $({
                                    $($field: $field.thaw()?,)*
                                    $($($absent: Default::default(),)+)?
                                })?,)*
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
        retired_enum! { $name of $model {
            $($variant $(($bind: $inner))? $({ $($field: $ty),* })?),*
        } }
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
            }
        };
    };
}

pub(super) use {frozen_enum, frozen_struct, retired_enum, retired_struct};
