"""A subscriber as the 2016 README describes it: `ENDPOINT TOPIC`. Prints `frames|topic|body` of each message."""
import sys

import zmq

context = zmq.Context()
socket = context.socket(zmq.SUB)
socket.linger = 0
socket.connect(sys.argv[1])
socket.subscribe(sys.argv[2])
print("started", flush=True)
while True:
    frames = socket.recv_multipart()
    print(f"{len(frames)}|{frames[0].decode()}|{frames[1].decode()}", flush=True)
