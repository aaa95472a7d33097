"""The agent takes what tracers and logfwd send: `python3 -m unittest discover -s e2e/traced -p '*_test.py'`."""

import http.client
import json
import os
import socket
import struct
import unittest

import agent

# One trace of one span, as ddtrace packs it: [[{"service": "shop", "name": "a", "meta": {…}, "error": 0}]].
META = b"\x81\xa8pod_name\xa5web-1"
SPAN = b"\x84\xa7service\xa4shop\xa4name\xd9\x01a\xa4meta" + META + b"\xa5error\x00"
TRACES = b"\x91\x91" + SPAN


def frame(text, opcode=1):
    """A frame of a client, which masks what it sends."""
    payload, mask = text.encode(), os.urandom(4)
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 65536:
        head = bytes([0x80 | opcode, 0x80 | 126]) + struct.pack(">H", size)
    else:
        head = bytes([0x80 | opcode, 0x80 | 127]) + struct.pack(">Q", size)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


class Agent(unittest.TestCase):
    def setUp(self):
        agent.Handler.received = {"spans": [], "lines": []}
        agent.Handler.log_message = lambda *_: None
        self.server = agent.serve(0)
        self.port = self.server.server_address[1]

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path, body, headers or {}, encode_chunked=bool(headers and "Transfer-Encoding" in headers))
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer

    def received(self):
        return self.request("GET", "/received")[1]

    def test_values_are_unpacked(self):
        for packed, value in [
            (b"\x07", 7),
            (b"\xff", -1),
            (b"\xc0", None),
            (b"\xc3", True),
            (b"\xcf" + b"\x00" * 7 + b"\x09", 9),
            (b"\xd3" + b"\xff" * 8, -1),
            (b"\xcb?\xf0\x00\x00\x00\x00\x00\x00", 1.0),
            (b"\xdb\x00\x00\x00\x02ab", "ab"),
            (b"\xc4\x01a", b"a"),
            (b"\xdc\x00\x01\x01", [1]),
            (b"\xde\x00\x01\xa1k\xa1v", {"k": "v"}),
        ]:
            self.assertEqual(agent.unpack(packed), (value, len(packed)), packed)
        for packed in (b"\xa5ab", b"\xc1"):
            with self.assertRaises(ValueError):
                agent.unpack(packed)

    def test_traces_are_taken_with_language_service_and_pod(self):
        headers = {"Datadog-Meta-Lang": "java"}
        self.assertEqual(self.request("PUT", "/v0.4/traces", TRACES, headers), (200, {"rate_by_service": {}}))
        chunked = {"Datadog-Meta-Lang": "python", "Transfer-Encoding": "chunked"}
        self.assertEqual(self.request("POST", "/v0.3/traces", iter([TRACES[:9], TRACES[9:]]), chunked)[0], 200)
        span = {"service": "shop", "pod": "web-1"}
        self.assertEqual(self.received()["spans"], [{"language": "java", **span}, {"language": "python", **span}])

    def test_the_pod_may_be_in_the_tags(self):
        tagged = TRACES.replace(META, b"\x81\xa4tags\xb3pod_name:web-2,a:b,")
        self.assertEqual(self.request("PUT", "/v0.4/traces", tagged)[0], 200)
        self.assertEqual(self.received()["spans"], [{"language": "?", "service": "shop", "pod": "web-2"}])

    def test_tracers_are_told_which_versions_there_are(self):
        paths = ["/v0.3/traces", "/v0.4/traces", "/v0.5/traces"]
        self.assertEqual(self.request("GET", "/info"), (200, {"endpoints": paths}))
        self.assertEqual(self.request("PUT", "/v0.7/traces", TRACES), (404, {}))
        self.assertEqual(self.received(), {"spans": [], "lines": []})

    def test_spans_of_version_0_5_name_their_strings_by_place(self):
        strings = b"\x93\xa4shop\xa8pod_name\xa5web-3"
        span = b"\x9c" + b"\x00" * 9 + b"\x81\x01\x02" + b"\x80\x00"
        body = b"\x92" + strings + b"\x91\x91" + span
        self.assertEqual(self.request("PUT", "/v0.5/traces", body, {"Datadog-Meta-Lang": "python"})[0], 200)
        expected = [{"language": "python", "service": "shop", "pod": "web-3"}]
        self.assertEqual(self.received()["spans"], expected)

    def test_lines_of_logfwd_are_taken(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            key = "dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455
            client.sendall(
                f"GET /logfwd HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            stream = client.makefile("rb")
            self.assertEqual(stream.readline(), b"HTTP/1.1 101 Switching Protocols\r\n")
            accepted = [line for line in iter(stream.readline, b"\r\n") if line.startswith(b"Sec-WebSocket-Accept")]
            self.assertEqual(accepted, [b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"])
            logs = ["short", "x" * 300, "y" * 70000]
            for log in logs:
                client.sendall(frame(json.dumps({"type": "1", "source": "app", "log": log})))
            client.sendall(frame("", opcode=9) + frame(json.dumps({"type": "2"})) + frame("", opcode=8))
            self.assertEqual(stream.read(), b"")
        self.assertEqual(self.received()["lines"], [{"source": "app", "log": log} for log in logs])


if __name__ == "__main__":
    unittest.main()
