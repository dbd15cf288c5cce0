//! One entry of the table.

use crate::model::{Code, Platform};

/// What a rule means.
#[derive(Debug)]
pub struct Rule {
    name: &'static str,
    place: Place,
    listed: bool,
    /// The codes of the errors that name it.
    pub codes: &'static [Code],
    /// What is wrong.
    pub summary: &'static str,
    /// How much there may be, and of what.
    pub limit: Option<(u64, &'static str)>,
    /// What to do.
    pub remedy: &'static str,
    /// Where the limit is documented, if it is another's.
    pub source: Option<&'static str>,
}

/// Where a name holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// As it is.
    Fixed,
    /// At the top of a request and in each target.
    Targets,
    /// Among the options, which stand in three places.
    Options,
    /// Under the name of each platform.
    Platforms,
}

const INVALID: &[Code] = &[Code::ValidationFailed];

impl Rule {
    /// A rule with one name.
    pub(super) const fn new(
        name: &'static str,
        codes: &'static [Code],
        summary: &'static str,
        remedy: &'static str,
    ) -> Self {
        let place = Place::Fixed;
        Self { name, place, listed: false, codes, summary, limit: None, remedy, source: None }
    }

    /// A member of a request's body, or a parameter of its query.
    pub(super) const fn field(
        name: &'static str,
        summary: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self::new(name, INVALID, summary, remedy)
    }

    /// A member that stands at the top of a request and in each target.
    pub(super) const fn shared(
        name: &'static str,
        summary: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self { place: Place::Targets, ..Self::field(name, summary, remedy) }
    }

    /// A member of a platform's options.
    pub(super) const fn option(
        name: &'static str,
        summary: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self { place: Place::Options, ..Self::field(name, summary, remedy) }
    }

    /// A rule of every platform.
    pub(super) const fn each(
        name: &'static str,
        codes: &'static [Code],
        summary: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self { place: Place::Platforms, ..Self::new(name, codes, summary, remedy) }
    }

    /// Its elements share its page.
    pub(super) const fn listed(self) -> Self {
        Self { listed: true, ..self }
    }

    /// At most so many.
    pub(super) const fn max(self, limit: usize, unit: &'static str) -> Self {
        self.measured(limit as u64, unit)
    }

    /// A limit of another kind, which the unit tells.
    pub(super) const fn measured(self, limit: u64, unit: &'static str) -> Self {
        Self { limit: Some((limit, unit)), ..self }
    }

    /// Who documents the limit.
    pub(super) const fn from(self, source: &'static str) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Whether it stands under the name of each platform.
    pub(super) fn is_of_every_platform(&self) -> bool {
        self.place == Place::Platforms
    }

    /// Every name it goes by, with `N` for each place in a list.
    pub(super) fn names(&self) -> Vec<String> {
        let own = self.name;
        let mut names = match self.place {
            Place::Fixed => vec![own.to_owned()],
            Place::Targets => vec![own.to_owned(), format!("targets.N.{own}")],
            Place::Options => vec![
                format!("options.{own}"),
                format!("options.N.{own}"),
                format!("targets.N.options.{own}"),
            ],
            Place::Platforms => {
                Platform::ALL.iter().map(|platform| format!("{platform}.{own}")).collect()
            }
        };
        if self.listed {
            names.extend(names.clone().into_iter().map(|name| format!("{name}.N")));
        }
        names
    }
}
