"""A clientnode as that of 2016: psutil, PUB, connect, two frames a second. Tells what it sends, a JSON object a line.

Usage: clientnode_2016.py ENDPOINT HOSTNAME [INTERVAL_SECONDS]
"""
import datetime
import json
import socket as network
import sys
import time

import psutil
import zmq


def interface():
    """MAC and IPv4 addresses of the first interface that is not loopback, else of loopback."""
    everything = psutil.net_if_addrs()
    names = sorted(everything, key=lambda name: (name == "lo", name))
    addresses = everything[names[0]]
    mac = next((a.address for a in addresses if a.family == psutil.AF_LINK), None)
    ipv4 = [
        {"addr": a.address, "netmask": a.netmask, "broadcast": a.broadcast}
        for a in addresses
        if a.family == network.AF_INET
    ]
    return mac, ipv4


def report(hostname):
    mac, ipv4 = interface()
    memory = psutil.virtual_memory()
    disk = psutil.disk_usage("/")
    processes = {}
    for process in psutil.process_iter():
        try:
            processes[process.name()] = {
                "pid": process.pid,
                "status": process.status(),
                "percent_cpu_used": process.cpu_percent(),
                "percent_memory_used": process.memory_percent(),
            }
        except psutil.Error:
            pass
    return {
        "computer_utc_clock": str(datetime.datetime.utcnow()),
        "computer_clock": str(datetime.datetime.now()),
        "hostname": hostname,
        "mac_address": mac,
        "ipv4_interfaces": ipv4,
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


endpoint, hostname = sys.argv[1:3]
interval = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
socket = zmq.Context().socket(zmq.PUB)
socket.connect(endpoint)
while True:
    message = json.dumps(report(hostname))
    socket.send_multipart([b"status", message.encode()])
    print(json.dumps({"frames": ["status", message], "at": time.time()}), flush=True)
    time.sleep(interval)
