//! Accepting connections and serving each, until the server stops.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::config::Limits;

/// How long to wait after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `stop`; then tells the connections to finish what they are doing, and comes back when they have.
pub(super) async fn accept(listener: TcpListener, router: Router, limits: &Limits, stop: &CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((socket, _)) => {
                // A token must not wait for the one before it to be acknowledged.
                let _ = socket.set_nodelay(true);
                connections.spawn(serve(socket, router.clone(), limits.clone(), stop.clone()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn serve(socket: TcpStream, router: Router, limits: Limits, stop: CancellationToken) {
    let service = router.map_request(|request: axum::http::Request<Incoming>| request.map(Body::new));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // A client that sends its head a byte at a time holds a connection for so long, and no longer.
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_size);
    builder
        .http2()
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_size).unwrap_or(u32::MAX))
        // A peer that is gone without a word is found this way; over HTTP/1.1 the keep-alives of a stream find it.
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.ping);
    // A client that takes nothing of what is written to it is gone, whatever it says.
    let mut socket = TimeoutStream::new(socket);
    socket.set_write_timeout(Some(limits.stalled));
    let socket = TokioIo::new(Box::pin(socket));
    let connection = builder.serve_connection_with_upgrades(socket, TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        // Clients leave in the middle all the time.
        tracing::debug!("a connection ended early: {error}");
    }
}

/// Errors of the connection that was about to be accepted, not of accepting.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
