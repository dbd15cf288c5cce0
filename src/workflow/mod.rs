//! Declarative workflow definitions: order, conditions, patience and doubt, as `workflows/*.toml`
//! state them.
//!
//! Words: a *definition* is one file under `workflows/`, most of them under `publish`; a *step* is
//! one exchange with the platform, or a *round* of it for each media item; *doubt* is what may be
//! done when a sent request got no usable answer. Definitions are compiled in; a file of the same
//! name in the configured folder overrides. The digest of one under `publish` is pinned by every
//! target accepted under it.
//!
//! Deliberately absent: expressions, and anything about what a step says. TOML decides order,
//! Rust (`platforms`) decides words.

mod definition;
mod parse;
mod upkeep;
mod deliver;
mod built_in;

pub use built_in::{DELIVER, Loaded, Named, Overrides, PUBLISH, UPKEEP, check_steps, load};
pub use definition::{
    Backoff, Catalog, Definition, Doubt, Each, OnFail, Step, Visible, When, WorkflowError,
};
pub use deliver::{DeliverDefinition, parse_deliver};
pub use parse::{parse, parse_span};
pub use upkeep::{UpkeepDefinition, UpkeepTask, parse_upkeep};
