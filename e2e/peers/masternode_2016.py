"""A masternode as that of 2016: SUB, bind, subscribe to everything. Tells what it receives, a JSON object a line.

Usage: masternode_2016.py ENDPOINT
"""
import json
import sys
import time

import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.bind(sys.argv[1])
socket.setsockopt_string(zmq.SUBSCRIBE, "")
print(json.dumps({"event": "bound"}), flush=True)
while True:
    frames = socket.recv_multipart()
    told = {"frames": [frame.decode("utf-8", "backslashreplace") for frame in frames], "at": time.time()}
    print(json.dumps(told), flush=True)
