//! Files that are the same for everybody and every request: compressed once, and not sent to who has them.

use std::io::Write;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// A file, plain and compressed.
pub struct File {
    kind: &'static str,
    /// Names the content. A weak one (RFC 9110, 8.8.1): it is the same for both forms.
    tag: HeaderValue,
    plain: Bytes,
    gzip: Bytes,
}

impl File {
    /// The file with this media type. It compresses now, which takes tens of milliseconds a megabyte: keep what it gives.
    pub fn new(kind: &'static str, plain: impl Into<Bytes>) -> Self {
        const IN_MEMORY: &str = "a write to memory does not fail";
        let plain = plain.into();
        let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 2), Compression::default());
        encoder.write_all(&plain).expect(IN_MEMORY);
        let gzip = encoder.finish().expect(IN_MEMORY).into();
        let hash = u128::from_be_bytes(*Sha256::digest(&plain).first_chunk().expect("the hash has 32 bytes"));
        let tag = HeaderValue::try_from(format!("W/\"{hash:032x}\"")).expect("hexadecimal digits go into a header");
        Self { kind, tag, plain, gzip }
    }

    /// The answer to a request with these headers: the file, or 304 if the client has it.
    pub fn answer(&self, request: &HeaderMap) -> Response {
        let mut headers = HeaderMap::from_iter([
            (header::ETAG, self.tag.clone()),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
            // Kept, but asked for before every use: the next version of the server has other files.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ]);
        if self.is_named_in(request) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        let body = if takes_gzip(request) {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            &self.gzip
        } else {
            &self.plain
        };
        (headers, Body::from(body.clone())).into_response()
    }

    fn is_named_in(&self, request: &HeaderMap) -> bool {
        let tag = self.tag.as_bytes();
        let hash = &tag[2..];
        items(request, header::IF_NONE_MATCH).any(|item| {
            let item = item.as_bytes();
            item == b"*" || item == tag || item == hash
        })
    }
}

/// Whether the client takes gzip: it names it, or everything, and not with the weight 0.
fn takes_gzip(request: &HeaderMap) -> bool {
    let weight = |coding: &str| {
        items(request, header::ACCEPT_ENCODING).find_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let named = parts.next()?.eq_ignore_ascii_case(coding);
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0_f32);
            named.then_some(weight)
        })
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

/// The items of a header that is a list with commas. What is no text is left out.
fn items(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::body::to_bytes;
    use flate2::read::GzDecoder;
    use rstest::rstest;

    use super::*;

    fn asking(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    async fn body(response: Response) -> Bytes {
        to_bytes(response.into_body(), usize::MAX).await.unwrap()
    }

    #[rstest]
    #[case("gzip", true)]
    #[case("deflate, GZIP;q=0.5, br", true)]
    #[case("*", true)]
    #[case("gzip;q=0, *", false)]
    #[case("br", false)]
    #[case("", false)]
    #[tokio::test]
    async fn a_file_is_compressed_for_who_takes_it(#[case] accepted: &str, #[case] compressed: bool) {
        let text = "again and ".repeat(1000);
        let file = File::new("text/plain", text.clone());
        let answer = file.answer(&asking(header::ACCEPT_ENCODING, accepted));
        assert_eq!(answer.headers().contains_key(header::CONTENT_ENCODING), compressed);
        let sent = body(answer).await;
        let mut read = String::new();
        if compressed {
            assert!(sent.len() < text.len() / 10);
            GzDecoder::new(&*sent).read_to_string(&mut read).unwrap();
        } else {
            read = String::from_utf8(sent.to_vec()).unwrap();
        }
        assert_eq!(read, text);
    }

    #[tokio::test]
    async fn a_file_that_the_client_has_is_not_sent_again() {
        let file = File::new("text/plain", "text");
        let answer = file.answer(&HeaderMap::new());
        assert_eq!(answer.status(), StatusCode::OK);
        let tag = answer.headers()[header::ETAG].to_str().unwrap().to_owned();
        for had in [tag.clone(), tag.replace("W/", ""), format!("\"other\", {tag}"), "*".to_owned()] {
            let again = file.answer(&asking(header::IF_NONE_MATCH, &had));
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{had}");
            assert_eq!(again.headers()[header::ETAG], tag);
            assert!(body(again).await.is_empty());
        }
        let other = file.answer(&asking(header::IF_NONE_MATCH, "\"other\""));
        assert_eq!(other.status(), StatusCode::OK);
        assert_ne!(File::new("text/plain", "texts").answer(&HeaderMap::new()).headers()[header::ETAG], tag);
    }
}
