//! A small client of the API, as a user of it would write one.

use std::net::IpAddr;

use anyhow::{Context, Result};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::DEADLINE;

/// How a client says who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Not at all.
    None,
    /// `Authorization: Bearer …`
    Bearer(String),
    /// `X-API-Key: …`
    ApiKey(String),
}

/// A client of one server with one credential.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Where the server is: `http://127.0.0.1:PORT`.
    pub base: String,
    /// Who the client is.
    pub credential: Credential,
}

impl Client {
    /// A client of the server at `base`.
    pub fn new(base: String, credential: Credential) -> Result<Self> {
        Ok(Self { http: http_client(None)?, base, credential })
    }

    /// The same client on connections of its own, from another address of this machine.
    pub fn calling_from(&self, address: IpAddr) -> Result<Self> {
        Ok(Self { http: http_client(Some(address))?, ..self.clone() })
    }

    /// The same client with another credential.
    #[must_use]
    pub fn with(&self, credential: Credential) -> Self {
        Self { credential, ..self.clone() }
    }

    /// A request with this client's credential, to be completed.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.credential {
            Credential::None => request,
            Credential::Bearer(token) => request.bearer_auth(token),
            Credential::ApiKey(key) => request.header("X-API-Key", key),
        }
    }

    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the server answers")
    }

    /// Sends a request and reads the answer, or says why none came.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status, headers, body, bytes: bytes.to_vec() })
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POSTs JSON to a path.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// DELETEs a path.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }
}

/// A client without a proxy, from `address` if one is given.
pub(crate) fn http_client(address: Option<IpAddr>) -> Result<reqwest::Client> {
    // A second provider is refused, and then the first is the one we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().timeout(DEADLINE).no_proxy().local_address(address);
    builder.build().context("cannot build a client")
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body where it is JSON, else null.
    pub body: Value,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// This answer, which must have the HTTP status `code`.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often the status is all that a test wants to know")]
    pub fn expect(self, code: u16) -> Self {
        assert_eq!(self.status.as_u16(), code, "answered {}", String::from_utf8_lossy(&self.bytes));
        self
    }

    /// `data` of an answer that must be a success.
    #[track_caller]
    pub fn data(self) -> Value {
        assert!(self.status.is_success(), "answered {} {}", self.status, String::from_utf8_lossy(&self.bytes));
        assert_eq!(self.body["success"], true, "answered {}", self.body);
        self.body["data"].clone()
    }

    /// The stable code of an answer that must be a failure with the HTTP status `code`.
    #[track_caller]
    pub fn failure(self, code: u16) -> String {
        let answer = self.expect(code);
        assert_eq!(answer.body["success"], false, "answered {}", answer.body);
        text(&answer.body, "/code")
    }
}

/// The string at `pointer`.
#[track_caller]
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => panic!("no text at {pointer} in {value}"),
    }
}
