"""A real HTTP server on the loopback interface that records what comes and misbehaves on demand."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Requests that came, and how the next ones are answered.

    Attributes
    ----------
    requests : list of (path, headers, body)
        In the order in which they came.
    answers : list of callable
        Taken from the front, one a request; each gets the handler. Without one: 200.
    default : callable
        Answers where ``answers`` has none.
    """

    def __init__(self, port=0):
        self.requests = []
        self.answers = []
        self.default = status(200)
        self.arrived = threading.Condition()
        self.port = port
        self._server = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def documents(self):
        return [json.loads(body) for _, _, body in self.requests]

    def start(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.arrived:
                    receiver.requests.append((self.path, dict(self.headers), body))
                    answer = receiver.answers.pop(0) if receiver.answers else receiver.default
                    receiver.arrived.notify_all()
                try:
                    answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self):
        """Nobody listens any more; what came stays."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._server = None

    def wait(self, n, timeout_s=10.0):
        """Return once ``n`` requests have come."""
        with self.arrived:
            found = self.arrived.wait_for(lambda: len(self.requests) >= n, timeout_s)
        assert found, f"{len(self.requests)} of {n} requests came"

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *args):
        self.open = set()
        super().__init__(*args)

    def process_request(self, request, address):
        self.open.add(request)
        super().process_request(request, address)

    def hang_up(self):
        """Close connections that clients keep."""
        for request in self.open:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, address):
        pass


def status(code, text=b"", **headers):
    """Answer with a status."""

    def answer(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    return answer


def endless(handler):
    """Answer with a body that does not end, as fast as it is taken."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 30))
    handler.end_headers()
    for _ in range(1 << 14):
        handler.wfile.write(b"x" * (1 << 16))


def trickling(handler):
    """Answer a byte at a time, always just in time."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def silent(handler):
    """Never answer."""
    time.sleep(5)
    handler.close_connection = True


def hanging_up(handler):
    """Close the connection without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True
