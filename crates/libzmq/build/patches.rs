//! Six changes to libzmq that no option offers. Each is a piece of text that must occur exactly once, so
//! another version of the sources ends the build instead of being changed wrongly.
//!
//! **A bound on one message.** `ZMQ_MAXMSGSIZE` holds for each frame, and frames of an unfinished message do
//! not count against the high-water mark: a peer that sends frames flagged "more" without end makes the
//! server grow until it is killed. Nothing outside the library can see those frames. Patched: a message from
//! the network may have [`MAX_FRAMES`] frames, and `ZMQ_MAXMSGSIZE` holds for their sum.
//!
//! **A reason for the disconnect.** A peer dropped for size looks like one that left. Patched: the monitor
//! first gets `HANDSHAKE_FAILED_PROTOCOL` with the value `EMSGSIZE` (ZMTP's own codes all start at
//! 0x10000000, so it cannot be mistaken); a peer dropped for missing heartbeats likewise, with `ETIMEDOUT`.
//!
//! **No ZMTP before 3.0.** Any first byte but 0xff is taken for ZMTP 1.0 of 2010, which has no handshake and no
//! time limit: an HTTP request or noise holds a connection for ever. Patched: such a peer is refused, as libzmq
//! itself does wherever keys are asked for. ZMTP 3.0 came with libzmq 4.0 in 2013.
//!
//! **Heartbeats of a slow reader.** A reader whose queue is full stops reading, so it does not see the answers
//! to its own heartbeats, ends a healthy connection, and then aborts the process in one of two assertions
//! (libzmq issues 3937 and 4364). Patched: while input is stopped by our own queue, silence proves nothing and
//! the time-out starts again; no heartbeat is written to a connection that is known to be broken; a
//! late "queue has room" meant for the connection before is ignored.
//!
//! **A reason for a failed connect.** A refused connection, an unreachable network and a time-out all look
//! like "will try again" in the monitor. Patched: `HANDSHAKE_FAILED_NO_DETAIL` with the `errno` comes first.
//!
//! **A reason for a failed bind.** Telling a monitor of it overwrites `errno`, mostly with `EAGAIN`. Patched: it
//! is put back.

use std::fs;
use std::path::Path;

/// Frames one message from the network may have. Ours have two; what a foreign socket sends beyond that is
/// refused with its sender's name up to here, and ends the connection from here on.
pub(crate) const MAX_FRAMES: u32 = 8;

struct Patch {
    file: &'static str,
    find: &'static str,
    replace: &'static str,
}

macro_rules! refuse_old_zmtp {
    () => {
        "    if (true) {\n        socket ()->event_handshake_failed_protocol (\n          \
         session ()->get_endpoint (), ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED);\n"
    };
}

