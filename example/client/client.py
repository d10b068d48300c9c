# Prints the reports of all computers. Needed: pip install pyzmq; a masternode (chasar demo is one).
import json
import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.connect("tcp://127.0.0.1:6666")
socket.setsockopt_string(zmq.SUBSCRIBE, "Chasar-Client")
while True:
    topic, message = socket.recv_multipart()
    report = json.loads(message)
    print(repr(report["hostname"]), report["cpu"]["percent_used"], report["memory"]["percent_used"])
