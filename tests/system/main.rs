//! System tests: the real server, as its users see it. The folders mirror the routes; `wire` talks WhatsApp's protocol
//! with a real Baileys client, and `faults` kills things.

mod api_keys;
mod auth;
mod docs;
mod doors;
mod faults;
mod floods;
mod messages;
mod start;
mod tenants;
mod whatsapp;
#[cfg(feature = "wire-sim")]
mod wire;
