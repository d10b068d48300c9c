"""Takes the place of a masternode and is none: what a doctor has to tell apart.

Usage: stranger.py KIND HOST PORT

KIND is http, skewed (http whose clock is an hour ahead), ssh, tls (without a certificate, so that every handshake
fails as it does for wrong clients), silent, closing, curve (a SUB socket with keys) or rep (a REP socket).
Prints "ready" once it listens.
"""
import email.utils
import http.server
import socket
import ssl
import sys
import threading
import time

kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])


def ready():
    print('{"event": "ready"}', flush=True)


class Skewed(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"ok\n" if self.path == "/health" else b"no\n"
        self.send_response_only(200 if self.path == "/health" else 404)
        self.send_header("Date", email.utils.formatdate(time.time() + 3600, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve_http(handler):
    server = http.server.ThreadingHTTPServer((host, port), handler)
    ready()
    server.serve_forever()


def serve_tcp(talk):
    listener = socket.create_server((host, port))
    ready()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=talk, args=(connection,), daemon=True).start()


def ssh(connection):
    # A banner is whatever a server likes to say, escape sequences too.
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\x1b[2J Debian\r\n")
    connection.recv(65536)
    time.sleep(60)


def tls(connection):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.wrap_socket(connection, server_side=True)
    except (ssl.SSLError, OSError):
        connection.close()


def silent(connection):
    while connection.recv(65536):
        pass


def zeromq():
    import zmq

    context = zmq.Context()
    found = context.socket(zmq.REP if kind == "rep" else zmq.SUB)
    if kind == "curve":
        found.curve_publickey, found.curve_secretkey = zmq.curve_keypair()
        found.curve_server = True
    found.bind(f"tcp://{host}:{port}")
    ready()
    time.sleep(3600)


if kind == "http":
    serve_http(http.server.SimpleHTTPRequestHandler)
elif kind == "skewed":
    serve_http(Skewed)
elif kind in ("curve", "rep"):
    zeromq()
else:
    serve_tcp({"ssh": ssh, "tls": tls, "silent": silent, "closing": lambda c: c.close()}[kind])
