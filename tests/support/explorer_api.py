"""Asks an explorer as its own page does: JSON in, JSON out, with the headers that a browser adds."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit


class Api:
    """The API at an address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._host = urlsplit(address).netloc

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON of an answer that must be 200."""
        status, answer = self.ask("GET", path + (f"?{urlencode(query)}" if query else ""))
        assert status == 200, answer
        return answer

    def post(self, path: str, **body: Any) -> Any:
        """Return the JSON of an answer that must be 200."""
        status, answer = self.ask("POST", path, body)
        assert status == 200, answer
        return answer

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Return status and JSON, whatever they are."""
        status, _, content = self.fetch(method, path, body)
        return status, json.loads(content)

    def fetch(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, str, bytes]:
        """Return status, content type and content."""
        connection = http.client.HTTPConnection(self._host, timeout=30)
        headers = {"Origin": self.address, "Content-Type": "application/json"} if body is not None else {}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.headers.get_content_type(), response.read()
        finally:
            connection.close()
