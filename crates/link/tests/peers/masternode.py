"""A masternode as of 2016: a SUB socket that binds PORT (0: any) and takes everything.

Prints its endpoint, then each message as `topic|length|first bytes of the body`. Each line it reads is an order:
`pause` stops receiving for good.
"""
import sys
import threading

import zmq

context = zmq.Context()
socket = context.socket(zmq.SUB)
socket.linger = 0
socket.rcvhwm = 2
socket.rcvbuf = 4096
socket.subscribe(b"")
socket.bind(f"tcp://127.0.0.1:{sys.argv[1] if sys.argv[1] != '0' else '*'}")
print(socket.last_endpoint.decode(), flush=True)
paused = threading.Event()


def orders():
    for _ in sys.stdin:
        paused.set()
        print("paused", flush=True)


threading.Thread(target=orders, daemon=True).start()
while not paused.is_set():
    if socket.poll(20):
        topic, body = socket.recv_multipart()
        print(f"{topic.decode()}|{len(body)}|{body[:40].decode()}", flush=True)
threading.Event().wait()
