"""Whether a row, as a loader has it, is as told; see trainer_loaders.py.

{"seen": …, "trained": …, "images": …} of peers/loaded_rows.py, and Told of loader_samples.py  ─►  yes or no
"""

from __future__ import annotations

from loader_samples import Told
from peers.loaded_rows import MEAN, SPREAD

NEAREST = 6.0  # of 255: JPEG's own error in an image of one colour; the colours lie further apart
END = "</s>"  # what a template adds to an answer


def has_turns(text: str, said: Told) -> bool:
    """Tell whether all turns stand in the text, in their order."""
    place = 0
    for _, words in said.turns:
        place = text.find(words, place)
        if place < 0:
            return False
        place += len(words)
    return True


def n_right_images(images: list[list[float]], said: Told) -> int:
    """Return how many images have the colour that the row's image has."""
    return sum(
        all(
            abs((value * spread + mean) * 255 - wanted) < NEAREST
            for value, mean, spread, wanted in zip(image, MEAN, SPREAD, colour, strict=True)
        )
        for image, colour in zip(images, said.colours, strict=False)
    )


def has_labels(trained: list[str] | None, said: Told) -> bool:
    """Tell whether the tokens with labels are the answers, each with the sign of its end or none."""
    return trained is not None and [text.strip().removesuffix(END).strip() for text in trained] == said.answers
