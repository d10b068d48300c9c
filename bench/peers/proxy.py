"""A bare SUB to PUB proxy of libzmq (zmq_proxy, C code): the floor that forwarding is measured against.

Usage: proxy.py REPORTS_PORT STREAM_PORT
"""

import sys

import zmq

context = zmq.Context()
reports, stream = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
reports.bind(f"tcp://127.0.0.1:{sys.argv[1]}")
stream.sndhwm = 10_000
stream.bind(f"tcp://127.0.0.1:{sys.argv[2]}")
zmq.proxy(reports, stream)
