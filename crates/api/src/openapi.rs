//! The OpenAPI document, made of the routes themselves, and Swagger UI to try it out, served from the binary.

mod errors;

use std::sync::LazyLock;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::Response,
};
use tower_http::compression::CompressionLayer;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, ContactBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
        OpenApiVersion, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::Object,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
        server::Server,
        tag::TagBuilder,
    },
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

pub use errors::{
    Alive, Authenticated, BadBody, BadInput, ByOperator, Limited, Login, Missing, Once, Open, Ready, Refresh,
    Registering, Unavailable, WrongState,
};

use crate::{App, error::ErrorEnvelope, router};

/// Where the source of this server is, as the AGPL wants it offered.
pub const SOURCE: &str = env!("CARGO_PKG_REPOSITORY");

const DESCRIPTION: &str = "\
Self-hosted, multi-tenant Messages API for WhatsApp.

Every route is reachable under `/api` and, unchanged, under `/api/v1`. People log in and send \
`Authorization: Bearer <accessToken>`; servers send `X-API-Key: awp_…` to the routes under `/api/external`. \
Every answer carries `X-Request-Id`; every authenticated one `RateLimit-Limit`, `RateLimit-Remaining` and \
`RateLimit-Reset`, while a limit is set.";

/// Who may come in at a group of routes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Everyone,
    People,
    Servers,
    Operator,
}

/// The document.
pub fn openapi() -> OpenApi {
    let groups: [(&str, OpenApiRouter<App>, Access); 8] = [
        ("/api", router::open_routes(), Access::Everyone),
        ("/api", router::person_routes(), Access::People),
        ("/api", router::message_routes(), Access::People),
        ("/api/v1", router::session_routes(), Access::People),
        ("/api/external", router::message_routes(), Access::Servers),
        ("/api/external", router::session_routes(), Access::Servers),
        ("/api", router::operator_routes(), Access::Operator),
        ("", router::health_routes(), Access::Everyone),
    ];
    groups.into_iter().fold(empty(), |document, (prefix, routes, access)| {
        let mut group = routes.into_openapi();
        for item in group.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            operations.into_iter().flatten().for_each(|operation| admit(operation, access));
        }
        // `nest` wants a prefix.
        if prefix.is_empty() { document.merge_from(group) } else { document.nest(prefix, group) }
    })
}

fn empty() -> OpenApi {
    let access_token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The accessToken that POST /api/auth/login gives."))
        .build();
    let operator_token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The operator's token, as the setting operator_token has it."))
        .build();
    let api_key = ApiKeyValue::with_description("X-API-Key", "An API key, as POST /api/api-keys makes it.");
    OpenApiBuilder::new()
        .openapi(OpenApiVersion::Version31)
        .info(
            InfoBuilder::new()
                .title("Waypost")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .contact(Some(ContactBuilder::new().name(Some("Source")).url(Some(SOURCE)).build()))
                .license(Some(
                    LicenseBuilder::new()
                        .name(env!("CARGO_PKG_LICENSE"))
                        .identifier(Some(env!("CARGO_PKG_LICENSE")))
                        .build(),
                ))
                .build(),
        )
        .servers(Some([Server::new("/")]))
        .components(Some(
            ComponentsBuilder::new()
                .security_scheme("accessToken", SecurityScheme::Http(access_token))
                .security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(api_key)))
                .security_scheme("operatorToken", SecurityScheme::Http(operator_token))
                .schema(ErrorEnvelope::name(), ErrorEnvelope::schema())
                .responses_from_iter(errors::components())
                .build(),
        ))
        .tags(Some(
            [
                ("Accounts", "Tenants and the people who log in."),
                ("API keys", "How servers come in."),
                ("Sessions", "Linked WhatsApp accounts, and sandbox ones that need no phone."),
                ("Messages", "Sent and received."),
                ("Operator", "For whoever runs the server: what holds for all tenants."),
                ("Service", "The server itself."),
            ]
            .map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build()),
        ))
        .build()
}

/// Says in an operation who may come in, and gives the second mount of one a name of its own.
fn admit(operation: &mut Operation, access: Access) {
    let none: [&str; 0] = [];
    operation.security = match access {
        Access::Everyone => None,
        Access::People => Some(vec![SecurityRequirement::new("accessToken", none)]),
        Access::Servers => Some(vec![SecurityRequirement::new("apiKey", none)]),
        Access::Operator => Some(vec![SecurityRequirement::new("operatorToken", none)]),
    };
    if let (Access::Servers, Some(id)) = (access, &mut operation.operation_id) {
        let (first, rest) = id.split_at(1);
        *id = format!("external{}{rest}", first.to_uppercase());
    }
}

/// The document as it is served.
pub fn json() -> &'static str {
    static JSON: LazyLock<String> =
        LazyLock::new(|| openapi().to_pretty_json().expect("the document is made of strings, lists and maps"));
    &JSON
}

/// Swagger UI at `/api/docs`, without any address outside this server.
pub fn swagger_ui() -> Router<App> {
    let ui = |path| {
        let config = Config::from("/api/openapi.json").persist_authorization(true).try_it_out_enabled(true);
        Router::from(SwaggerUi::new(path).config(config))
    };
    ui("/api/docs")
        .merge(ui("/api/v1/docs"))
        .layer(CompressionLayer::new())
        .layer(axum::middleware::map_response(page_headers))
}

async fn page_headers(mut response: Response) -> Response {
    let page = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The header `Idempotency-Key` of the routes that send.
pub struct IdempotencyKeyHeader;

impl IntoParams for IdempotencyKeyHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        const DESCRIPTION: &str = "\
            1 to 255 printable ASCII characters of your choice, such as the number of an order. For 24 hours the same \
            key with the same body gives the first answer again, and sends nothing; with another body it is refused.";
        let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255)).build();
        let header = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .description(Some(DESCRIPTION))
            .schema(Some(schema));
        vec![header.build()]
    }
}

/// A string that is one of a few names.
pub fn one_of(names: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}
