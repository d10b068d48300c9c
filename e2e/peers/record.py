"""Plays the masternode for one clientnode and keeps what it sends: the first report, the fifth, and its good-bye.

Usage: record.py ENDPOINT FOLDER NAME
Writes FOLDER/NAME-{first,steady,last}.json, or .zst for packed reports; ends with the good-bye, or, for one of 2016
that says none, with the fifth report.
"""
import json
import pathlib
import sys

import zmq

endpoint, folder, name = sys.argv[1:]
socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.SUBSCRIBE, b"")
socket.bind(endpoint)
count = 0


def keep(what, frames):
    ending = "zst" if frames[0] == b"status.zst" else "json"
    path = pathlib.Path(folder) / f"{name}-{what}.{ending}"
    path.write_bytes(frames[1])
    print(path, len(frames[1]))


while True:
    frames = socket.recv_multipart()
    count += 1
    if count == 1:
        keep("first", frames)
    if count == 5:
        keep("steady", frames)
        if frames[0] == b"status" and "schema" not in json.loads(frames[1]):
            break
    # A packed good-bye is the report before three seconds of silence.
    if frames[0] == b"status" and json.loads(frames[1]).get("leaving"):
        keep("last", frames)
        break
    if frames[0] == b"status.zst" and count > 5 and not socket.poll(3000):
        keep("last", frames)
        break
