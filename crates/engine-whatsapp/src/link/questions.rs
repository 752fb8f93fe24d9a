//! Questions whose answers the driver does not wait for: to WhatsApp's server, and to the database.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::timeout};
use wacore::iq::keepalive::KeepaliveSpec;
use whatsapp_rust::{Client, IqError};

use super::LinkCore;

/// Asks the server for a sign of life. The answer says whether there was one in time.
pub(super) fn ask_server(link: &LinkCore, client: &Arc<Client>) -> JoinHandle<bool> {
    let (client, patience) = (client.clone(), link.shared.config.timings.answer);
    tokio::spawn(async move {
        // A refusal is an answer too. The outer limit is for a socket that takes nothing.
        let asked = client.execute(KeepaliveSpec::with_timeout(patience));
        matches!(
            timeout(patience, asked).await,
            Ok(Ok(()) | Err(IqError::ServerError { .. } | IqError::UnexpectedResponseType { .. }))
        )
    })
}

/// Asks the database for a row, and to keep one. The answer says whether it did both.
pub(super) fn ask_database(link: &LinkCore) -> JoinHandle<bool> {
    let store = link.shared.store.clone();
    tokio::spawn(async move { store.ping().await.is_ok() && store.prove_writer(Duration::ZERO).await.is_ok() })
}

/// Waits for the answer to a question, if one is under way.
pub(super) async fn answer(question: &mut Option<JoinHandle<bool>>) -> bool {
    match question {
        // One that broke off was not answered.
        Some(question) => question.await.unwrap_or(false),
        None => std::future::pending().await,
    }
}
