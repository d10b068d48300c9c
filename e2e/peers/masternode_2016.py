"""A masternode as that of 2016: SUB, bind, subscribe to everything; with a second endpoint it also publishes what it
receives there. Tells what it receives, a JSON object a line.

Usage: masternode_2016.py ENDPOINT [STREAM_ENDPOINT]
"""
import json
import sys
import time

import zmq

context = zmq.Context()
socket = context.socket(zmq.SUB)
stream = None
if len(sys.argv) > 2:
    stream = context.socket(zmq.PUB)
    stream.bind(sys.argv[2])
socket.bind(sys.argv[1])
socket.setsockopt_string(zmq.SUBSCRIBE, "")
print(json.dumps({"event": "bound"}), flush=True)
while True:
    frames = socket.recv_multipart()
    if stream:
        stream.send_multipart([b"Chasar-Client", frames[1]])
    told = {"frames": [frame.decode("utf-8", "backslashreplace") for frame in frames], "at": time.time()}
    print(json.dumps(told), flush=True)
