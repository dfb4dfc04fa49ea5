"""Draw the data's way as `pipeline-light.svg` and `pipeline-dark.svg`, beside this file.

    python docs/pictures/draw.py

Both pictures come from the one list below, so that they cannot drift apart; only their colours differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1200, 420
BOX, GAP, LEFT = 126, 23, 15.5
TOP, BOTTOM = 130, 278  # of the row of boxes
REJECTS_TOP, REPLIES_TOP, BAND = 22, 350, 48
FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Helvetica, Arial, 'Liberation Sans', 'Noto Sans', sans-serif"


@dataclass(frozen=True)
class Colours:
    """One theme: each pair is fill and line."""

    page: str
    text: str
    faint: str  # small text and arrows
    data: tuple[str, str]
    llm: tuple[str, str]
    plain: tuple[str, str]
    rejects: tuple[str, str]
    replies: tuple[str, str]


@dataclass(frozen=True)
class Box:
    """A step, or a piece of data, in its column."""

    column: int
    kind: str  # the name of a pair of colours
    title: str
    lines: tuple[str, ...]
    top: int = TOP
    bottom: int = BOTTOM

    @property
    def left(self) -> float:
        """The left edge."""
        return LEFT + self.column * (BOX + GAP)

    @property
    def middle(self) -> float:
        """The horizontal middle."""
        return self.left + BOX / 2


STEPS = (
    Box(0, "data", "images", ("with their", "descriptions")),
    Box(1, "llm", "augment", ("seeds + LLM:", "many new", "instructions")),
    Box(2, "llm", "summarize", ("k-means,", "LLM: one for", "each cluster")),
    Box(3, "plain", "match", ("CLIP finds", "what suits", "each image")),
    Box(4, "llm", "exemplars", ("strong LLM:", "example", "answers")),
    Box(5, "llm", "answer", ("open LLM:", "all other", "answers")),
    Box(6, "plain", "filter", ("named rules", "judge each", "answer")),
    Box(7, "plain", "split", ("holds out", "a part for", "the test")),
)
TRAINING = Box(6, "data", "training set", (), REPLIES_TOP, REPLIES_TOP + BAND)
BENCHMARK = Box(7, "data", "benchmark", (), REPLIES_TOP, REPLIES_TOP + BAND)

LIGHT = Colours(
    page="#ffffff",
    text="#1f2328",
    faint="#57606a",
    data=("#fff4dc", "#bf8700"),
    llm=("#ece8ff", "#6e55d9"),
    plain=("#e3f1ff", "#2f7ac6"),
    rejects=("#ffeeec", "#c9473b"),
    replies=("#e4f6ea", "#2c8f4e"),
)
DARK = Colours(
    page="#0d1117",
    text="#e6edf3",
    faint="#9aa4af",
    data=("#2d2410", "#d6a332"),
    llm=("#231d42", "#a08cf5"),
    plain=("#10253b", "#5aa9f0"),
    rejects=("#351816", "#f0776b"),
    replies=("#11301d", "#4fc27a"),
)


def draw(colours: Colours) -> str:
    """Return the picture as SVG."""
    title = "From captioned images to a training set and a benchmark"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="{FONT}">',
        f"<title>{title}</title>",
        f"<desc>{escape(_in_words())}</desc>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="14" fill="{colours.page}"/>',
        *_bands(colours),
        *(part for box in (*STEPS, TRAINING, BENCHMARK) for part in _box(box, colours)),
        *_arrows(colours),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _in_words() -> str:
    steps = "; ".join(f"{box.title}: {' '.join(box.lines)}" for box in STEPS)
    return (
        f"{steps}. Every dropped row goes to the rejects with its reason; every LLM reply is stored before it is used."
    )


def _box(box: Box, colours: Colours) -> Iterable[str]:
    fill, line = getattr(colours, box.kind)
    height = box.bottom - box.top
    yield (
        f'<rect x="{box.left}" y="{box.top}" width="{BOX}" height="{height}" rx="12" '
        f'fill="{fill}" stroke="{line}" stroke-width="2"/>'
    )
    y = box.top + (38 if box.lines else BAND / 2 + 6)
    yield _text(box.middle, y, box.title, 19 if box.lines else 17.5, colours.text, "600")
    for number, words in enumerate(box.lines):
        yield _text(box.middle, y + 34 + 24 * number, words, 17, colours.faint)


def _bands(colours: Colours) -> Iterable[str]:
    first, last = STEPS[0], STEPS[-1]
    yield _band(first.left, REJECTS_TOP, last.left + BOX, colours.rejects)
    yield _text((first.left + last.left + BOX) / 2, REJECTS_TOP + 31, _REJECTS, 18.5, colours.text)
    llm = [box for box in STEPS if box.kind == "llm"]
    yield _band(llm[0].left, REPLIES_TOP, llm[-1].left + BOX, colours.replies)
    yield _text((llm[0].left + llm[-1].left + BOX) / 2, REPLIES_TOP + 31, _REPLIES, 18.5, colours.text)


_REJECTS = "rejects: every dropped row, with its reason"
_REPLIES = "reply store: every reply is on disk before it is used"


def _band(left: float, top: float, right: float, pair: tuple[str, str]) -> str:
    fill, line = pair
    return (
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{BAND}" rx="12" fill="{fill}" stroke="{line}" '
        'stroke-width="2" stroke-dasharray="7 5"/>'
    )


def _arrows(colours: Colours) -> Iterable[str]:
    middle = (TOP + BOTTOM) / 2
    for box in STEPS[:-1]:
        yield _arrow(box.left + BOX, middle, box.left + BOX + GAP, middle, colours.faint)
    split = STEPS[-1]
    yield _arrow(split.middle, BOTTOM, split.middle, REPLIES_TOP, colours.faint)
    turn = (BOTTOM + REPLIES_TOP) / 2
    bend = f"M{split.middle - 24} {BOTTOM + 4}V{turn - 8}q0 8 -8 8H{TRAINING.middle + 8}q-8 0 -8 8"
    yield f'<path d="{bend}" stroke="{colours.faint}" stroke-width="2.5" fill="none"/>'
    yield _arrow(TRAINING.middle, turn + 4, TRAINING.middle, REPLIES_TOP, colours.faint)
    for box in STEPS:
        yield _arrow(box.middle, TOP, box.middle, REJECTS_TOP + BAND, colours.rejects[1])
        if box.kind == "llm":
            yield _arrow(box.middle - 12, BOTTOM, box.middle - 12, REPLIES_TOP, colours.replies[1])
            yield _arrow(box.middle + 12, REPLIES_TOP, box.middle + 12, BOTTOM, colours.replies[1])


def _arrow(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    """Return a straight arrow, level or upright, with a little air at both ends."""
    dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    x1, y1, x2, y2 = x1 + 4 * dx, y1 + 4 * dy, x2 - 3 * dx, y2 - 3 * dy
    back_x, back_y = x2 - 8 * dx, y2 - 8 * dy
    head = f"M{x2} {y2}L{back_x + 6 * dy} {back_y + 6 * dx}L{back_x - 6 * dy} {back_y - 6 * dx}Z"
    return (
        f'<path d="M{x1} {y1}L{back_x} {back_y}" stroke="{colour}" stroke-width="2.5" fill="none"/>'
        f'<path d="{head}" fill="{colour}"/>'
    )


def _text(x: float, y: float, words: str, size: float, colour: str, weight: str = "400") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="middle">'
        f"{escape(words)}</text>"
    )


def main() -> None:
    """Write both pictures beside this file."""
    here = Path(__file__).parent
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        (here / f"pipeline-{name}.svg").write_text(draw(colours), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