const PATCHES: &[Patch] = &[
    Patch {
        file: "src/session_base.hpp",
        find: "    bool _incomplete_in;\n",
        replace: "    bool _incomplete_in;\n\n    //  Frames and bytes of the message that is arriving.\n    \
                  unsigned int _arriving_frames;\n    uint64_t _arriving_bytes;\n",
    },
    Patch {
        file: "src/session_base.cpp",
        find: "    _incomplete_in (false),\n",
        replace: "    _incomplete_in (false),\n    _arriving_frames (0),\n    _arriving_bytes (0),\n",
    },
    Patch {
        file: "src/session_base.cpp",
        find: "    if (_pipe && _pipe->write (msg_)) {\n        const int rc = msg_->init ();\n",
        replace: "    const uint64_t arriving = _arriving_bytes + msg_->size ();\n    \
                  if (_arriving_frames >= CHASAR_MAX_FRAMES\n        \
                  || (options.maxmsgsize >= 0\n            \
                  && arriving > static_cast<uint64_t> (options.maxmsgsize))) {\n        \
                  errno = EMSGSIZE;\n        return -1;\n    }\n    \
                  const bool more = (msg_->flags () & msg_t::more) != 0;\n    \
                  if (_pipe && _pipe->write (msg_)) {\n        \
                  _arriving_frames = more ? _arriving_frames + 1 : 0;\n        \
                  _arriving_bytes = more ? arriving : 0;\n        \
                  const int rc = msg_->init ();\n",
    },
    Patch {
        file: "src/session_base.cpp",
        find: "    //  Remove any half-read message from the in pipe.\n",
        replace: "    _arriving_frames = 0;\n    _arriving_bytes = 0;\n\n    \
                  //  Remove any half-read message from the in pipe.\n",
    },
    Patch {
        file: "src/stream_engine_base.cpp",
        find: "        if (errno != EAGAIN) {\n            error (protocol_error);\n            return false;\n        }\n        _input_stopped = true;\n",
        replace: "        if (errno != EAGAIN) {\n            if (errno == EMSGSIZE)\n                \
                  _socket->event_handshake_failed_protocol (_endpoint_uri_pair, EMSGSIZE);\n            \
                  error (protocol_error);\n            return false;\n        }\n        _input_stopped = true;\n",
    },
    Patch {
        file: "src/stream_engine_base.cpp",
        find: "        _has_timeout_timer = false;\n        error (timeout_error);\n",
        replace: "        _has_timeout_timer = false;\n        \
                  if (_input_stopped) {\n            \
                  add_timer (_options.heartbeat_timeout > 0 ? _options.heartbeat_timeout\n                \
                  : _options.heartbeat_interval, heartbeat_timeout_timer_id);\n            \
                  _has_timeout_timer = true;\n            return;\n        }\n        \
                  _socket->event_handshake_failed_protocol (_endpoint_uri_pair, ETIMEDOUT);\n        \
                  error (timeout_error);\n",
    },
    Patch {
        file: "src/stream_engine_base.cpp",
        find: "        _next_msg = &stream_engine_base_t::produce_ping_message;\n        out_event ();\n",
        replace: "        if (!_io_error) {\n            \
                  _next_msg = &stream_engine_base_t::produce_ping_message;\n            \
                  out_event ();\n        }\n",
    },
    Patch {
        file: "src/stream_engine_base.cpp",
        find: "    zmq_assert (_input_stopped);\n    zmq_assert (_session != NULL);\n",
        replace: "    if (!_input_stopped)\n        return true;\n    zmq_assert (_session != NULL);\n",
    },
    Patch {
        file: "src/zmtp_engine.cpp",
        find: "    //  We send and receive rest of routing id message\n    if (session ()->zap_enabled ()) {\n",
        replace: refuse_old_zmtp!(),
    },
    Patch {
        file: "src/zmtp_engine.cpp",
        find: "bool zmq::zmtp_engine_t::handshake_v1_0 ()\n{\n    if (session ()->zap_enabled ()) {\n",
        replace: concat!("bool zmq::zmtp_engine_t::handshake_v1_0 ()\n{\n", refuse_old_zmtp!()),
    },
    Patch {
        file: "src/zmtp_engine.cpp",
        find: "bool zmq::zmtp_engine_t::handshake_v2_0 ()\n{\n    if (session ()->zap_enabled ()) {\n",
        replace: concat!("bool zmq::zmtp_engine_t::handshake_v2_0 ()\n{\n", refuse_old_zmtp!()),
    },
    Patch {
        file: "src/tcp_connecter.cpp",
        find: "    if (fd == retired_fd || !tune_socket (fd)) {\n",
        replace: "    if (fd == retired_fd || !tune_socket (fd)) {\n        \
                  _socket->event_handshake_failed_no_detail (\n          \
                  make_unconnected_connect_endpoint_pair (_endpoint), zmq_errno ());\n",
    },
    Patch {
        file: "src/tcp_connecter.cpp",
        find: "    else {\n        if (_s != retired_fd)\n",
        replace: "    else {\n        _socket->event_handshake_failed_no_detail (\n          \
                  make_unconnected_connect_endpoint_pair (_endpoint), zmq_errno ());\n        \
                  if (_s != retired_fd)\n",
    },
    Patch {
        file: "src/tcp_connecter.cpp",
        find: "        rm_handle ();\n        close ();\n        add_reconnect_timer ();\n    } else\n",
        replace: "        _socket->event_handshake_failed_no_detail (\n          \
                  make_unconnected_connect_endpoint_pair (_endpoint), ETIMEDOUT);\n        \
                  rm_handle ();\n        close ();\n        add_reconnect_timer ();\n    } else\n",
    },
    Patch {
        file: "src/socket_base.cpp",
        find: "    event (endpoint_uri_pair_, values, 1, ZMQ_EVENT_BIND_FAILED);\n",
        replace: "    event (endpoint_uri_pair_, values, 1, ZMQ_EVENT_BIND_FAILED);\n    errno = err_;\n",
    },
];

/// Applies every patch to the copied sources under `tree`.
pub(crate) fn apply(tree: &Path) {
    for patch in PATCHES {
        let path = tree.join(patch.file);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("reading {}: {e}", path.display()));
        // A checkout on Windows may carry CRLF.
        let text = text.replace("\r\n", "\n");
        let found = text.matches(patch.find).count();
        assert!(
            found == 1,
            "{} is not libzmq 4.3.5's: a place to patch occurs {found} times instead of once:\n{}",
            path.display(),
            patch.find
        );
        fs::write(&path, text.replacen(patch.find, patch.replace, 1))
            .unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
    }
}
