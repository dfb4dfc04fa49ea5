"""Other people's text inside of a figure.

Plotly reads a subset of HTML in every label and hover text (`<b>`, `<a href>`, `<br>`) and decodes entities, so text
is escaped once for Plotly, and again, as JSON, for the page (`page.py`).
"""

from __future__ import annotations

import textwrap

_SIGNS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def label(text: str, most: int = 40) -> str:
    """Return a text on one line, cut, that Plotly shows as it is.

    >>> label("<b>a</b> & b")
    '&lt;b&gt;a&lt;/b&gt; &amp; b'
    """
    return cut(text, most).translate(_SIGNS)


def hover(text: str, most: int = 240, width: int = 60) -> str:
    """Return a text cut and broken into lines, for a hover label.

    >>> hover("one two <i>", width=8)
    'one two<br>&lt;i&gt;'
    """
    lines = textwrap.wrap(cut(text, most), width, break_on_hyphens=False)
    return "<br>".join(line.translate(_SIGNS) for line in lines)


def cut(text: str, most: int) -> str:
    """Return a text on one line with at most so many characters.

    >>> cut("one   two three", 8)
    'one two…'
    """
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
