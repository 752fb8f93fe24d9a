//! Building one client: everything that is set on it is set here.

use std::{sync::Arc, time::Duration};

use wacore::store::{DeviceCommand, DevicePropsOverride};
use whatsapp_rust::{
    CacheConfig, CacheEntryConfig, Client, MsgSecretPolicy, TokioRuntime,
    store::persistence_manager::PersistenceManager,
};

use super::LinkCore;
use crate::{backend::SessionBackend, gate::GatedFactory, inbound::InboundHook, recovery::Recovery, version::Version};

/// How often the device is saved even if nobody asked for it.
const SAVE_INTERVAL: Duration = Duration::from_secs(30);
/// How many sent messages a client keeps in memory to answer retries; the rest it reads from the store.
const RECENT_MESSAGES: u64 = 64;
/// How long they stay in memory: a retry comes within seconds, or after the recipient was offline for long.
const RECENT_MESSAGES_LIFE: Duration = Duration::from_mins(1);
/// How long sent messages stay in the store to answer retries: two hours are promised, and the third is for clocks that
/// disagree and for receipts that are on their way.
const SENT_MESSAGE_LIFE_SECS: u64 = 3 * 3600;

/// A client that is ready to run, with what must outlive it.
pub(super) struct Built {
    pub(super) client: Arc<Client>,
    pub(super) backend: Arc<SessionBackend>,
}

/// Builds the client of a session from what its key store holds. Touches no network. The error is for the log.
pub(super) async fn build(link: &LinkCore, version: Version) -> Result<Built, String> {
    let shared = &link.shared;
    let dialed = shared.transport.clone().ok_or("no address to connect to")?;
    let backend =
        Arc::new(SessionBackend::new(shared.store.keys(link.spec.id), shared.env.clone(), link.lines.clone()));
    let (ratchet, lines) = (backend.ratchet().clone(), link.lines.clone());
    let transport = Arc::new(GatedFactory::new(dialed, link.sink.clone(), ratchet, lines, link.spec.id));
    let persistence = PersistenceManager::new(backend.clone()).await.map_err(with_causes)?;
    let name = shared.config.device_name.as_ref().unwrap_or(&link.spec.name);
    persistence
        .process_command(DeviceCommand::SetDeviceProps(
            DevicePropsOverride::new()
                .with_os(name.as_str())
                .with_platform_type(shared.config.device_platform.to_wire()),
        ))
        .await;
    if shared.simulated && persistence.get_device_snapshot().push_name.is_empty() {
        // A simulator tells accounts apart by this name. WhatsApp knows the account's own, which must not be touched.
        persistence.process_command(DeviceCommand::SetPushName(link.spec.name.clone())).await;
    }
    let client = Client::builder()
        .with_runtime(TokioRuntime)
        .with_persistence_manager(Arc::new(persistence))
        .with_transport_factory_arc(transport)
        .with_http_client_arc(shared.http.clone())
        .with_version_override(version)
        .with_cache_config(cache_config())
        .with_inbound_durability_hook(InboundHook::new(link.spec.id, link.sink.clone(), link.lines.clone()))
        .with_skip_history_sync(true)
        .with_wanted_pre_key_count(shared.config.prekeys)
        .with_background_saver_interval(SAVE_INTERVAL)
        .build()
        .await
        .map_err(with_causes)?
        .into_client();
    // Without this our delivery receipts would be of the kind that shows the sender no second tick, because the account
    // never says that it is available.
    client.set_force_active_delivery_receipts(true);
    backend.ratchet().belongs_to(Arc::downgrade(&client));
    backend.recover_by(Recovery::new(link.spec.id, link.sink.clone(), Arc::downgrade(&client), link.lines.clone()));
    Ok(Built { client, backend })
}

/// Caches that fit a gateway of many sessions. The rest are the client's own, which grow with use alone; those that hold
/// locks must not be small.
fn cache_config() -> CacheConfig {
    CacheConfig {
        // Above 0 the payload kept for retries is written beside the send instead of before it.
        recent_messages: CacheEntryConfig::new(Some(RECENT_MESSAGES_LIFE), RECENT_MESSAGES),
        sent_message_ttl_secs: SENT_MESSAGE_LIFE_SECS,
        // Secrets serve to read poll votes and edits, which the gateway does not read yet; keeping them would cost a row
        // for each message in either direction.
        msg_secret_policy: MsgSecretPolicy::Disabled,
        seed_msg_secrets_from_history: false,
        ..CacheConfig::default()
    }
}

/// An error with its causes, for the log.
fn with_causes(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
