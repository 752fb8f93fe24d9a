//! Which part of a list is wanted: `page` and `limit`, or `cursor` and `limit`.

use waypost_gateway::lists::{Cursor, PageRequest, REACH};

use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::Object,
    },
};

use super::{Fields, FromFields, rules};

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    request: PageRequest,
}

impl Window {
    /// Rows a page where none are asked for.
    const DEFAULT_LIMIT: u32 = 20;
    /// The most rows a page.
    const MAX_LIMIT: u32 = 100;

    /// Reads `page`, `limit` and `cursor`, which counts before `page`.
    pub fn read(fields: &mut Fields) -> Self {
        let limit = fields.optional("limit", rules::integer(1..=Self::MAX_LIMIT)).unwrap_or(Self::DEFAULT_LIMIT);
        let page = fields.optional("page", rules::integer(1..=REACH)).unwrap_or(1);
        let cursor = fields.optional("cursor", |value| {
            let cursor = rules::string(value)?.parse::<Cursor>();
            cursor.map_err(|_| "Must be the nextCursor of an earlier page".to_owned())
        });
        if let Some(cursor) = cursor {
            return Self { request: PageRequest::After { cursor, limit } };
        }
        if page.saturating_mul(limit) > REACH {
            let last = REACH / limit;
            fields.refuse::<()>(
                "page",
                format!(
                    "Must be {last} at most with a limit of {limit}: pages by number end at {REACH} rows. Give the \
                     nextCursor of a page as cursor to go on"
                ),
            );
        }
        Self { request: PageRequest::Number { page, limit } }
    }

    /// `page`, `limit` and `cursor` for the document.
    pub fn params() -> Vec<Parameter> {
        let param = |name: &str, schema: Object, description: &str| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .description(Some(description))
                .schema(Some(schema))
                .build()
        };
        let number = |most: u32, default: u32| {
            let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(most));
            number.default(Some(default.into())).build()
        };
        let cursor = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,15}-[0-9]{1,18}$")).build();
        vec![
            param(
                "page",
                number(REACH, 1),
                "The number of the page, from 1. Times `limit` it is 10000 at most: `cursor` goes farther.",
            ),
            param("limit", number(Self::MAX_LIMIT, Self::DEFAULT_LIMIT), "Rows a page."),
            param("cursor", cursor, "The `nextCursor` of the page before; counts before `page`."),
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
}

/// The query of a list without filters.
pub struct PageQuery {
    /// The part that is wanted.
    pub window: Window,
}

impl FromFields for PageQuery {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { window: Window::read(fields) })
    }
}

impl IntoParams for PageQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Window::params()
    }
}
