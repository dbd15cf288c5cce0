//! The bodies and the queries of the API, each read as every one of them.

use fanfare::model::{
    Content, Digest, Fault, FirstComment, MediaItem, MediaSource, Platform, SendOutcome,
    TARGETS_MAX,
};
use fanfare::preflight;
use fanfare::wire::{
    CreateRequest, RequestMedia, RequestSource, parse_board, parse_create, parse_default_board,
    parse_endpoint, parse_endpoint_patch, parse_events, parse_key, parse_list, parse_patch,
    parse_profile, parse_profile_patch, parse_redeliver, parse_retry, parse_test, parse_uploads,
    parse_validate,
};

use super::faults;

/// See `ALL`.
pub fn run(input: &[u8]) {
    let created = parse_create(input);
    if let Err(fault) = &created {
        assert_eq!(fault.outcome, Some(SendOutcome::NotSent), "{fault:?}");
    }
    let validated = parse_validate(input);
    if let (Ok(created), Ok((validated, _))) = (&created, &validated) {
        // The one remark that may differ is on `deep`.
        assert_eq!(created.targets, validated.targets);
    }
    if let Some(request) = read(created) {
        contents(&request);
    }
    read(validated);
    read(parse_patch(input));
    read(parse_retry(input));
    read(parse_profile(input));
    read(parse_profile_patch(input));
    read(parse_key(input));
    read(parse_endpoint(input));
    read(parse_endpoint_patch(input));
    read(parse_test(input));
    read(parse_redeliver(input));
    read(parse_board(input));
    read(parse_default_board(input));
    let Ok(query) = std::str::from_utf8(input) else { return };
    read(parse_list(query));
    read(parse_events(query));
    read(parse_uploads(query));
}

#[track_caller]
fn read<T>(read: Result<T, Fault>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(fault) => {
            faults::check_clients(&fault);
            None
        }
    }
}

/// What every target would say on every platform.
fn contents(request: &CreateRequest) {
    assert!((1..=TARGETS_MAX).contains(&request.targets.len()), "{request:?}");
    for target in &request.targets {
        let media = target.media.as_ref().or(request.media.as_ref());
        let comment = target.first_comment.as_ref().or(request.first_comment.as_ref());
        let options = target.options.iter().chain(&request.options).next();
        let content = Content {
            text: target.text.as_ref().or(request.text.as_ref()).cloned().unwrap_or_default(),
            media: media.map_or(Vec::new(), |media| media.iter().map(item).collect()),
            first_comment: comment.map(|text| FirstComment { text: text.clone() }),
            options: options.and_then(|options| options.json.clone()),
        };
        for platform in Platform::ALL {
            let found = preflight::shape(platform, &content);
            for fault in &found {
                faults::check_clients(fault);
                let rule = fault.rule.as_deref().unwrap_or_default();
                let own = rule.starts_with(platform.as_str());
                assert!(own || rule == "media.bytes_inline_unsupported", "{platform}: {rule}");
            }
            let told = preflight::violations_json(0, &found);
            assert!(serde_json::from_str::<serde_json::Value>(&told).is_ok(), "{told}");
        }
    }
}

fn item(media: &RequestMedia) -> MediaItem {
    let source = match &media.source {
        RequestSource::Upload(id) => MediaSource::Upload(*id),
        RequestSource::Url(url) => MediaSource::Url(url.clone()),
        RequestSource::Inline(_) => MediaSource::Inline(Digest([0; 32])),
    };
    MediaItem { kind: media.kind, alt_text: media.alt_text.clone(), source }
}
