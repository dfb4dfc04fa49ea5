"""Requests as a hostile client would send them: any Host, any Origin, any path, none of it tidied up."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Told:
    """A server's answer."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    address: str,
    path: str,
    query: dict[str, Any] | None = None,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> Told:
    """Send one request to a server at `http://host:port`; a header of `headers` takes the place of our own."""
    parts = urlsplit(address)
    target = path + (f"?{urlencode(query, doseq=True)}" if query else "")
    sent = {"Host": parts.netloc} | (headers or {})
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Told(response.status, found, response.read())
    finally:
        connection.close()


def post(address: str, path: str, content: object, **headers: str) -> Told:
    """Send JSON as one of the explorer's own pages does; `headers` (with _ for -) take the place of a page's."""
    own = {"Origin": address, "Content-Type": "application/json"}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(address, path, method="POST", headers=own | given, body=json.dumps(content).encode())
