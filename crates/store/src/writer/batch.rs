//! Applying a batch: bulk statements for the typed requests, one after another for the rest.
//!
//! A [`Request::Change`] may touch any row, so nothing moves past it. Between two of them the kinds go in this order:
//! accepted messages, inbound messages, evidence, claims, keys. New messages touch no other row; evidence before claims
//! means that a message canceled in this batch is not claimed in it; keys are a world of their own.

use super::{Request, Tx};
use crate::{StoreError, keys, messages};

/// Applies the requests and notes their outcomes; nothing is committed.
pub(super) async fn apply(tx: &Tx, requests: &mut [Request]) -> Result<(), StoreError> {
    let is_typed = |request: &Request| !matches!(request, Request::Change(_));
    for part in requests.chunk_by_mut(|left, right| is_typed(left) && is_typed(right)) {
        if let [Request::Change(change)] = part {
            change.apply(tx).await?;
        } else {
            apply_typed(tx, part).await?;
        }
    }
    Ok(())
}

async fn apply_typed(tx: &Tx, requests: &mut [Request]) -> Result<(), StoreError> {
    let (mut accepts, mut inbound, mut evidence, mut claims, mut keys) = (vec![], vec![], vec![], vec![], vec![]);
    for request in requests {
        match request {
            Request::Accept(pending) => accepts.push(pending),
            Request::Inbound(pending) => inbound.push(pending),
            Request::Evidence(pending) => evidence.push(pending),
            Request::Claim(pending) => claims.push(pending),
            Request::Keys(pending) => keys.push(pending),
            Request::Change(_) | Request::Close(_) => {}
        }
    }
    messages::accept(tx, accepts).await?;
    messages::receive(tx, inbound).await?;
    messages::record(tx, evidence).await?;
    messages::claim(tx, claims).await?;
    keys::write(tx, keys).await
}
