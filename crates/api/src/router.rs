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
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use waypost_accounts::Accounts;
use waypost_gateway::Gateway;

use crate::{
    App, auth,
    config::ApiConfig,
    doors,
    input::once,
    openapi, path, request,
    v1::{api_keys, auth as accounts, messages, operator, service, whatsapp},
};

/// Who may come in at a group of routes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone.
    Everyone,
    /// People with an access token.
    People,
    /// Servers with an API key.
    Servers,
    /// The operator of the server.
    Operator,
}

/// A route whose handler has a gate: what that asks is written into the document.
macro_rules! gated {
    ($access:expr, $handler:path) => {
        openapi::ask(routes!($handler), $access, auth::asked_by(&$handler))
    };
}

/// The whole HTTP surface.
pub fn router(accounts: Accounts, gateway: Gateway, config: ApiConfig) -> Router {
    // Layers of a router run once it has found the route: what is to change the path stands in front of it.
    let routes = ServiceBuilder::new().map_request(path::normal).service(routes(App::new(accounts, gateway, config)));
    Router::new().fallback_service(routes)
}

fn routes(app: App) -> Router {
    let user = || middleware::from_fn_with_state(app.clone(), auth::require_user);
    let api_key = || middleware::from_fn_with_state(app.clone(), auth::require_api_key);
    let stranger = || middleware::from_fn_with_state(app.clone(), doors::limit);
    let operator = middleware::from_fn_with_state(app.clone(), auth::require_operator);

    let shared = |access| plain(message_routes(access)).merge(plain(session_routes(access)));
    let api = plain(open_routes())
        .route_layer(stranger())
        .merge(plain(operator_routes()).route_layer(operator))
        .merge(plain(person_routes(Access::People)).merge(shared(Access::People)).route_layer(user()))
        .nest("/external", shared(Access::Servers).route_layer(api_key()));
    let api = if app.config.docs { api.merge(openapi::pages().route_layer(stranger())) } else { api };

    let routes = Router::new()
        .nest("/api", api.clone())
        .nest("/api/v1", api)
        .merge(plain(health_routes()))
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
pub(crate) fn person_routes(access: Access) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(gated!(access, accounts::logout::logout))
        .routes(gated!(access, accounts::me::me))
        .routes(gated!(access, api_keys::list::list))
        .routes(gated!(access, api_keys::create::create))
        .routes(gated!(access, api_keys::revoke::revoke))
}

/// Messages: for people and, under `/external`, for servers with an API key.
pub(crate) fn message_routes(access: Access) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(gated!(access, messages::send_text::send_text))
        .routes(gated!(access, messages::check_numbers::check_numbers))
        .routes(gated!(access, messages::list::list))
        .routes(gated!(access, messages::get::get))
        .routes(gated!(access, messages::cancel::cancel))
}

/// Sessions: for people and, under `/external`, for servers with an API key.
pub(crate) fn session_routes(access: Access) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(gated!(access, whatsapp::list::list))
        .routes(gated!(access, whatsapp::create::create))
        .routes(gated!(access, whatsapp::get::get))
        .routes(gated!(access, whatsapp::update::update))
        .routes(gated!(access, whatsapp::delete::delete))
        .routes(gated!(access, whatsapp::connect::connect))
        .routes(gated!(access, whatsapp::qr::qr))
        .routes(gated!(access, whatsapp::pairing_code::pairing_code))
        .routes(gated!(access, whatsapp::status::status))
        .routes(gated!(access, whatsapp::disconnect::disconnect))
        .routes(gated!(access, whatsapp::logout::logout))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use secrecy::SecretBox;
    use waypost_accounts::AccountsConfig;
    use waypost_domain::Env;
    use waypost_gateway::GatewayConfig;
    use waypost_store::{MasterKey, Store, StoreConfig};

    use super::*;

    async fn app(folder: &tempfile::TempDir) -> App {
        let config = StoreConfig {
            database_url: format!("sqlite://{}", folder.path().join("waypost.db").display()).parse().unwrap(),
            master_key: MasterKey::new([7; 32]),
            max_connections: 1,
        };
        let store = Store::open(&config, Env::system()).await.unwrap();
        let key = SecretBox::new(Box::new([9; 32]));
        let accounts = Accounts::new(store.clone(), Env::system(), AccountsConfig::default(), key);
        let gateway = Gateway::new(store, Vec::new(), Env::system(), GatewayConfig::default());
        App::new(accounts, gateway, ApiConfig::default())
    }

    /// The paths that a router knows. axum gives no list of them but in its debug form.
    fn paths(router: &Router) -> BTreeSet<String> {
        let debug = format!("{router:?}");
        let quoted = debug.split('"').skip(1).step_by(2);
        // The fallback is kept as two routes of axum's own.
        let ours = |text: &&str| text.starts_with('/') && *text != "/" && !text.contains("__private");
        let paths: BTreeSet<_> = quoted.filter(ours).map(str::to_owned).collect();
        assert!(paths.len() > 50, "axum's debug form has changed: {debug}");
        paths
    }

    #[tokio::test]
    async fn no_route_goes_around_the_document() {
        let folder = tempfile::tempdir().unwrap();
        let contract = |path: &str| path.replacen("/api/v1/", "/api/", 1);
        let documented: BTreeSet<_> = openapi::openapi().paths.paths.keys().map(|path| contract(path)).collect();
        let routed = paths(&routes(app(&folder).await));
        let routed: BTreeSet<_> = routed.iter().map(|path| contract(path)).collect();
        let pages = |path: &&String| !path.starts_with("/api/docs");
        assert_eq!(routed.iter().filter(pages).collect::<Vec<_>>(), documented.iter().collect::<Vec<_>>());
    }
}
