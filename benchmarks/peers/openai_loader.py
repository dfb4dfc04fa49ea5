"""The messages of an export in OpenAI's form, held to the types of OpenAI's own package.

python openai_loader.py EXPORT MODEL OUT.json     see trainer_loaders.py

There is no trainer to run here: what a service does with the file afterwards cannot be seen from outside.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

from peers.loaded_rows import read_row, write_rows


def main() -> None:
    """Read `EXPORT MODEL OUT`, check, write the rows. pydantic raises where a message is not of the form."""
    from openai.types.chat import ChatCompletionMessageParam  # type: ignore[import-not-found]
    from PIL import Image
    from pydantic import TypeAdapter

    export, _, out = sys.argv[1:]
    messages = TypeAdapter(list[ChatCompletionMessageParam])
    rows = []
    for line in (Path(export) / "train.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        messages.validate_python(row["messages"])
        texts, images = [], []
        for message in row["messages"]:
            content = message["content"]
            parts: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
            for part in parts:
                if part["type"] == "text":
                    texts.append(part["text"])
                else:
                    data = base64.b64decode(part["image_url"]["url"].partition(",")[2], validate=True)
                    images.append(Image.open(io.BytesIO(data)))
        rows.append(read_row(texts, images))
    write_rows(out, rows)


if __name__ == "__main__":
    main()
