"""What was accepted, compared with Python's own sets and dictionaries."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mminstruct.readers.seen import Seen
from mminstruct.rows import Image

IMAGE = Image("i", "", "", "/a.jpg", "a.jpg", "A cat.", ["A cat."], 1, 1, "JPEG", "")
TEXTS = st.text(st.characters(), max_size=3)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=40), st.tuples(TEXTS, TEXTS, TEXTS))
def test_as_sets_do(rows: list[tuple[str, str, str]], other: tuple[str, str, str]) -> None:
    seen, ids, contents = Seen(), set(), dict[str, tuple[str, str]]()
    for source, source_id, content_hash in [*rows, other]:
        key = (source, source_id)
        assert seen.has_id(*key) is (key in ids)
        assert seen.first_with(content_hash) == contents.get(content_hash)
        if key not in ids and content_hash not in contents:
            ids.add(key)
            contents[content_hash] = key
            seen.add([replace(IMAGE, source=source, source_id=source_id, content_hash=content_hash)])


def test_many_more_than_the_table_begins_with() -> None:
    seen = Seen()
    seen.add(replace(IMAGE, source="coco", source_id=str(n), content_hash=f"hash {n}") for n in range(5000))
    assert all(seen.has_id("coco", str(n)) and seen.first_with(f"hash {n}") == ("coco", str(n)) for n in range(5000))
    assert not seen.has_id("flickr", "7")
    assert seen.first_with("hash 5000") is None
