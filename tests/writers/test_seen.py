"""What came before is known, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from mminstruct.writers.seen import Seen


@given(st.lists(st.text(max_size=2)))
def test_it_answers_as_a_set_does(values: list[str]) -> None:
    seen, known = Seen(), set[str]()
    for value in values:
        assert seen.add(value) == (value in known)
        known.add(value)
    assert len(seen) == len(known)


def test_it_grows() -> None:
    seen = Seen()
    assert not any(seen.add(f"{number}") for number in range(10_000))
    assert all(seen.add(f"{number}") for number in range(10_000))
    assert len(seen) == 10_000
