//! A whole masternode over real sockets.

mod api;
mod differential;
mod history;
mod http;
mod otlp;
mod receive;
mod remote;
mod reports;
mod restart;
mod site;
mod source;
mod upstream;
