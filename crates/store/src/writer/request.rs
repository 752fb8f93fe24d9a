//! What is asked of the writer.

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::Tx;
use crate::{
    Claimed, Evidence, EvidenceOutcome, InboundOutcome, StoreError,
    keys::KeyWrite,
    messages::{Claim, InboundRows, PendingAccept},
};

/// A request with its caller: what to do, what came of it, and where to say so.
#[derive(Debug)]
pub(crate) struct Pending<I, O> {
    /// What to do.
    pub input: I,
    /// What came of it; told after the commit.
    pub outcome: Option<O>,
    reply: oneshot::Sender<Result<O, StoreError>>,
}

impl<I, O> Pending<I, O> {
    pub fn new(input: I, reply: oneshot::Sender<Result<O, StoreError>>) -> Self {
        Self { input, outcome: None, reply }
    }

    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }

    fn answer(self, result: Result<(), StoreError>) {
        let outcome = result.map(|()| self.outcome.expect("a committed request was applied, which sets its outcome"));
        // The caller may have gone away meanwhile; the change stands.
        let _ = self.reply.send(outcome);
    }
}

/// Everything that can wait in the queue.
pub(crate) enum Request {
    /// Write an outbound message.
    Accept(PendingAccept),
    /// Write inbound messages.
    Inbound(Pending<Vec<InboundRows>, Vec<InboundOutcome>>),
    /// Move messages on.
    Evidence(Pending<Vec<Evidence>, Vec<EvidenceOutcome>>),
    /// Take messages from the queue.
    Claim(Pending<Claim, Claimed>),
    /// Put, tag and delete keys.
    Keys(Pending<Vec<KeyWrite>, ()>),
    /// Anything else, in the same transaction.
    Change(Box<dyn Change>),
    /// Stop after what waits.
    Close(Pending<(), ()>),
}

impl Request {
    /// Whether the caller still waits for the answer.
    pub fn is_awaited(&self) -> bool {
        match self {
            Self::Accept(pending) => pending.is_awaited(),
            Self::Inbound(pending) => pending.is_awaited(),
            Self::Evidence(pending) => pending.is_awaited(),
            Self::Claim(pending) => pending.is_awaited(),
            Self::Keys(pending) => pending.is_awaited(),
            Self::Change(change) => change.is_awaited(),
            Self::Close(pending) => pending.is_awaited(),
        }
    }

    /// Tells the caller what came of it.
    pub fn answer(self, result: Result<(), StoreError>) {
        match self {
            Self::Accept(pending) => pending.answer(result),
            Self::Inbound(pending) => pending.answer(result),
            Self::Evidence(pending) => pending.answer(result),
            Self::Claim(pending) => pending.answer(result),
            Self::Keys(pending) => pending.answer(result),
            Self::Change(change) => change.answer(result),
            Self::Close(mut pending) => {
                pending.outcome = Some(());
                pending.answer(result);
            }
        }
    }
}

/// A change that is code, with its caller.
pub(crate) trait Change: Send + Sync {
    fn apply<'a>(&'a mut self, tx: &'a Tx) -> BoxFuture<'a, Result<(), StoreError>>;
    fn is_awaited(&self) -> bool;
    fn answer(self: Box<Self>, result: Result<(), StoreError>);
}

impl<I, F, O> Change for Pending<(I, F), O>
where
    I: Send + Sync + 'static,
    O: Send + Sync + 'static,
    F: for<'a> Fn(&'a Tx, &'a I) -> BoxFuture<'a, Result<O, StoreError>> + Send + Sync + 'static,
{
    fn apply<'a>(&'a mut self, tx: &'a Tx) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (input, change) = &self.input;
            self.outcome = Some(change(tx, input).await?);
            Ok(())
        })
    }

    fn is_awaited(&self) -> bool {
        Pending::is_awaited(self)
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        Pending::answer(*self, result);
    }
}
