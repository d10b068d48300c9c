"""Burns a share of one core in short bursts, and tells its own processor time (getrusage), a JSON object a line.

Usage: burn.py SHARE
"""
import json
import resource
import sys
import time

share = float(sys.argv[1])
period = 0.02
began = time.monotonic()
told = 0
for number in range(10**9):
    due = began + number * period
    while time.monotonic() < due + share * period:
        pass
    now = time.monotonic()
    if now - told > 0.1:
        told = now
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"at": time.time(), "cpu_seconds": used.ru_utime + used.ru_stime}), flush=True)
    time.sleep(max(0.0, due + period - time.monotonic()))
