"""A server of one file on this machine, whose answers can be cut off."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


class FileServer(BaseHTTPRequestHandler):
    """Answers every request with the content from the byte that it asks for."""

    content: bytes = b""
    requests: ClassVar[list[int]] = []
    cut: int | None = None

    def do_GET(self):
        begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.requests.append(begin)
        if begin >= len(self.content):
            self.send_error(416)
            return
        body = self.content[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cut])

    def log_message(self, *_):
        """Silent."""


@contextlib.contextmanager
def serving(content: bytes) -> Iterator[tuple[str, type[FileServer]]]:
    """Yields the address of a file with this content, and the class that answers: `cut` bytes of it, if that is set."""
    handler = type("Handler", (FileServer,), {"content": content, "requests": [], "cut": None})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/file", handler
        running.shutdown()
