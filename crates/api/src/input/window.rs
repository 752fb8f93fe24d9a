//! Which part of a list is wanted: `page` and `limit`, and `cursor` where the list takes one.

use waypost_gateway::lists::PageRequest;

use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::{Fields, FromFields, rules};

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    request: PageRequest,
    takes_cursor: bool,
}

impl Window {
    /// Rows a page where none are asked for.
    const DEFAULT_LIMIT: u32 = 20;
    /// The most rows a page.
    const MAX_LIMIT: u32 = 100;
    /// The last page that can be asked for: the database walks over all rows before it.
    const MAX_PAGE: u32 = 100_000;

    /// The window on a list that stays small: `page` and `limit`.
    pub fn by_page(fields: &mut Fields) -> Self {
        let limit = fields.optional("limit", rules::integer(1..=Self::MAX_LIMIT)).unwrap_or(Self::DEFAULT_LIMIT);
        let page = fields.optional("page", rules::integer(1..=Self::MAX_PAGE)).unwrap_or(1);
        Self { request: PageRequest::Number { page, limit }, takes_cursor: false }
    }

    /// The window on a list that grows fast: `cursor` too, which counts before `page`.
    pub fn by_cursor(fields: &mut Fields) -> Self {
        let Self { request, .. } = Self::by_page(fields);
        let cursor = fields.optional("cursor", |value| {
            let cursor = rules::string(value)?.parse().ok().filter(|cursor| *cursor > 0);
            cursor.ok_or_else(|| "Must be the nextCursor of an earlier page".to_owned())
        });
        let request = match (request, cursor) {
            (PageRequest::Number { limit, .. }, Some(cursor)) => PageRequest::After { cursor, limit },
            (request, _) => request,
        };
        Self { request, takes_cursor: true }
    }

    /// `page` and `limit` for the document.
    pub fn params() -> Vec<Parameter> {
        let param = |name: &str, most: u32, default: u32, description: &str| {
            let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(most));
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .description(Some(description))
                .schema(Some(number.default(Some(default.into())).build()))
                .build()
        };
        vec![
            param("page", Self::MAX_PAGE, 1, "The number of the page, from 1."),
            param("limit", Self::MAX_LIMIT, Self::DEFAULT_LIMIT, "Rows a page."),
        ]
    }

    /// What a use case is asked for.
    pub const fn request(self) -> PageRequest {
        self.request
    }

    /// Rows a page.
    pub const fn limit(self) -> u32 {
        match self.request {
            PageRequest::Number { limit, .. } | PageRequest::After { limit, .. } => limit,
        }
    }

    /// The number of the page, where one was asked for.
    pub const fn page(self) -> Option<u32> {
        match self.request {
            PageRequest::Number { page, .. } => Some(page),
            PageRequest::After { .. } => None,
        }
    }

    /// Whether the list takes a cursor.
    pub const fn takes_cursor(self) -> bool {
        self.takes_cursor
    }
}

/// The query of a list that stays small.
pub struct PageQuery {
    /// The part that is wanted.
    pub window: Window,
}

impl FromFields for PageQuery {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { window: Window::by_page(fields) })
    }
}

impl IntoParams for PageQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Window::params()
    }
}
