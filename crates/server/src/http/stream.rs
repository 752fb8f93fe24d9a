//! A TCP connection whose other end has to read what it asked for.
//!
//! What it promises: an answer that nobody reads is given up when nothing of it could be written for a while, and one
//! that is read slower than [`LEAST_PACE`] soon after; what the system still had of it is thrown away too.

use std::{
    io::{Error, ErrorKind, IoSlice, Result},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// Bytes a second: whoever reads slower than this uses up the patience.
const LEAST_PACE: f64 = 4096.0;

/// What the system may hold of an answer, in bytes (it doubles the number, and says that there is room when a third is
/// free). Without a limit it holds megabytes, and a slow reader looks like none for minutes.
const SEND_BUFFER: usize = 128 * 1024;

/// When a silent connection is asked whether the other end is still there, and how often.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(15)).with_retries(4);

/// A connection that is closed when what is written is not read.
#[derive(Debug)]
pub struct Impatient {
    stream: TcpStream,
    patience: Duration,
    /// When it is closed, while something waits to be written.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    /// A connection that waits so long for its reader.
    pub fn new(stream: TcpStream, patience: Duration) -> Self {
        let socket = SockRef::from(&stream);
        // Answers are small and written whole: waiting to fill a packet would only add delay.
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| socket.set_tcp_keepalive(&KEEPALIVE))
            .and_then(|()| socket.set_send_buffer_size(SEND_BUFFER));
        if let Err(error) = prepared {
            tracing::debug!(%error, "cannot prepare a connection");
        }
        Self { stream, patience, deadline: None }
    }

    /// Looks at what came of writing.
    fn written(&mut self, context: &mut Context<'_>, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                if let Some(deadline) = &mut self.deadline {
                    let earned = Duration::from_secs_f64(bytes as f64 / LEAST_PACE);
                    let latest = Instant::now() + self.patience;
                    let extended = (deadline.deadline() + earned).min(latest);
                    deadline.as_mut().reset(extended);
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(self.patience)));
                ready!(deadline.as_mut().poll(context));
                // Else the system goes on offering it.
                if let Err(error) = self.stream.set_zero_linger() {
                    tracing::debug!(%error, "cannot throw away what is not read");
                }
                Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the answer was not read in time")))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl AsyncRead for Impatient {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.written(context, written)
    }

    // Answers are written from where they lie: that is what their place in the budget of bytes is held by.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        // hyper flushes when the system has taken all that it had to write.
        self.deadline = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
