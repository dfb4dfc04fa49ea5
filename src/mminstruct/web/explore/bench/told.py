"""JSON that holds whatever a model has written."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse


class Told(JSONResponse):
    """JSON in ASCII: half a surrogate pair, which answers may hold and UTF-8 may not, comes through as an escape."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
