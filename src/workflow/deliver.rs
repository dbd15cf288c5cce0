//! The definition of how a notice reaches a webhook endpoint.

use serde::Deserialize;

use super::definition::WorkflowError;
use super::parse::Span;
use crate::model::Millis;

/// How deliveries are made: the parsed form of `workflows/deliver/webhook.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverDefinition {
    /// How long one attempt may take.
    pub timeout: Millis,
    /// The waits before the second attempt and each one after it.
    pub delays: Vec<Millis>,
    /// Statuses that switch an endpoint off.
    pub disable_on: Vec<u16>,
    /// Attempts under way at once.
    pub slots: usize,
    /// Attempts under way at once to one endpoint.
    pub endpoint_slots: usize,
    /// How long a replaced secret goes on signing.
    pub secret_overlap: Millis,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    timeout: Span,
    delays: Vec<Span>,
    disable_on: Vec<u16>,
    slots: usize,
    endpoint_slots: usize,
    secret_overlap: Span,
}

/// The definition that a text states.
///
/// # Errors
/// `WorkflowError` with the file, what is wrong and the remedy.
pub fn parse_deliver(name: &str, text: &str) -> Result<DeliverDefinition, WorkflowError> {
    let wrong = |problem: String| WorkflowError { file: format!("{name}.toml"), problem };
    let file: File = toml::from_str(text).map_err(|e| wrong(e.to_string().trim().to_owned()))?;
    if !(100..=120_000).contains(&file.timeout.0.0) {
        return Err(wrong("timeout must be 100ms to 120s".to_owned()));
    }
    if file.delays.len() > 50 || file.delays.iter().any(|delay| delay.0.0 < 100) {
        return Err(wrong("delays must be at most 50 spans of at least 100ms each".to_owned()));
    }
    if !file.disable_on.iter().all(|status| (400..500).contains(status)) {
        return Err(wrong("disable_on may list 4xx answers only, such as [410]".to_owned()));
    }
    let slots = 1..=1_024;
    if !slots.contains(&file.slots) || !slots.contains(&file.endpoint_slots) {
        return Err(wrong("slots and endpoint_slots must be 1 to 1024".to_owned()));
    }
    Ok(DeliverDefinition {
        timeout: file.timeout.0,
        delays: file.delays.into_iter().map(|delay| delay.0).collect(),
        disable_on: file.disable_on,
        slots: file.slots,
        endpoint_slots: file.endpoint_slots,
        secret_overlap: file.secret_overlap.0,
    })
}

impl DeliverDefinition {
    /// The wait after the `attempts`-th attempt; `None` when it was the last.
    pub fn wait_after(&self, attempts: u32) -> Option<Millis> {
        let place = usize::try_from(attempts).ok()?.checked_sub(1)?;
        self.delays.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::built_in::DELIVER;
    use super::*;

    #[test]
    fn the_built_in_one_keeps_the_contracts_waits_and_goes_on() {
        let (name, text) = DELIVER[0];
        let definition = parse_deliver(name, text).expect("it holds");
        assert_eq!(definition.timeout, Millis::from_secs(10));
        let waits: Vec<u64> =
            (1..=7).filter_map(|n| definition.wait_after(n)).map(|wait| wait.0 / 1_000).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320]);
        assert_eq!(definition.wait_after(0), None);
        assert_eq!(definition.wait_after(13), None, "twelve waits, thirteen attempts");
        assert!(definition.wait_after(12).is_some());
    }

    #[test]
    fn what_does_not_hold_is_named() {
        let text = DELIVER[0].1;
        for (from, to, word) in [
            ("timeout = \"10s\"", "timeout = \"10ms\"", "timeout"),
            ("\"5s\", ", "\"1ms\", ", "delays"),
            ("[410]", "[500]", "disable_on"),
            ("slots = 64", "slots = 0", "slots"),
            ("slots = 64", "slotz = 64", "slotz"),
        ] {
            let broken = text.replacen(from, to, 1);
            assert_ne!(broken, text, "{from}");
            let problem = parse_deliver("webhook", &broken).expect_err(to).to_string();
            assert!(problem.contains(word), "{problem}");
        }
    }
}
