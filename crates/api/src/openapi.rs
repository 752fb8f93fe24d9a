//! The OpenAPI document, made of the routes themselves, and Swagger UI to try it out, served from the binary.

mod errors;
mod file;
mod pages;
mod requests;

use std::sync::LazyLock;

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
use utoipa_axum::router::UtoipaMethodRouter;
use waypost_domain::{Role, Scope};

pub use errors::{
    Alive, Authenticated, BadBody, BadInput, ByOperator, Limited, Login, Missing, Once, Open, Ready, Refresh,
    Registering, Unavailable, WrongState,
};

pub use file::File;
pub use pages::pages;
pub use requests::SINCE_1970;

use crate::{
    App,
    error::ErrorEnvelope,
    router::{self, Access},
};

/// Where the source of this server is, as the AGPL wants it offered.
pub const SOURCE: &str = env!("CARGO_PKG_REPOSITORY");

const DESCRIPTION: &str = "\
Self-hosted, multi-tenant Messages API for WhatsApp.

Every route is reachable under `/api` and, unchanged, under `/api/v1`. People log in and send \
`Authorization: Bearer <accessToken>`; servers send `X-API-Key: awp_…` to the routes under `/api/external`. \
Every answer carries `X-Request-Id`; every authenticated one `RateLimit-Limit`, `RateLimit-Remaining` and \
`RateLimit-Reset`, while a limit is set.";

/// Where the API begins, from the document under `/api` or under `/api/v1`: relative, so that it holds below any prefix
/// that a proxy adds.
const ROOT: [&str; 2] = ["..", "../.."];

/// The document as it stands under `/api`.
pub fn openapi() -> OpenApi {
    let groups = [
        ("/api", router::open_routes(), Access::Everyone),
        ("/api", router::person_routes(Access::People), Access::People),
        ("/api", router::message_routes(Access::People), Access::People),
        ("/api/v1", router::session_routes(Access::People), Access::People),
        ("/api/external", router::message_routes(Access::Servers), Access::Servers),
        ("/api/external", router::session_routes(Access::Servers), Access::Servers),
        ("/api", router::operator_routes(), Access::Operator),
        ("", router::health_routes(), Access::Everyone),
        ("", router::metrics_routes(), Access::Operator),
    ];
    let mut document = groups.into_iter().fold(empty(), |document, (prefix, routes, access)| {
        let mut group = routes.into_openapi();
        for item in group.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            operations.into_iter().flatten().for_each(|operation| mark(operation, access));
        }
        // `nest` wants a prefix.
        if prefix.is_empty() { document.merge_from(group) } else { document.nest(prefix, group) }
    });
    requests::complete(&mut document);
    document
}

fn empty() -> OpenApi {
    let access_token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "The accessToken that POST /api/auth/login gives. The role that a route names is the least: an owner may what \
             an admin may, an admin what a member may.",
        ))
        .build();
    let operator_token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The operator's token, as the setting operator_token has it."))
        .build();
    let api_key = ApiKeyValue::with_description(
        "X-API-Key",
        "An API key, as POST /api/api-keys makes it. It needs the scope that a route names.",
    );
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
        .servers(Some([Server::new(ROOT[0])]))
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

/// Writes into the operations of a route what its handler asks of its caller (`auth::asked_by`). Each way in has its own
/// word for it: a person's least role, a key's scope.
pub fn ask(
    (schemas, mut paths, methods): UtoipaMethodRouter<App>,
    access: Access,
    (role, scope): (Role, Option<Scope>),
) -> UtoipaMethodRouter<App> {
    let (scheme, asked, sentence) = match (access, scope) {
        (Access::Servers, Some(scope)) => {
            ("apiKey", scope.as_str(), format!("The API key needs the scope `{}`.", scope.as_str()))
        }
        (Access::People, _) if role == Role::Member => ("accessToken", role.as_str(), String::new()),
        (Access::People, _) => {
            ("accessToken", role.as_str(), format!("It takes the role `{}` at least.", role.as_str()))
        }
        // Nobody comes in: the group has no credential that a permission could be of.
        (Access::Servers, None) | (Access::Everyone | Access::Operator, _) => return (schemas, paths, methods),
    };
    for item in paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            operation.security = Some(vec![SecurityRequirement::new(scheme, [asked])]);
            let description = operation.description.take().into_iter().chain(Some(sentence.clone()));
            let description: Vec<_> = description.filter(|text| !text.is_empty()).collect();
            operation.description = Some(description.join("\n\n")).filter(|text| !text.is_empty());
        }
    }
    (schemas, paths, methods)
}

/// Says in an operation that it is the operator's, and gives the second mount of one a name of its own.
fn mark(operation: &mut Operation, access: Access) {
    let none: [&str; 0] = [];
    if access == Access::Operator {
        operation.security = Some(vec![SecurityRequirement::new("operatorToken", none)]);
    }
    if let (Access::Servers, Some(id)) = (access, &mut operation.operation_id) {
        let (first, rest) = id.split_at(1);
        *id = format!("external{}{rest}", first.to_uppercase());
    }
}

/// The document as it is served under `/api`, and under `/api/v1`.
pub fn document(under_v1: bool) -> &'static File {
    static FILES: LazyLock<[File; 2]> = LazyLock::new(|| {
        ROOT.map(|root| {
            let mut document = openapi();
            document.servers = Some(vec![Server::new(root)]);
            let json = document.to_pretty_json().expect("the document is made of strings, lists and maps");
            File::new("application/json", json)
        })
    });
    &FILES[usize::from(under_v1)]
}

/// Makes the documentation ready to be served, which takes a processor some tenths of a second: for a thread that may block.
pub fn prepare() {
    document(false);
    pages::compress();
}

/// The header `Idempotency-Key` of the routes that send.
pub struct IdempotencyKeyHeader;

impl IntoParams for IdempotencyKeyHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        const DESCRIPTION: &str = "\
            1 to 255 printable ASCII characters of your choice, such as the number of an order. For 24 hours the same \
            key with the same body gives the first answer again, and sends nothing; with another body it is refused.";
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255))
            .pattern(Some("^[ -~]*$"))
            .build();
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

/// A text that is one of these, or `unknown` if another version of Waypost wrote it and this one cannot read it.
pub fn one_of_or(names: impl IntoIterator<Item = &'static str>, unknown: &'static str) -> Object {
    one_of(names.into_iter().chain([unknown]))
}
