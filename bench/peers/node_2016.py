"""What the clientnode of 2016 did, with psutil: the peer that ours is measured against.

Usage: node_2016.py HOST PORT
"""

import datetime
import json
import socket
import sys
import time

import psutil
import zmq

publisher = zmq.Context().socket(zmq.PUB)
publisher.connect(f"tcp://{sys.argv[1]}:{sys.argv[2]}")
while True:
    memory = psutil.virtual_memory()
    disk = psutil.disk_usage("/")
    processes = {}
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            processes[process.name()] = {
                "pid": pid,
                "status": process.status(),
                "percent_cpu_used": process.cpu_percent(),
                "percent_memory_used": process.memory_percent(),
            }
        except psutil.Error:
            pass
    report = {
        "computer_utc_clock": str(datetime.datetime.utcnow()),
        "computer_clock": str(datetime.datetime.now()),
        "hostname": socket.gethostname(),
        "mac_address": None,
        "ipv4_interfaces": [],
        "cpu": {"percent_used": psutil.cpu_percent(percpu=True)},
        "memory": {
            "total_bytes": memory.total,
            "total_bytes_used": memory.used,
            "percent_used": memory.percent,
        },
        "disk": {
            "total_bytes": disk.total,
            "total_bytes_used": disk.used,
            "total_bytes_free": disk.free,
            "percent_used": disk.percent,
        },
        "process": processes,
    }
    publisher.send_multipart([b"status", json.dumps(report).encode()])
    time.sleep(1)
