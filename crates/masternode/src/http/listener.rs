//! Connections with limits: how many, how long for a request, how long for a reader that does not read.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// Out of descriptors, accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct LimitedListener {
    listener: TcpListener,
    room: Arc<Semaphore>,
    timeout: Duration,
}

impl LimitedListener {
    pub(crate) fn new(
        listener: std::net::TcpListener,
        max_connections: usize,
        timeout: Duration,
    ) -> io::Result<LimitedListener> {
        let listener = TcpListener::from_std(listener)?;
        Ok(LimitedListener { listener, room: Arc::new(Semaphore::new(max_connections.max(1))), timeout })
    }
}

impl Listener for LimitedListener {
    type Io = TimedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TimedStream, SocketAddr) {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = self.room.clone().acquire_owned().await else { continue };
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // An answer is written as one; what does not go out so at once must not wait.
                    if let Err(e) = stream.set_nodelay(true) {
                        tracing::debug!("HTTP connection answers with delay: {e}");
                    }
                    return (TimedStream::new(stream, permit, self.timeout), peer);
                }
                Err(e) => {
                    tracing::debug!("HTTP connection not accepted: {e}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Whether answers of a connection are being made: then its client is not slow, we are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<AtomicUsize>);

/// Keeps a connection open while an answer is being made.
pub(crate) struct Held(Busy);

impl Busy {
    fn is_held(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(self.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, LimitedListener>> for Busy {
    fn connect_info(stream: IncomingStream<'_, LimitedListener>) -> Busy {
        stream.io().busy.clone()
    }
}

/// A connection that ends when, since the last answer, no whole request came in time.
///
/// Reading never moves the deadline, only writing does, and while an answer is being made it waits: who sends a byte now and then gains nothing.
pub(crate) struct TimedStream {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    timeout: Duration,
    busy: Busy,
    _permit: OwnedSemaphorePermit,
}

impl TimedStream {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit, timeout: Duration) -> TimedStream {
        let deadline = Box::pin(sleep_until(Instant::now() + timeout));
        TimedStream { stream, deadline, timeout, busy: Busy::default(), _permit: permit }
    }

    fn overdue<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            ready!(self.deadline.as_mut().poll(context));
            if !self.busy.is_held() {
                break;
            }
            self.progress();
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn progress(&mut self) {
        self.deadline.as_mut().reset(Instant::now() + self.timeout);
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            // What was read while an answer is made must not get lost.
            Poll::Ready(Ok(())) if self.deadline.is_elapsed() && !self.busy.is_held() => {
                self.overdue(context)
            }
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.overdue(context),
        }
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(result) => {
                self.progress();
                Poll::Ready(result)
            }
            Poll::Pending => self.overdue(context),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
