"""Numbers with their nouns: (1, "row") → "1 row", (1234, "row") → "1,234 rows"."""


def count_of(number: int, noun: str) -> str:
    """Return the number and the noun, in the plural unless it is one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
