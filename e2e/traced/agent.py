"""Stands in for DataKit: takes traces of ddtrace on port 9529, and lines of logfwd on port 9533.

GET /received on port 9529 prints what came: `{"spans": [{language, service, pod}], "lines": [{source, log}]}`.
"""

import base64
import hashlib
import json
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TRACES, LINES = 9529, 9533
PATHS = ["/v0.3/traces", "/v0.4/traces", "/v0.5/traces"]


def unpack(data, at=0):
    """Reads one MessagePack value; returns it and where it ends."""
    first = data[at]
    at += 1
    if first < 0x80:
        return first, at
    if first < 0x90:
        return unpack_map(data, at, first & 0x0F)
    if first < 0xA0:
        return unpack_array(data, at, first & 0x0F)
    if first < 0xC0:
        return unpack_bytes(data, at, first & 0x1F, text=True)
    if first >= 0xE0:
        return first - 0x100, at
    if first in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[first], at
    numbers = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"}
    numbers |= {0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
    if first in numbers:
        return struct.unpack_from(numbers[first], data, at)[0], at + struct.calcsize(numbers[first])
    sizes = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
    sizes |= {0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
    if first not in sizes:
        raise ValueError(f"type {first:#x}")
    size = struct.unpack_from(sizes[first], data, at)[0]
    at += struct.calcsize(sizes[first])
    if first in (0xDC, 0xDD):
        return unpack_array(data, at, size)
    if first in (0xDE, 0xDF):
        return unpack_map(data, at, size)
    return unpack_bytes(data, at, size, text=first >= 0xD9)


def unpack_bytes(data, at, size, text):
    part = data[at : at + size]
    if len(part) < size:
        raise ValueError("the value is cut off")
    return part.decode(errors="replace") if text else part, at + size


def unpack_array(data, at, size):
    values = []
    for _ in range(size):
        value, at = unpack(data, at)
        values.append(value)
    return values, at


def unpack_map(data, at, size):
    values = {}
    for _ in range(size):
        key, at = unpack(data, at)
        values[key], at = unpack(data, at)
    return values, at


def spans(path, body):
    """Yields the service and the tags of each span in a request."""
    value = unpack(body)[0]
    if path == "/v0.5/traces":
        # Strings come once, and spans are lists of their places.
        strings, traces = value
        for span in (span for trace in traces for span in trace):
            yield strings[span[0]], {strings[key]: strings[value] for key, value in span[9].items()}
    else:
        for span in (span for trace in value for span in trace):
            yield span["service"], span["meta"]


def read_frame(stream):
    """Reads one frame of a WebSocket; returns its opcode and payload."""
    first, second = stream.read(2)
    size = second & 0x7F
    if size == 126:
        size = struct.unpack(">H", stream.read(2))[0]
    elif size == 127:
        size = struct.unpack(">Q", stream.read(8))[0]
    mask = stream.read(4) if second & 0x80 else bytes(4)
    payload = stream.read(size)
    return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received = {"spans": [], "lines": []}

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/logfwd" and "Sec-WebSocket-Key" in self.headers:
            self.take_lines()
        elif self.path == "/info":
            self.answer(200, {"endpoints": PATHS})
        elif self.path == "/received":
            self.answer(200, self.received)
        else:
            self.answer(404, {})

    def do_PUT(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path not in PATHS:
            self.answer(404, {})
            return
        language = self.headers.get("Datadog-Meta-Lang", "?")
        for service, meta in spans(self.path, body):
            tags = dict(tag.partition(":")[::2] for tag in meta.get("tags", "").split(","))
            pod = meta.get("pod_name") or tags.get("pod_name", "")
            service = meta.get("_dd.base_service", service)
            self.received["spans"].append({"language": language, "service": service, "pod": pod})
        self.answer(200, {"rate_by_service": {}})

    do_POST = do_PUT

    def take_lines(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            opcode, payload = read_frame(self.rfile)
            if opcode == 8:
                return
            if opcode in (1, 2):
                message = json.loads(payload)
                if "log" in message:
                    self.received["lines"].append({"source": message.get("source"), "log": message["log"]})


def serve(port):
    server = ThreadingHTTPServer(("", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    servers = [serve(TRACES), serve(LINES)]
    print("listening on", TRACES, LINES, file=sys.stderr, flush=True)
    threading.Event().wait()
