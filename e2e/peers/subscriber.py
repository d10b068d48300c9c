"""A subscriber as the 2016 README describes it: SUB, connect, subscribe. Tells what it receives, a JSON object a line.

Usage: subscriber.py ENDPOINT TOPIC...
"""
import json
import sys
import threading
import time

import zmq
from zmq.utils.monitor import recv_monitor_message


def tell(**what):
    print(json.dumps(what), flush=True)


def watch(monitor):
    names = {zmq.EVENT_HANDSHAKE_SUCCEEDED: "connected", zmq.EVENT_DISCONNECTED: "disconnected"}
    while True:
        tell(event=names[recv_monitor_message(monitor)["event"]])


socket = zmq.Context().socket(zmq.SUB)
# A test counts what a subscriber is sent, so what waits here must not be bounded, nor the return be slow.
socket.setsockopt(zmq.RCVHWM, 0)
socket.setsockopt(zmq.RECONNECT_IVL, 20)
monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
threading.Thread(target=watch, args=(monitor,), daemon=True).start()
socket.connect(sys.argv[1])
for topic in sys.argv[2:]:
    socket.setsockopt_string(zmq.SUBSCRIBE, topic)
while True:
    frames = socket.recv_multipart()
    tell(frames=[frame.decode("utf-8", "backslashreplace") for frame in frames], at=time.time())
