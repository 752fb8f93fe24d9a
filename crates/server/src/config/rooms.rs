//! What each room is told: the only place where settings become a room's own configuration.

use waypost_accounts::{AccountsConfig, LoginLimits, RegistrationLimits, RegistrationOpen};
use waypost_api::ApiConfig;
use waypost_engine_whatsapp::WhatsappConfig;
use waypost_gateway::{GatewayConfig, LookupLimits};

use super::Settings;

impl Settings {
    /// What is told to whoever lets people in.
    pub fn accounts_config(&self) -> AccountsConfig {
        let Self { accounts, limits, .. } = self;
        AccountsConfig {
            registration_open: accounts.registration_open.0,
            registration_limits: RegistrationLimits {
                per_network: accounts.registrations_per_hour.0,
                in_all: accounts.registrations_per_hour_in_all.0,
            },
            access_token_life: accounts.access_token_life.0,
            refresh_token_life: accounts.refresh_token_life.0,
            operator_token: accounts.operator_token.as_ref().map(|token| token.0.clone()),
            login_limits: LoginLimits {
                failures_per_minute: limits.login_failures_per_minute.0,
                failures_per_email: limits.login_failures_per_email.0,
            },
            refused_credentials_per_minute: limits.refused_credentials_per_minute.0,
            ..AccountsConfig::default()
        }
    }

    /// What the gateway is told.
    pub fn gateway_config(&self) -> GatewayConfig {
        let Self { storage, sessions, messages, pacing, numbers, .. } = self;
        let expiry = messages.message_expiry.0;
        GatewayConfig {
            ack_timeout: messages.ack_timeout.0,
            send_attempts: messages.send_attempts.0,
            message_expiry: (!expiry.is_zero()).then_some(expiry),
            pacing: pacing.in_force(),
            max_sessions_per_tenant: sessions.max_sessions_per_tenant.0.map(Into::into),
            session_logins_per_second: sessions.logins_per_second.0,
            check_numbers: numbers.check_numbers.0,
            lookup_limits: LookupLimits { per_minute: numbers.lookups_per_minute.0, burst: numbers.lookup_burst.0 },
            min_free_disk: storage.min_free_disk.0,
            folders: vec![storage.data_dir.0.clone()],
            ..GatewayConfig::default()
        }
    }

    /// What the HTTP surface is told.
    pub fn api_config(&self) -> ApiConfig {
        let Self { http, limits, proxies, web, .. } = self;
        ApiConfig {
            requests_per_minute: limits.rate_limit_per_minute.0,
            open_requests_per_minute: limits.open_requests_per_minute.0,
            open_requests_per_second: limits.open_requests_per_second.0,
            max_body_bytes_in_flight: http.max_body_bytes_in_flight.0,
            proxies: proxies.trusted(),
            refusal_pause: limits.refusal_pause.0,
            docs: web.docs.0,
            cors_origins: web.cors_origins.as_ref().map(|origins| origins.0.clone()).unwrap_or_default(),
            ..ApiConfig::default()
        }
    }

    /// What the WhatsApp engine is told.
    pub fn whatsapp_config(&self) -> WhatsappConfig {
        let Self { sessions, whatsapp, .. } = self;
        WhatsappConfig {
            version: whatsapp.whatsapp_version.as_ref().map(|version| (version.0.0, version.0.1, version.0.2)),
            dials_per_second: sessions.logins_per_second.0,
            #[cfg(feature = "wire-sim")]
            url: whatsapp.whatsapp_url.as_ref().map(|url| url.0.clone()),
            ..WhatsappConfig::default()
        }
    }

    /// Whether everyone who reaches the port from another machine may register.
    pub fn lets_strangers_register(&self) -> bool {
        self.accounts.registration_open.0 == RegistrationOpen::Yes && !self.http.listen.0.ip().is_loopback()
    }
}
