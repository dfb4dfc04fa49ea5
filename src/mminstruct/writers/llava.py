"""LLaVA's training format: a JSON list of conversations about images.

    Sample  ─►  {"id": "5f…", "image": "images/coco/17.jpg", "conversations": [
                    {"from": "human", "value": "<image>\\nWrite a slogan for …"}, {"from": "gpt", "value": "Ride …"}]}

The form is the one that `llava/train/train.py` of LLaVA reads (`LazySupervisedDataset`, `preprocess_multimodal`,
`preprocess_v1`); LLaVA-NeXT and ms-swift read the same. The file has one row a line, so that neither writing nor
checking it holds more than a row in memory. A row of a mix without an image has no `image`, as in the 665k mix. Its
system turn goes before its first question, because LLaVA's loader knows no system turns and stops at one (KeyError).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from mminstruct.rows import Sample
from mminstruct.writers.conversations import Conversation, Turn
from mminstruct.writers.format import SIGNS, PlaceImage, TrainFormat, conversation_of
from mminstruct.writers.sharegpt import marked_texts, read_sharegpt

TRAIN_FILE = "train.json"

_quoted = json.JSONEncoder(ensure_ascii=True).encode  # ASCII: LLaVA reads in whatever encoding its machine prefers
# LLaVA's loader knows no videos and no sounds.
_SIGNS = {sign: spaced for sign, spaced in SIGNS.items() if sign not in ("<video>", "<audio>")}


def write_llava(samples: Iterable[Sample], folder: Path, place_image: PlaceImage, mix: Iterable[Conversation]) -> int:
    """Write `folder/train.json`; return how many signs were spaced out in texts."""
    n_signs = 0

    def conversations() -> Iterator[Conversation]:
        nonlocal n_signs
        for sample in samples:
            conversation, n_spaced = conversation_of(sample, place_image(sample), _SIGNS)
            n_signs += n_spaced
            yield conversation

    with (folder / TRAIN_FILE).open("w", encoding="ascii", newline="\n") as file:
        before = "[\n"
        for conversation in chain(conversations(), map(_without_system, mix)):
            file.write(before + _row(conversation))
            before = ",\n"
        file.write("\n]\n")
    return n_signs


def _without_system(conversation: Conversation) -> Conversation:
    if conversation.turns[0].role != "system":
        return conversation
    system, question, *others = conversation.turns
    text = "\n\n".join(turn.text for turn in (system, question) if turn.text)
    return replace(conversation, turns=(Turn("user", text), *others))


def _row(conversation: Conversation) -> str:
    """Return a row as JSON, put together by hand: `json.dumps` of a dictionary takes more than twice as long."""
    image = ""
    if conversation.images:  # LLaVA's own rows have one; LLaVA-NeXT and ms-swift read a list too
        paths = ", ".join([_quoted(path) for path in conversation.images])
        image = f'"image": {paths}, ' if len(conversation.images) == 1 else f'"image": [{paths}], '
    turns = [f'{{"from": "{speaker}", "value": {_quoted(text)}}}' for speaker, text in marked_texts(conversation)]
    return f'{{"id": {_quoted(conversation.id)}, {image}"conversations": [{", ".join(turns)}]}}'


LLAVA = TrainFormat(
    name="llava",
    train_file=TRAIN_FILE,
    image_modes=("copy", "link", "none"),
    takes_mix=True,
    write_rows=write_llava,
    read_rows=lambda folder: read_sharegpt(folder / TRAIN_FILE),
    about=f"""`{TRAIN_FILE}` is a JSON list in LLaVA's form: `id`, `image` and `conversations` of two turns, `human` and
`gpt`.""",
    usage=f"""With LLaVA: `--data_path DIR/{TRAIN_FILE} --image_folder DIR`, where DIR is this folder.""",
)
