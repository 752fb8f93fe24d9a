//! What a successful request is answered with.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};
use waypost_gateway::lists::Page;

use crate::input::Window;

/// `{"success":true,"data":…}`, with a sentence where one helps.
#[expect(clippy::struct_field_names, reason = "the contract names the field")]
#[derive(Debug, Serialize, ToSchema)]
pub struct Success<T: ToSchema> {
    /// `true`.
    #[schema(example = true)]
    success: bool,
    /// What was asked for.
    data: T,
    /// A sentence for people, where one helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<&'static str>,
}

impl<T: ToSchema> Success<T> {
    /// The answer `data`.
    pub const fn new(data: T) -> Self {
        Self { success: true, data, message: None }
    }

    /// The answer `data` with a sentence.
    pub const fn with_message(data: T, message: &'static str) -> Self {
        Self { success: true, data, message: Some(message) }
    }

    /// With the status 201.
    pub const fn created(self) -> Created<T> {
        Created(self)
    }
}

impl<T: Serialize + ToSchema> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// `null`: there is nothing to tell but that it is done.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Serialize for Nothing {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl PartialSchema for Nothing {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Null).build().into()
    }
}

impl ToSchema for Nothing {}

/// A [`Success`] with the status 201.
#[derive(Debug)]
pub struct Created<T: ToSchema>(Success<T>);

impl<T: Serialize + ToSchema> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, self.0).into_response()
    }
}

/// A part of a list: `{"success":true,"data":[…],"pagination":{…}}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed<T: ToSchema> {
    /// `true`.
    #[schema(example = true)]
    success: bool,
    /// The rows, newest first.
    data: Vec<T>,
    /// Where in the list they stand.
    pagination: Pagination,
}

/// Where in a list a page stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// The number of the page, from 1. Absent where a cursor was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1)]
    page: Option<u32>,
    /// Rows a page.
    #[schema(example = 20)]
    limit: u32,
    /// Rows in all, 10000 at most. Absent where a cursor was given: nothing is counted then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1)]
    total: Option<u64>,
    /// `true` if there are more rows, or may be, than `total` says. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total_is_capped: Option<bool>,
    /// Pages in all, as `total` counts them. Absent where a cursor was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1)]
    total_pages: Option<u64>,
    /// Give it as `cursor` to get the next rows. Absent on the last page, and on no other: a page may have fewer rows
    /// than `limit`, none even, and yet not be the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

impl<T: ToSchema> Listed<T> {
    /// The rows of `page`, which is what `window` asked for.
    pub fn new<R>(window: Window, page: Page<R>, row: impl Fn(R) -> T) -> Self {
        let limit = window.limit();
        let pagination = Pagination {
            page: window.page(),
            limit,
            total: page.total,
            total_is_capped: page.total_is_capped.then_some(true),
            total_pages: page.total.map(|total| total.div_ceil(u64::from(limit))),
            next_cursor: page.next_cursor.map(|cursor| cursor.to_string()),
        };
        Self { success: true, data: page.items.into_iter().map(row).collect(), pagination }
    }
}

impl<T: Serialize + ToSchema> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}
