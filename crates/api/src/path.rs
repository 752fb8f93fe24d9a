//! The path of a request, in the form that the routes are written in.

use axum::{
    body::Body,
    extract::{OriginalUri, Request},
    http::{Uri, uri::PathAndQuery},
};

/// The same request with no doubled slash in its path and none at its end. Base URLs that end in a slash are common, and
/// a redirect would not do: most clients do not follow one for a POST. The path as it came stays as [`OriginalUri`].
pub fn normal(mut request: Request<Body>) -> Request<Body> {
    let original = OriginalUri(request.uri().clone());
    if let Some(uri) = without_spare_slashes(request.uri()) {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(original);
    request
}

/// None if there is none to take away.
fn without_spare_slashes(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let ends_in_slash = path.len() > 1 && path.ends_with('/');
    if !ends_in_slash && !path.contains("//") {
        return None;
    }
    let mut written = String::with_capacity(uri.path().len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        written.push('/');
        written.push_str(segment);
    }
    if written.is_empty() {
        written.push('/');
    }
    if let Some(query) = uri.query() {
        written.push('?');
        written.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(written).expect("characters taken away leave a path a path"));
    Some(Uri::from_parts(parts).expect("the same parts made a URI before"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("//api/version", "/api/version")]
    #[case("/api/version/", "/api/version")]
    #[case("/api///messages//x/?to=a//b/", "/api/messages/x?to=a//b/")]
    #[case("http://host//api/", "http://host/api")]
    #[case("//", "/")]
    #[case("/%2F/", "/%2F")]
    fn spare_slashes_are_taken_away(#[case] came: &str, #[case] normal: &str) {
        assert_eq!(without_spare_slashes(&came.parse().unwrap()), Some(normal.parse().unwrap()));
    }

    #[rstest]
    #[case("/")]
    #[case("/api/version?to=//")]
    #[case("*")]
    fn a_path_in_its_normal_form_is_left_as_it_is(#[case] came: &str) {
        assert_eq!(without_spare_slashes(&came.parse().unwrap()), None);
    }
}
