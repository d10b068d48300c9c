//! HTTP: health, metrics of the masternode and of the nodes, the fleet, the history. On a tokio runtime of one thread.

mod api;
mod choice;
mod exposition;
mod federate;
mod guard;
mod listener;
mod metrics;
mod nodes;
mod pages;
mod process;
mod receive;
mod remote;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::middleware;
use axum::routing::get;
use chasar_link::{BroadcasterCounters, CollectorCounters, ConnectionCounters, Endpoint, Host};
use chasar_tsdb::Store;
use crossbeam_channel::Sender;
use tokio::sync::oneshot;

use crate::config::HttpConfig;
use crate::error::StartError;
use crate::history::Question;
use crate::message::{Counts, Flags, Published};
use crate::receive::Receiving;
use crate::running::{Addresses, Clock};
use crate::state_folder::{StateFolder, checked_token};
use crate::upstream::UpstreamState;

use guard::Guard;
use listener::{Busy, LimitedListener};

/// Connections that are open when it stops get this long to end their request.
const LINGER: Duration = Duration::from_millis(500);

/// What the pages are made of.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) published: Arc<ArcSwap<Published>>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) flags: Arc<Flags>,
    pub(crate) clock: Clock,
    pub(crate) reports: Arc<CollectorCounters>,
    pub(crate) report_connections: Arc<ConnectionCounters>,
    pub(crate) stream: Option<Arc<BroadcasterCounters>>,
    pub(crate) stream_connections: Option<Arc<ConnectionCounters>>,
    pub(crate) addresses: Addresses,
    pub(crate) upstreams: Vec<Arc<UpstreamState>>,
    pub(crate) questions: Sender<Question>,
    /// None: no history is kept.
    pub(crate) store: Option<Store>,
    /// None: nothing is received but reports.
    pub(crate) receiving: Option<Receiving>,
    /// Other stores that samples are sent to.
    pub(crate) remote: Vec<(String, Arc<crate::remote::Stats>)>,
}

/// A bound port, not served yet.
pub(crate) struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    guard: Guard,
    config: HttpConfig,
}

/// The server, ready for its thread.
pub(crate) struct Task {
    server: HttpServer,
    sources: Sources,
    stop: oneshot::Receiver<()>,
}

/// Ends the server.
#[derive(Debug)]
pub(crate) struct Stopper(oneshot::Sender<()>);

impl Stopper {
    pub(crate) fn stop(self) {
        // An ended server needs no telling.
        let _ = self.0.send(());
    }
}

impl HttpServer {
    pub(crate) fn bind(config: &HttpConfig, state: &StateFolder) -> Result<HttpServer, StartError> {
        let failed = |cause| StartError::Http { endpoint: config.endpoint.to_string(), cause };
        let address = resolve(&config.endpoint).map_err(failed)?;
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (token, whence) = match &config.token {
            Some(token) => {
                (Some(checked_token(token)?), "given to the masternode when it started".to_owned())
            }
            None if address.ip().is_loopback() => (None, String::new()),
            None => {
                let path = state.token_path().display().to_string();
                (Some(state.token()?), format!("in {path} on the masternode"))
            }
        };
        if token.is_some() {
            tracing::info!("HTTP wants a token; it is {whence}");
        }
        let mut names = config.host_names.clone();
        if let Host::Name(name) = config.endpoint.host() {
            names.push(name.clone());
        }
        let guard = Guard::new(token, whence, names);
        Ok(HttpServer { listener, address, guard, config: config.clone() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn prepare(self, sources: Sources) -> (Task, Stopper) {
        let (sender, stop) = oneshot::channel();
        (Task { server: self, sources, stop }, Stopper(sender))
    }
}

impl Task {
    pub(crate) fn run(self) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|e| format!("no runtime: {e}"))?;
        let Task { server, sources, stop } = self;
        let counts = sources.counts.clone();
        let guard = Arc::new(server.guard);
        let router = Router::new()
            .route("/", get(pages::index))
            .route("/health", get(pages::health))
            .route("/ready", get(pages::ready))
            .route("/-/healthy", get(pages::health))
            .route("/-/ready", get(pages::ready))
            .route("/metrics", get(metrics::page))
            .route("/federate", get(federate::page))
            .route("/api/fleet", get(pages::fleet))
            .merge(api::routes(sources.clock.now().unix_ms))
            .merge(receive::routes())
            .fallback(pages::not_found)
            .method_not_allowed_fallback(pages::method_not_allowed)
            .layer(middleware::from_fn(move |request, next| {
                guard::check(guard.clone(), counts.clone(), request, next)
            }))
            .with_state(sources);
        let result = runtime.block_on(async move {
            let listener = LimitedListener::new(
                server.listener,
                server.config.max_connections,
                server.config.idle_timeout,
            )
            .map_err(|e| e.to_string())?;
            let (stopping, stopped) = oneshot::channel::<()>();
            let service = router.into_make_service_with_connect_info::<Busy>();
            let serve = axum::serve(listener, service).with_graceful_shutdown(async move {
                // A stopper that was dropped without a word means the same.
                let _ = stop.await;
                drop(stopping);
            });
            tokio::select! {
                result = serve.into_future() => result.map_err(|e| e.to_string()),
                () = async { let _ = stopped.await; tokio::time::sleep(LINGER).await } => Ok(()),
            }
        });
        // Queries that nobody waits for any more end by themselves.
        runtime.shutdown_timeout(LINGER);
        result
    }
}

fn resolve(endpoint: &Endpoint) -> std::io::Result<SocketAddr> {
    let ip = match endpoint.host() {
        Host::Any => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Host::Address(address) => *address,
        Host::Name(name) => {
            let found: Vec<SocketAddr> = (name.as_str(), 0).to_socket_addrs()?.collect();
            let preferred = found.iter().find(|a| a.is_ipv4()).or(found.first());
            preferred.map(SocketAddr::ip).ok_or_else(|| std::io::Error::other("the name has no address"))?
        }
    };
    Ok(SocketAddr::new(ip, endpoint.port()))
}
