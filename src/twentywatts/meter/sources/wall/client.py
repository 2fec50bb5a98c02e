"""One GET of a small JSON document from one host, within one deadline and one size.

Nothing but the host of the configuration is spoken to: no redirect is followed, no proxy is used, nothing is searched.
Source: RFC 9112 (messages), RFC 7616 (digest access, SHA-256, as Shelly wants it).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from twentywatts.meter.contract import ReadError
from twentywatts.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

__all__ = ["DEADLINE_S", "LARGEST_BYTES", "Client"]

DEADLINE_S = 2.0  # from the first packet to the last
LARGEST_BYTES = 65536  # a meter's answer has a few hundred, a chassis' a few thousand
_LOCAL = ("127.0.0.1", "localhost", "[::1]")


@record()
class Client:
    """host: name or address, with a port if it is not the scheme's. user, password: as the environment has them."""

    host: str
    is_secure: bool = False
    ca_file: str = ""
    user: str = ""
    password: str = ""
    deadline_s: float = DEADLINE_S

    def get(self, path: str) -> Any:
        """Return the JSON document at ``path``; raises ReadError, whose text never holds a password."""
        ends_s = time.monotonic() + self.deadline_s
        status, headers, body = self._exchange(path, "", ends_s)
        challenge = headers.get("www-authenticate", "")
        if status == 401 and self.password and challenge:
            status, headers, body = self._exchange(path, self._authorization(path, challenge), ends_s)
        if status in (301, 302, 303, 307, 308):
            raise ReadError(f"{self.host} sends elsewhere (HTTP {status}): not followed")
        if status in (401, 403):
            raise ReadError(f"{self.host} wants other credentials (HTTP {status})")
        if status != 200:
            raise ReadError(f"{self.host} answers with HTTP {status}")
        return _parse(body, self.host)

    def _exchange(self, path: str, authorization: str, ends_s: float) -> tuple[int, dict[str, str], bytes]:
        lines = [f"GET {path} HTTP/1.0", f"Host: {self.host}", "Accept: application/json", "Connection: close"]
        lines += [f"Authorization: {authorization}"] if authorization else []
        try:
            with self._connect(ends_s) as connection:
                connection.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
                return _split(_receive(connection, ends_s, self.host), self.host)
        except (OSError, ValueError) as error:
            raise ReadError(f"{self.host} cannot be reached: {_reason(error)}") from error

    def _connect(self, ends_s: float) -> socket.socket:
        import socket

        name, _, port = self.host.rpartition(":") if re.search(r":\d+$", self.host) else (self.host, "", "")
        number = int(port or (443 if self.is_secure else 80))
        connection = socket.create_connection((name.strip("[]"), number), timeout=max(ends_s - time.monotonic(), 0.01))
        if not self.is_secure:
            return connection
        import ssl

        context = ssl.create_default_context(cafile=self.ca_file or None)
        try:
            return context.wrap_socket(connection, server_hostname=name.strip("[]"))
        except BaseException:
            connection.close()
            raise

    def _authorization(self, path: str, challenge: str) -> str:
        """Return the answer to a challenge: digest, or the password itself where nobody can listen."""
        if challenge.lower().startswith("digest"):
            return _digest(self.user, self.password, path, challenge)
        if not self.is_secure and self.host.rpartition(":")[0] not in _LOCAL:
            raise ReadError(f"{self.host} wants the password in the clear: use https")
        import base64

        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")


def _receive(connection: socket.socket, ends_s: float, host: str) -> bytes:
    """Return all the host sends, at most LARGEST_BYTES and until the deadline; raises ReadError, OSError."""
    found = bytearray()
    while not _is_whole(found):
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            raise ReadError(f"{host} is too slow")
        connection.settimeout(left_s)
        part = connection.recv(min(16384, LARGEST_BYTES + 1))
        if not part:
            break
        found += part
        if len(found) > LARGEST_BYTES:
            raise ReadError(f"{host} sends more than {LARGEST_BYTES} bytes")
    return bytes(found)


def _is_whole(found: bytearray) -> bool:
    head, gap, body = bytes(found).partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*(?:\r\n|$)", head, re.IGNORECASE)
    return bool(gap) and length is not None and len(body) >= int(length[1])


def _split(answer: bytes, host: str) -> tuple[int, dict[str, str], bytes]:
    """Return (status, headers in small letters, body)."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = re.match(r"HTTP/1\.[01] (\d{3})\b", first)
    if status is None:
        raise ReadError(f"{host} does not speak HTTP")
    parted = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, colon, value in parted if colon}
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _unchunked(body, host)
    return int(status[1]), headers, body


def _unchunked(body: bytes, host: str) -> bytes:
    found, rest = bytearray(), body
    while rest:
        size_text, _, rest = rest.partition(b"\r\n")
        size = re.match(rb"([0-9a-fA-F]{1,5})(?:;|$)", size_text)
        if size is None:
            raise ReadError(f"{host} sends a broken answer")
        length = int(size[1], 16)
        if length == 0:
            break
        found += rest[:length]
        rest = rest[length + 2 :]
    return bytes(found)


def _parse(body: bytes, host: str) -> Any:
    import json

    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{host} sends no JSON: {type(error).__name__}") from error


def _digest(user: str, password: str, path: str, challenge: str) -> str:
    import hashlib
    import secrets

    asked = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))
    if not challenge.isprintable():
        raise ReadError("a challenge with control characters")
    name = asked.get("algorithm", "MD5").upper()
    algorithm = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}.get(name)
    if algorithm is None or "auth" not in asked.get("qop", "auth").split(","):
        raise ReadError(f"a digest of the kind {name} is not known")

    def hashed(*words: str) -> str:
        return algorithm(":".join(words).encode()).hexdigest()

    own, count = secrets.token_hex(8), "00000001"
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    secret, request = hashed(user, realm, password), hashed("GET", path)
    fields: Mapping[str, str] = {
        "username": user,
        "realm": realm,
        "nonce": nonce,
        "uri": path,
        "response": hashed(secret, nonce, count, own, "auth", request),
        "cnonce": own,
    }
    quoted = ", ".join(f'{key}="{value}"' for key, value in fields.items())
    return f"Digest {quoted}, algorithm={name}, qop=auth, nc={count}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return getattr(error, "strerror", None) or type(error).__name__
