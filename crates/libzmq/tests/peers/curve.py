"""A CURVE peer: `connect|bind sub|pub ENDPOINT SERVER_KEY SECRET_KEY PUBLIC_KEY`; keys in Z85, `-` for none."""
import sys
import time

import zmq

way, kind, endpoint, server_key, secret, public = sys.argv[1:]
context = zmq.Context()
socket = context.socket(zmq.SUB if kind == "sub" else zmq.PUB)
socket.linger = 0
if secret != "-":
    socket.curve_secretkey = secret.encode()
    socket.curve_publickey = public.encode()
    if way == "bind":
        socket.curve_server = True
    else:
        socket.curve_serverkey = server_key.encode()
if kind == "sub":
    socket.subscribe(b"")
if way == "bind":
    socket.bind("tcp://127.0.0.1:*")
    print(socket.last_endpoint.decode(), flush=True)
else:
    socket.connect(endpoint)
    print("started", flush=True)
while True:
    if kind == "sub":
        print(" ".join(frame.decode() for frame in socket.recv_multipart()), flush=True)
    else:
        socket.send_multipart([b"status", b"from python"])
        time.sleep(0.02)
