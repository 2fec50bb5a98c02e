"""Plugs and controllers on the loopback: a small HTTP server that answers as a script says."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["FakeMeter", "answer", "served"]

Handler = Callable[[str, dict[str, str]], bytes]


def answer(document: object, *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> bytes:
    """Return a whole HTTP answer with a JSON body (bytes go as they are)."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class FakeMeter:
    """host: where it listens. asked: paths with the headers they came with. reply: what it answers to a path."""

    reply: Handler
    host: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    drip_s: float = 0.0


@contextmanager
def served(reply: Handler, *, drip_s: float = 0.0) -> Iterator[FakeMeter]:
    """Serve on the loopback until the block ends; drip_s: seconds between single bytes."""
    meter = FakeMeter(reply=reply, drip_s=drip_s)

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines = []
            while (line := self.rfile.readline().decode("latin-1").strip()) != "":
                lines.append(line)
            path = lines[0].split(" ")[1] if lines else ""
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            meter.asked.append((path, headers))
            try:
                self._send(meter.reply(path, headers))
            except OSError:
                return  # the client has heard enough

        def _send(self, data: bytes) -> None:
            if not meter.drip_s:
                self.wfile.write(data)
                return
            for byte in data:
                self.wfile.write(bytes([byte]))
                time.sleep(meter.drip_s)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Connection) as server:
        meter.host = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield meter
        finally:
            server.shutdown()
            thread.join()
