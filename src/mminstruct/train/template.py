"""A conversation to token ids and labels, after LLaVA-1.5's templates; the loss falls on the answers alone.

    v1     A chat between … questions. USER: <image>\nWhat is it? ASSISTANT: A cat.</s>USER: Why? ASSISTANT: …</s>
                                                                  ^^^^^^^^^^^^                           ^^^^^
    plain  <image>A cat on a mat.\n
                  ^^^^^^^^^^^^^^^^^          (marked: labels; everywhere else −100)

The templates are `conv_vicuna_v1` and `conv_llava_plain` of haotian-liu/LLaVA (llava/conversation.py), of which the
original pretrains with the second. Its `preprocess_v1` tokenises the whole text, tokenises the parts again, and takes
lengths for places: where tokens merge across a border the mask is off, and a row whose lengths disagree is ignored
with a printed warning. Here each part is tokenised for itself and carries its own labels, so that the mask is exact
by construction, and an answer begins behind the very tokens that the model will see when it is asked.
`</s>` is the tokenizer's own end of sequence, whatever its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mminstruct.errors import ModelError
from mminstruct.writers.conversations import Turn

TemplateName = Literal["v1", "plain"]

IGNORED = -100  # the label that torch's cross-entropy leaves out
SYSTEM_V1 = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


@dataclass(frozen=True, slots=True)
class Example:
    """One row as a model is trained on it; `input_ids` and `labels` are of one length.

    An image is one token here; `batches.py` makes it as many as the vision tower gives features.
    """

    input_ids: list[int]
    labels: list[int]

    @property
    def n_answer_tokens(self) -> int:
        """How many tokens the loss falls on."""
        return sum(label != IGNORED for label in self.labels)


class Template:
    """Writes conversations as one of the templates, in the tokens of any tokenizer of transformers."""

    def __init__(self, tokenizer: Any, name: TemplateName, image_token: str = "<image>") -> None:
        """Raise ModelError where the tokenizer has no end of sequence, or `image_token` is no token of its own."""
        self.name = name
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        self._tokenizer = tokenizer
        self._image_token = image_token
        self._specials = tuple(dict.fromkeys([*tokenizer.all_special_tokens, image_token]))
        if tokenizer.eos_token is None:
            raise ModelError("The language model's tokenizer has no end-of-sequence token, with which answers end.")
        if tokenizer.encode(image_token, add_special_tokens=False) != [self.image_token_id]:
            raise ModelError(f"The tokenizer has no token of its own for {image_token!r}. Build the model anew.")
        empty = tokenizer.encode("", add_special_tokens=True)
        self._start = empty[:1] if tokenizer.bos_token_id is not None and empty[:1] == [tokenizer.bos_token_id] else []

    def special_token_in(self, turns: Sequence[Turn]) -> str:
        """Return the first special token that stands in the texts, where it would be read as a sign; "" if none."""
        return next((token for token in self._specials for turn in turns if token in turn.text), "")

    def encode(self, turns: Sequence[Turn], with_image: bool) -> Example:
        """Return the tokens and labels of user and assistant turns that alternate, after a system turn or none.

        With `plain`, the user's words are left out, as in the original; it needs an image and two turns.
        """
        if self.name == "plain":
            return self._plain(turns[-1].text)
        system = turns[0].text if turns[0].role == "system" else SYSTEM_V1
        spoken = [turn for turn in turns if turn.role != "system"]
        input_ids, labels = list(self._start), [IGNORED] * len(self._start)
        for index in range(0, len(spoken), 2):
            mark = f"{self._image_token}\n" if with_image and index == 0 else ""
            question = self._ids(f"USER: {mark}{spoken[index].text} ASSISTANT:", "" if index else f"{system} ")
            answer = [*self._answer(spoken[index + 1].text), self._tokenizer.eos_token_id]
            input_ids += question + answer
            labels += [IGNORED] * len(question) + answer
        return Example(input_ids, labels)

    def _plain(self, caption: str) -> Example:
        shown = [*self._start, self.image_token_id]
        answer = self._behind(self._image_token, f"{caption}\n")
        return Example(shown + answer, [IGNORED] * len(shown) + answer)

    def _ids(self, text: str, opening: str) -> list[int]:
        """Return a question's tokens: the first behind its `opening`, a later one as it follows on an answer's end."""
        if opening:
            return list(self._tokenizer.encode(opening + text, add_special_tokens=False))
        return self._behind(self._tokenizer.eos_token, text)

    def _answer(self, text: str) -> list[int]:
        """Return an answer's tokens as they follow on "ASSISTANT:", its first word with the space before it."""
        return self._behind(":", f" {text}")

    def _behind(self, before: str, text: str) -> list[int]:
        """Return the tokens of `text` where it follows on `before`: SentencePiece writes a text's start otherwise."""
        first = self._tokenizer.encode(before, add_special_tokens=False)
        both = self._tokenizer.encode(before + text, add_special_tokens=False)
        if both[: len(first)] == first:
            return list(both[len(first) :])
        return list(self._tokenizer.encode(text, add_special_tokens=False))  # a tokenizer that merges over the border
