"""Which records and which images were accepted so far, in some 150 bytes for each."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable

from mminstruct.rows import Image

_SMALLEST = 2**10  # places; a power of two
_LENGTH_BYTES = 4


class Seen:
    """What was accepted so far: a record that was rejected leaves its id and its image free for a later one.

    Python's sets and dictionaries take twice the memory. Here a row is a few bytes in one long array, and two tables of
    hashes tell where, one by id and one by content.
    """

    def __init__(self) -> None:
        self._rows = bytearray()
        self._by_id = _Places(lambda place: self._row(place)[:2])
        self._by_content = _Places(lambda place: self._row(place)[2:])

    def add(self, images: Iterable[Image]) -> None:
        """Remember accepted rows; with those of an interrupted intake, it goes on where it was."""
        for image in images:
            place = len(self._rows)
            for text in (image.source, image.source_id, image.content_hash):
                data = text.encode("utf-8", "surrogatepass")
                self._rows += len(data).to_bytes(_LENGTH_BYTES, "little") + data
            self._by_id.add((image.source, image.source_id), place)
            self._by_content.add((image.content_hash,), place)

    def has_id(self, source: str, source_id: str) -> bool:
        """Tell whether this id was accepted from this source."""
        return self._by_id.find((source, source_id)) is not None

    def first_with(self, content_hash: str) -> tuple[str, str] | None:
        """Return source and source_id of the accepted row with this content; None where there is none."""
        place = self._by_content.find((content_hash,))
        if place is None:
            return None
        source, source_id, _ = self._row(place)
        return source, source_id

    def _row(self, place: int) -> tuple[str, ...]:
        texts = []
        for _ in range(3):
            start = place + _LENGTH_BYTES
            place = start + int.from_bytes(self._rows[place:start], "little")
            texts.append(self._rows[start:place].decode("utf-8", "surrogatepass"))
        return tuple(texts)


class _Places:
    """Where the rows with given keys are: open addressing by hashes; where these are equal, the rows are compared."""

    def __init__(self, key_at: Callable[[int], tuple[str, ...]]) -> None:
        self._key_at = key_at
        self._hashes, self._places = _free(_SMALLEST), _free(_SMALLEST)
        self._n = 0

    def find(self, key: tuple[str, ...]) -> int | None:
        """Return the place of the row with this key."""
        hashed, last = hash(key) or 1, len(self._hashes) - 1
        slot = hashed & last
        while found := self._hashes[slot]:
            if found == hashed and self._key_at(self._places[slot]) == key:
                return self._places[slot]
            slot = (slot + 1) & last
        return None

    def add(self, key: tuple[str, ...], place: int) -> None:
        """Add a key that is not there."""
        self._put(hash(key) or 1, place)
        self._n += 1
        if 3 * self._n > 2 * len(self._hashes):
            hashes, places = self._hashes, self._places
            self._hashes, self._places = _free(2 * len(hashes)), _free(2 * len(hashes))
            for hashed, kept in zip(hashes, places, strict=True):
                if hashed:
                    self._put(hashed, kept)

    def _put(self, hashed: int, place: int) -> None:
        last = len(self._hashes) - 1
        slot = hashed & last
        while self._hashes[slot]:
            slot = (slot + 1) & last
        self._hashes[slot], self._places[slot] = hashed, place


def _free(n_slots: int) -> array[int]:
    return array("q", bytes(8 * n_slots))
