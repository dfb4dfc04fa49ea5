"""Which ids and images came before, in few bytes for each."""

from __future__ import annotations

from array import array

_SMALLEST = 2**10  # places; a power of two


class Seen:
    """A set of hashes that only grows, as a table with open addressing: 16 to 32 bytes for each value.

    A set of Python's takes 80 to 110 bytes. Hashes have 64 bits, so two of a million different values meet once in
    10^7 files.
    """

    def __init__(self) -> None:
        self._hashes = _free_places(_SMALLEST)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def add(self, value: str | bytes) -> bool:
        """Add a value and tell whether it was there."""
        number = hash(value) or 1
        hashes = self._hashes
        last = len(hashes) - 1
        place = number & last
        while found := hashes[place]:
            if found == number:
                return True
            place = (place + 1) & last
        hashes[place] = number
        self._n += 1
        if 2 * self._n > last:
            self._hashes = _twice(hashes)
        return False


def _twice(hashes: array[int]) -> array[int]:
    """Return a table of twice the size with the same hashes."""
    larger = _free_places(2 * len(hashes))
    last = len(larger) - 1
    for number in filter(None, hashes):
        place = number & last
        while larger[place]:
            place = (place + 1) & last
        larger[place] = number
    return larger


def _free_places(n_places: int) -> array[int]:
    return array("q", bytes(8 * n_places))
