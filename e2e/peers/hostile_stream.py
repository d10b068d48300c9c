"""The stream of a masternode that is none: PUB, bind, everything that a stream must not have, again and again, and one
sound report of 2016 in between. Tells how often it went round, a JSON object a line.

Usage: hostile_stream.py ENDPOINT
"""
import json
import sys
import time

import zmq

socket = zmq.Context().socket(zmq.PUB)
socket.bind(sys.argv[1])
print(json.dumps({"event": "bound"}), flush=True)
REPORTS = b"Chasar-Client"
NO_REPORTS = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"hostname":7}', b"[" * 100_000, b'{"hostname":"' + b"h" * 9_000 + b'"}']
rounds = 0
while True:
    for body in NO_REPORTS:
        socket.send_multipart([REPORTS, body])
    socket.send_multipart([REPORTS])
    socket.send_multipart([REPORTS, b"{}", b"third"])
    socket.send_multipart([REPORTS + b"-of-another-kind", b'{"hostname":"impostor"}'])
    sound = {"hostname": "sound", "computer_utc_clock": str(time.time())}
    socket.send_multipart([REPORTS, json.dumps(sound).encode()])
    rounds += 1
    print(json.dumps({"event": "round", "rounds": rounds}), flush=True)
    time.sleep(0.1)
