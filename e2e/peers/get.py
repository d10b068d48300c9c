"""Asks an HTTP server for a page and prints the answer as it came. For tests whose server is in a network namespace.

Usage: get.py HOST:PORT PATH
"""
import socket
import sys

address, path = sys.argv[1:]
host, port = address.rsplit(":", 1)
with socket.create_connection((host.strip("[]"), int(port)), timeout=5) as stream:
    stream.settimeout(10)
    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
    while chunk := stream.recv(65536):
        sys.stdout.buffer.write(chunk)
