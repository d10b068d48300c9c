//! A whole masternode over real sockets.

mod http;
mod reports;
mod restart;
mod site;
