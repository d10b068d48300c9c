//! The one place where an end gets its keys. Everything is in clear until keys are managed.
//!
//! What belongs here then, and nowhere else: the CURVE options, the ZAP domain, and
//! `set_zap_enforce_domain(true)`. CURVE **fails open** without the last: when no ZAP handler answers, libzmq
//! lets any key in (a test of `chasar-libzmq` holds that).

use crate::error::Result;
use chasar_libzmq::Socket;

/// What a bound end asks of its peers.
pub(crate) fn secure_server(_socket: &Socket) -> Result<()> {
    Ok(())
}

/// What a connecting end shows its peer.
pub(crate) fn secure_client(_socket: &Socket) -> Result<()> {
    Ok(())
}
