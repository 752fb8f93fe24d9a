//! The endpoints, one file each.

pub mod api_keys;
pub mod auth;
pub mod messages;
pub mod operator;
pub mod service;
pub mod whatsapp;
