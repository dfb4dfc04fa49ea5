import pytest

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.leaks import source_leak


def judge(answer: str, instruction: str = "Write a vivid paragraph.") -> str | None:
    return source_leak(Candidate("a1", instruction, answer), FilterConfig())


class TestSourceLeak:
    @pytest.mark.parametrize(
        "answer",
        [
            "Based on the description, the lake is calm.",
            "According to the provided caption, a heron stands on a stone.",
            "The caption mentions a heron.",
            "The image description doesn't specify the season.",
            "As described in the text, the lake is calm.",
            "The colour of the boat is not mentioned in the description.",
            "From the details provided, it must be morning.",
            "The provided text speaks of a heron.",
            "According to the text, the lake is deep.",
            "As you mentioned, the heron is alone.",
            "The scene described is peaceful.",
            "The heron's bounding box is small.",
            "A heron at [0.12, 0.20, 0.88, 0.95] waits.",
            "Your description of the lake is lovely.",
        ],
    )
    def test_an_answer_that_speaks_of_its_source(self, answer: str) -> None:
        assert judge(answer) is not None

    @pytest.mark.parametrize(
        "answer",
        [
            "Caption: Still waters, patient heron",
            "Here is a caption for your photo: still waters run deep.",
            "Description: A hand-made boat with two oars.",
            "The caption says it all: still waters.",
            "The beauty of this lake is beyond description.",
            "Read the job description before you apply.",
            "The caption below the cartoon reads 'Not today'.",
            "According to the text on the sign, fishing is forbidden.",
            "The information provided by the visitor centre is free.",
            "Links to the boats are in the description below!",
            "The scene is described by Homer as wine-dark.",
            'She read aloud: "Based on the description, this must be it."',
            "The provided image shows a lake.",
        ],
    )
    def test_the_same_words_in_honest_use(self, answer: str) -> None:
        assert judge(answer) is None

    def test_boxes_may_be_asked_for(self) -> None:
        answer = "The bounding box around the heron is drawn in red."
        assert judge(answer) is not None
        assert judge(answer, "Explain how the detector marks the bird.") is None

    def test_the_detail_quotes_what_was_found(self) -> None:
        assert judge("Based on the caption, it rains.") == (
            "found 'based on the caption, it rains.', expected words about the image itself"
        )
