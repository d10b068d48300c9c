//! A whole masternode over real sockets.

mod history;
mod http;
mod reports;
mod restart;
mod site;
