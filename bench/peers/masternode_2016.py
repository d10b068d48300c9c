"""What the masternode of 2016 did: parse each report, write it again, publish it.

Usage: masternode_2016.py REPORTS_PORT STREAM_PORT
"""

import json
import sys

import zmq

context = zmq.Context()
reports, stream = context.socket(zmq.SUB), context.socket(zmq.PUB)
reports.bind(f"tcp://127.0.0.1:{sys.argv[1]}")
reports.setsockopt_string(zmq.SUBSCRIBE, "")
stream.sndhwm = 10_000
stream.bind(f"tcp://127.0.0.1:{sys.argv[2]}")
while True:
    topic, report = reports.recv_multipart()
    stream.send_multipart([b"Chasar-Client", json.dumps(json.loads(report)).encode()])
