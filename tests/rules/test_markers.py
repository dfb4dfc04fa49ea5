import pytest

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.markers import placeholder, role_marker


def candidate(answer: str, instruction: str = "Write a text about the lake.") -> Candidate:
    return Candidate("a1", instruction, answer)


class TestRoleMarker:
    @pytest.mark.parametrize(
        "answer",
        [
            "Still water.<|im_end|>",
            "[INST] Write. [/INST] Still water.",
            "<s>Still water.</s>",
            "### Instruction:\nWrite more.",
            "## Response:\nStill water.",
            "<start_of_turn>model Still water.",
            "<image>\nStill water.",
        ],
    )
    def test_control_tokens(self, answer: str) -> None:
        assert str(role_marker(candidate(answer), FilterConfig())).endswith(
            "a control token of a chat or prompt format"
        )

    @pytest.mark.parametrize(
        "answer",
        ["Assistant: Still water.", "Still water.\nUSER: More!\nASSISTANT: No wind.", "**Human:** More, please."],
    )
    def test_turns_that_nobody_asked_for(self, answer: str) -> None:
        assert "expected the answer alone" in str(role_marker(candidate(answer), FilterConfig()))

    def test_a_play_may_have_a_speaker_of_that_name(self) -> None:
        answer = "Human: Will you bite?\nPike: I am an old fish."
        assert role_marker(candidate(answer, "Write a dialogue at the lake."), FilterConfig()) is None
        assert role_marker(candidate(answer), FilterConfig()) is not None

    def test_a_speaker_whom_the_instruction_names(self) -> None:
        answer = "User: Lights on.\nAssistant: Done."
        asked = candidate(answer, "Write a talk between a user and an assistant.")
        assert role_marker(asked, FilterConfig()) is None

    @pytest.mark.parametrize(
        "answer",
        ["System: manual pump", "Anna: Hi.\nBen: Hi.", "## Answers to your questions\nYes.", "a <b>bold</b> lake"],
    )
    def test_other_labels_and_markup(self, answer: str) -> None:
        assert role_marker(candidate(answer), FilterConfig()) is None


class TestPlaceholder:
    @pytest.mark.parametrize(
        "answer",
        [
            "Best,\n[Your Name]",
            "Best,\nYour Name",
            "Call [Phone Number] today.",
            "Join us on [insert date here].",
            "Only $XX.XX a night!",
            "Dear {{guest_name}},",
            "<insert photo here>",
            "Book at www.yourwebsite.com.",
            "Follow @yourbrand for more.",
            "Lorem ipsum dolor sit amet.",
            "**[Company Name]** presents the lake.",
            "Signed by [Name of the city].".replace("Name of the city", "City Name"),
        ],
    )
    def test_blanks(self, answer: str) -> None:
        assert placeholder(candidate(answer), FilterConfig()) is not None

    @pytest.mark.parametrize(
        "answer",
        [
            "[Chorus]\nStill water",
            "[Scene 1: a lake]",
            "[Sound: waves]",
            "See [the map](https://example.org/map).",
            "[name](https://example.org)",
            "[ ] Pack the oars",
            "[laughs] No.",
            "Your name is written on the water.",
            "In the film Your Name, two strangers meet.",
            "```jinja\nDear {{ name }},\n```",
            "XXL boats for hire",
            "f(x) = [x + 1]",
        ],
    )
    def test_brackets_of_other_kinds(self, answer: str) -> None:
        assert placeholder(candidate(answer), FilterConfig()) is None

    def test_a_template_may_have_blanks(self) -> None:
        asked = candidate("Dear [Name],", "Write an e-mail template for guests.")
        assert placeholder(asked, FilterConfig()) is None

    def test_the_detail_quotes_what_was_found(self) -> None:
        assert placeholder(candidate("Yours, [Your Name]"), FilterConfig()) == (
            "found 'yours, [your name]', expected the words that belong there"
        )
