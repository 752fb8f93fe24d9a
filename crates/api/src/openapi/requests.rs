//! What holds for the fields of every request, said once and written into the schema of each: the rules of `input`.
//!
//! A client that keeps to the document is not refused for the form of what it sends, and what the document forbids is
//! refused: schemathesis tries both.

use serde_json::Value;
use utoipa::openapi::{
    Content, OpenApi, RefOr, Type,
    schema::{AdditionalProperties, ArrayItems, KnownFormat, Object, Schema, SchemaFormat, SchemaType},
};

/// The pattern by which a field says that it wants something to see.
const SOMETHING_TO_SEE: &str = r"\S";

/// The characters that show nothing: blanks, controls, format and default-ignorable characters, empty pictures.
const SHOWS_NOTHING: &str = "\\u0000-\\u0020\\u007f-\\u00a0\\u00ad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5\
    \\u180b-\\u180f\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u2800\\u3000\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\
    \\ufff0-\\ufffb\u{13430}-\u{1343f}\u{1bca0}-\u{1bca3}\u{1d159}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}";

/// Any text but NUL, which no text may have.
const NO_NUL: &str = r"^[^\u0000]*$";

/// Times begin in 1970.
pub const SINCE_1970: &str = "^(19[7-9]|[2-9][0-9]{2})[0-9]-";

/// Completes the schemas of all requests.
pub fn complete(document: &mut OpenApi) {
    let mut names = Vec::new();
    for item in document.paths.paths.values() {
        let operations = [&item.post, &item.put, &item.patch, &item.delete].into_iter().flatten();
        let bodies = operations.filter_map(|operation| match &operation.request_body {
            Some(RefOr::T(body)) => Some(body),
            Some(RefOr::Ref(_)) | None => None,
        });
        for content in bodies.flat_map(|body| body.content.values()) {
            if let RefOr::T(Content { schema: Some(RefOr::Ref(reference)), .. }) = content {
                names.extend(reference.ref_location.strip_prefix("#/components/schemas/").map(str::to_owned));
            }
        }
    }
    let Some(components) = &mut document.components else { return };
    for name in names {
        if let Some(schema) = components.schemas.get_mut(&name) {
            field(schema, true);
        }
    }
}

fn field(schema: &mut RefOr<Schema>, required: bool) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            if !required {
                or_null(&mut object.schema_type);
                // A list of values counts before the type.
                if let Some(values) = object.enum_values.as_mut().filter(|values| !values.contains(&Value::Null)) {
                    values.push(Value::Null);
                }
            }
            text(object);
            members(object);
        }
        RefOr::T(Schema::Array(array)) => {
            if !required {
                or_null(&mut array.schema_type);
            }
            if let ArrayItems::RefOrSchema(item) = &mut array.items {
                field(item, true);
            }
        }
        RefOr::T(Schema::OneOf(one_of)) => one_of.items.iter_mut().for_each(|item| field(item, true)),
        RefOr::T(_) | RefOr::Ref(_) => {}
    }
}

/// Names that nobody knows are refused.
fn members(object: &mut Object) {
    if object.properties.is_empty() {
        return;
    }
    object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    for (name, schema) in &mut object.properties {
        field(schema, object.required.contains(name));
    }
}

/// `null` is as good as absent.
fn or_null(kind: &mut SchemaType) {
    match kind {
        SchemaType::Type(one) if *one != Type::Null => *kind = SchemaType::Array(vec![one.clone(), Type::Null]),
        SchemaType::Array(types) if !types.contains(&Type::Null) => types.push(Type::Null),
        SchemaType::Type(_) | SchemaType::Array(_) | SchemaType::AnyValue => {}
    }
}

fn text(object: &mut Object) {
    let is_text = match &object.schema_type {
        SchemaType::Type(one) => *one == Type::String,
        SchemaType::Array(types) => types.contains(&Type::String),
        SchemaType::AnyValue => false,
    };
    let pattern = match (object.pattern.as_deref(), &object.format) {
        (Some(SOMETHING_TO_SEE), _) => format!("^[^\\u0000]*[^{SHOWS_NOTHING}][^\\u0000]*$"),
        (None, Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))) => SINCE_1970.to_owned(),
        (None, None | Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            if is_text && object.enum_values.is_none() =>
        {
            NO_NUL.to_owned()
        }
        _ => return,
    };
    object.pattern = Some(pattern);
}
