//! Swagger UI at `/api/docs`, served from the binary: no address outside this server, and none that a proxy's prefix
//! would break. Each file is compressed once ([`compress`]).

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    extract::{OriginalUri, Path},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa_swagger_ui::Config;

use super::File;
use crate::{App, error::ApiError};

const PAGE: &str = include_str!("index.html");

/// The page for an address with a slash at its end: what it names lies beside it.
static BESIDE: LazyLock<File> = LazyLock::new(|| File::new("text/html; charset=utf-8", PAGE));

/// The page for an address without one: what it names lies below it.
static BELOW: LazyLock<File> =
    LazyLock::new(|| File::new("text/html; charset=utf-8", PAGE.replace("\"./", "\"./docs/")));

static STYLE: LazyLock<File> = LazyLock::new(|| vendored("text/css; charset=utf-8", "swagger-ui.css"));
static PAGE_STYLE: LazyLock<File> = LazyLock::new(|| vendored("text/css; charset=utf-8", "index.css"));
static ICON: LazyLock<File> = LazyLock::new(|| vendored("image/png", "favicon-32x32.png"));
static BUNDLE: LazyLock<File> = LazyLock::new(|| vendored("text/javascript; charset=utf-8", "swagger-ui-bundle.js"));
static START: LazyLock<File> =
    LazyLock::new(|| File::new("text/javascript; charset=utf-8", include_str!("swagger-initializer.js")));

/// The page and its files.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/docs", get(page))
        .route("/docs/{file}", get(file))
        .layer(axum::middleware::map_response(page_headers))
}

async fn page(OriginalUri(asked): OriginalUri, headers: HeaderMap) -> Response {
    let page = if asked.path().ends_with('/') { &BESIDE } else { &BELOW };
    page.answer(&headers)
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let file = match name.as_str() {
        "index.html" => &BESIDE,
        "swagger-ui.css" => &STYLE,
        "index.css" => &PAGE_STYLE,
        "favicon-32x32.png" => &ICON,
        "swagger-ui-bundle.js" => &BUNDLE,
        "swagger-initializer.js" => &START,
        _ => return ApiError::NoRoute.into_response(),
    };
    file.answer(&headers)
}

/// Compresses every file, which takes a processor a tenth of a second. Called off the runtime when the server starts: whoever
/// asks first would otherwise hold up everybody who is served by the same thread.
pub fn compress() {
    for file in [&BESIDE, &BELOW, &STYLE, &PAGE_STYLE, &ICON, &BUNDLE, &START] {
        LazyLock::force(file);
    }
}

/// A file as Swagger UI's authors ship it.
fn vendored(kind: &'static str, name: &str) -> File {
    let found = utoipa_swagger_ui::serve(name, Arc::new(Config::default())).ok().flatten();
    let bytes = found.expect("the crate ships its dist folder: every_file_of_the_page_is_there").bytes;
    match bytes {
        Cow::Borrowed(bytes) => File::new(kind, bytes),
        Cow::Owned(bytes) => File::new(kind, bytes),
    }
}

async fn page_headers(mut response: Response) -> Response {
    let page = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page));
    response
}
