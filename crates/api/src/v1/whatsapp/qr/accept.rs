//! In which form a client wants the QR code, by its header `Accept`.

use axum::http::{HeaderMap, header};

/// The forms there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The usual envelope.
    Json,
    /// A picture of pixels.
    Png,
    /// A picture of lines.
    Svg,
}

impl Form {
    /// The form that the client likes best; JSON where it names none of the three.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best = (Self::Json, 0.0);
        for range in ranges.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/json" | "application/*" | "*/*" => Self::Json,
                "image/png" | "image/*" => Self::Png,
                "image/svg+xml" => Self::Svg,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            // Of equals the first wins.
            if quality > best.1 {
                best = (form, quality);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, Form::Json)]
    #[case(Some("*/*"), Form::Json)]
    #[case(Some("text/html"), Form::Json)]
    #[case(Some("image/png"), Form::Png)]
    #[case(Some("IMAGE/SVG+XML"), Form::Svg)]
    #[case(Some("image/avif,image/webp,image/*;q=0.8,*/*;q=0.5"), Form::Png)]
    #[case(Some("application/json;q=0.1, image/svg+xml;q=0.9"), Form::Svg)]
    #[case(Some("image/png;q=0"), Form::Json)]
    fn the_form_is_the_one_liked_best(#[case] accept: Option<&str>, #[case] form: Form) {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, accept.parse().unwrap());
        }
        assert_eq!(Form::wanted(&headers), form);
    }
}
