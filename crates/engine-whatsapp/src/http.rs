//! The client's way to HTTP (media, the version): one agent for all sessions, with timeouts, and a bound on how many
//! requests run at once. The requests block a thread each.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use wacore::net::{HttpClient, HttpRequest, HttpResponse, StreamingHttpResponse, UploadBody};
use whatsapp_rust::{anyhow, async_trait, http::UreqHttpClient};

/// To a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// To the end of a request: the largest document over a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(5);
/// The most of a response that is held in memory. WhatsApp's own limit is 2 GiB; nothing here needs that in memory.
const MAX_BODY: u64 = 128 * 1024 * 1024;
/// ureq's default of 128 KiB for each buffer is more than an idle gateway wants to hold.
const BUFFER: usize = 16 * 1024;

/// An HTTP client that never waits for ever and never runs without bound.
pub(crate) struct BoundedHttp {
    inner: UreqHttpClient,
    permits: Arc<Semaphore>,
}

impl BoundedHttp {
    /// A client for all sessions.
    pub(crate) fn new(parallel: usize) -> Self {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections(4)
            .max_idle_connections_per_host(2)
            .build()
            .into();
        Self {
            inner: UreqHttpClient::with_agent(agent).with_max_body_bytes(MAX_BODY),
            permits: Arc::new(Semaphore::new(parallel.max(1))),
        }
    }
}

#[async_trait]
impl HttpClient for BoundedHttp {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        let _permit = self.permits.acquire().await?;
        self.inner.execute(request).await
    }

    fn supports_streaming(&self) -> bool {
        self.inner.supports_streaming()
    }

    // The two below run on blocking threads, of which tokio bounds the number; the timeouts bound how long.
    fn execute_streaming(&self, request: HttpRequest) -> anyhow::Result<StreamingHttpResponse> {
        self.inner.execute_streaming(request)
    }

    fn supports_upload_streaming(&self) -> bool {
        self.inner.supports_upload_streaming()
    }

    fn execute_upload(&self, request: HttpRequest, body: UploadBody, length: u64) -> anyhow::Result<HttpResponse> {
        self.inner.execute_upload(request, body, length)
    }
}
