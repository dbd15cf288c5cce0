//! Every transition and every refusal of the machine.

mod support;
mod matrix;
mod publish;
mod doubt;
mod changes;
mod restored;
mod invariants;
