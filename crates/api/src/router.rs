//! Every route there is.
//!
//! A route is listed once, in one of the groups below, and gets from its group who may come in, its place in the OpenAPI
//! document and its place under `/api` and, unchanged, under `/api/v1`. There is no other way to add one: a route that
//! is not in the document cannot exist (`tests::no_route_goes_around_the_document` sees to it).

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, Method, header},
    middleware,
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use waypost_gateway::Gateway;

use crate::{
    App, auth,
    config::ApiConfig,
    doors,
    input::once,
    openapi, request,
    v1::{api_keys, auth as accounts, messages, operator, service, whatsapp},
};

/// The whole HTTP surface.
pub fn router(gateway: Gateway, config: ApiConfig) -> Router {
    let app = App::new(gateway, config);
    let user = || middleware::from_fn_with_state(app.clone(), auth::require_user);
    let api_key = || middleware::from_fn_with_state(app.clone(), auth::require_api_key);

    let stranger = || middleware::from_fn_with_state(app.clone(), doors::limit);
    let operator = middleware::from_fn_with_state(app.clone(), auth::require_operator);

    let api = plain(open_routes())
        .route_layer(stranger())
        .merge(plain(operator_routes()).route_layer(operator))
        .merge(plain(person_routes()).route_layer(user()))
        .merge(plain(message_routes()).merge(plain(session_routes())).route_layer(user()))
        .nest("/external", plain(message_routes()).merge(plain(session_routes())).route_layer(api_key()));

    let routes = Router::new()
        .nest("/api", api.clone())
        .nest("/api/v1", api)
        .merge(plain(health_routes()))
        .merge(openapi::swagger_ui().layer(stranger()))
        .fallback(request::no_route)
        .layer(DefaultBodyLimit::max(app.config.json_body_limit))
        .layer(CatchPanicLayer::custom(request::panicked));
    let routes = if app.config.cors_origins.is_empty() { routes } else { routes.layer(cors(&app.config)) };
    routes.layer(middleware::from_fn_with_state(app.clone(), request::answer)).with_state(app)
}

/// Routes for everyone.
pub(crate) fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(accounts::register::register))
        .routes(routes!(accounts::login::login))
        .routes(routes!(accounts::refresh::refresh))
        .routes(routes!(service::version::version))
        .routes(routes!(service::document::document))
}

/// Routes for people: access tokens alone.
pub(crate) fn person_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(accounts::logout::logout))
        .routes(routes!(accounts::me::me))
        .routes(routes!(api_keys::list::list, api_keys::create::create))
        .routes(routes!(api_keys::revoke::revoke))
}

/// Messages: for people and, under `/external`, for servers with an API key.
pub(crate) fn message_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(messages::send_text::send_text))
        .routes(routes!(messages::check_numbers::check_numbers))
        .routes(routes!(messages::list::list))
        .routes(routes!(messages::get::get))
        .routes(routes!(messages::cancel::cancel))
}

/// Sessions: for people and, under `/external`, for servers with an API key.
pub(crate) fn session_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(whatsapp::list::list, whatsapp::create::create))
        .routes(routes!(whatsapp::get::get, whatsapp::update::update, whatsapp::delete::delete))
        .routes(routes!(whatsapp::connect::connect))
        .routes(routes!(whatsapp::qr::qr))
        .routes(routes!(whatsapp::pairing_code::pairing_code))
        .routes(routes!(whatsapp::status::status))
        .routes(routes!(whatsapp::disconnect::disconnect))
        .routes(routes!(whatsapp::logout::logout))
}

/// Routes for the operator of the server.
pub(crate) fn operator_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(
        operator::get_whatsapp_version::get_whatsapp_version,
        operator::set_whatsapp_version::set_whatsapp_version
    ))
}

/// Routes for whoever watches the process.
pub(crate) fn health_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(service::live::live)).routes(routes!(service::ready::ready))
}

fn plain(routes: OpenApiRouter<App>) -> Router<App> {
    routes.split_for_parts().0
}

/// Lets the scripts of the configured origins call the API. Without any, browsers' own rule stands: no foreign page may.
fn cors(config: &ApiConfig) -> CorsLayer {
    let exposed =
        ["x-request-id", once::REPLAYED, "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"];
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(config.cors_origins.iter().cloned()))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            HeaderName::from_static(auth::API_KEY_HEADER),
            HeaderName::from_static(once::KEY),
        ])
        .expose_headers(exposed.map(HeaderName::from_static))
}
