"""A JSON file loaded whole, for the formats that are one JSON value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mminstruct.readers.faults import require_file, source_error


def load_json(source: str, path: str, expected: str) -> Any:
    """Return the value of a JSON file; UTF-8 with or without a BOM.

    Bytes that are no UTF-8 become lone surrogates, so that they spoil their own record and not the file.
    Raises SourceError: no such file, not JSON.
    """
    require_file(source, path, expected)
    text = Path(path).read_bytes().decode("utf-8-sig", "surrogateescape")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        found = f"text that is not JSON ({error.msg}, column {error.colno})"
        where = f"{path}, line {error.lineno}"
        raise source_error(source, where, found, expected, "Correct the file, or `format` and `path`.") from error
    except (ValueError, RecursionError) as error:
        raise source_error(
            source, path, f"JSON that cannot be read ({error})", expected, "Correct the file."
        ) from error
