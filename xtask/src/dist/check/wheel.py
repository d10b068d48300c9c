"""Receives two reports of a masternode and a clientnode that it starts; sys.argv[1] is the program."""
import random
import subprocess
import sys
import tempfile

import chasar

host = f"127.{random.randint(64, 95)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
with tempfile.TemporaryDirectory() as state:
    programs = [
        subprocess.Popen([sys.argv[1], role, "start", host, "--state-dir", f"{state}/{role}", "--log-level", "warn"])
        for role in ("masternode", "clientnode")
    ]
    seen = 0
    try:
        for report in chasar.subscribe(host, timeout=20):
            assert report["hostname"] and report["memory"]["total_bytes"] and report["process"], report
            seen += 1
            if seen == 2:
                break
    finally:
        for program in programs:
            program.terminate()
        for program in programs:
            program.wait(20)
assert seen == 2
