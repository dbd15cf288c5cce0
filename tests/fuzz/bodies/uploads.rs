//! Forms as clients send them, however they are cut into chunks.
//!
//! An input is the size of the chunks in one byte, a line with the content type, and the form.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use fanfare::front::{Bounds, receive};
use fanfare::media::Media;
use fanfare::model::{Digest, Millis};
use hyper::HeaderMap;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::cut::Cut;
use super::faults;
use super::house::{block_on, with_folder};

/// Small, so that it is reached.
const BOUNDS: Bounds = Bounds { bytes_max: 2_000, pause_max: Millis(60_000) };
/// The rule of a file that is too large.
const TOO_LARGE: &str = "media.size_max";
/// Forms above this are cut: how much may wait to make sense depends on the chunks it came in.
const FORM_BYTES_MAX: usize = 16_000;

/// See `ALL`.
pub fn run(input: &[u8]) {
    let mut cut = Cut::new(input);
    let size = usize::from(cut.byte()) + 1;
    let Ok(kind) = HeaderValue::from_bytes(cut.line()) else { return };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    let form = cut.rest();
    let form = &form[..form.len().min(FORM_BYTES_MAX)];
    with_folder(|folder| {
        let whole = block_on(received(folder, &headers, form, FORM_BYTES_MAX));
        let cut = block_on(received(folder, &headers, form, size));
        // Of a form that is too large and breaks off, the chunks decide what is seen first.
        let either =
            [&whole, &cut].iter().any(|kept| matches!(kept, Err(rule) if rule == TOO_LARGE));
        let both = whole.is_err() && cut.is_err();
        assert!(whole == cut || (both && either), "chunks of {size}: {whole:?}, {cut:?}");
        let left = std::fs::read_dir(folder.join("incoming")).expect("a folder").count();
        assert_eq!(left, 0, "something is left on disk");
    });
}

/// What was kept of a form, or the rule it broke.
type Kept = Result<(Vec<u8>, String), String>;

async fn received(folder: &Path, headers: &HeaderMap, form: &[u8], size: usize) -> Kept {
    let media = Media::open(folder.to_owned(), Arc::new(|| 1)).expect("a folder");
    let body = Chunks(form.chunks(size).map(Bytes::copy_from_slice).collect());
    match receive(&media, headers, body, BOUNDS).await {
        Ok(file) => {
            let bytes = std::fs::read(file.incoming.path()).expect("it was written");
            let hash = ring::digest::digest(&ring::digest::SHA256, &bytes);
            assert_eq!(Digest(hash.as_ref().try_into().expect("32 bytes")), file.digest);
            assert_eq!(bytes.len() as u64, file.bytes);
            assert!(file.bytes <= BOUNDS.bytes_max);
            assert!(HeaderValue::from_str(&file.declared).is_ok(), "{:?}", file.declared);
            Ok((bytes, file.declared))
        }
        Err(fault) => {
            faults::check_clients(&fault);
            Err(fault.rule.unwrap_or_default())
        }
    }
}

struct Chunks(VecDeque<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}
