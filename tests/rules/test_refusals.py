import pytest

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.refusals import cannot_see, refusal


def candidate(answer: str, instruction: str = "Write a story about the lake.") -> Candidate:
    return Candidate("a1", instruction, answer)


class TestRefusal:
    @pytest.mark.parametrize(
        "answer",
        [
            "I'm sorry, but I can’t assist with that request.",
            "I cannot fulfill this request.",
            "Sorry, I am not able to write this story for you.",
            "As an AI language model, I have no feelings, but the lake is calm.",
            "As a large language model, I only know lakes from texts.",
            "I'm just an AI, so take my review with a grain of salt.",
            "I must respectfully decline to write about private property.",
            "It is not possible to determine the name of the lake.",
            "There is not enough information to write a story.",
            "Could you please provide more details about the lake?",
            "This would violate my safety guidelines.",
            "Unfortunately, I am unable to generate a story about real places.",
        ],
    )
    def test_an_answer_that_declines(self, answer: str) -> None:
        assert refusal(candidate(answer), FilterConfig()) is not None

    @pytest.mark.parametrize(
        "answer",
        [
            "The ferryman shook his head. \"I'm sorry, but I can't help with that,\" he said.",
            "Anna: I'm sorry, I cannot assist you.\nBen: Then who can?",
            "Dear Ms. Lee, I'm afraid we cannot offer you the cabin in July.",
            "Hello,\n\nCould you please share more details about your booking?",
            "I can't help but smile when the heron lands.",
            "I cannot give this lake enough stars!",
            "I cannot describe how still it was.",
            "As an AI artist's impression, the lake would glow.",
            "I am an AI researcher, and on Sundays I row.",
            "The lake declined to answer.",
        ],
    )
    def test_an_answer_that_only_sounds_like_it(self, answer: str) -> None:
        assert refusal(candidate(answer), FilterConfig()) is None

    def test_a_text_about_an_ai_may_speak_as_one(self) -> None:
        told = candidate("As an AI, I was promised floors.", "Write a monologue of the robot.")
        assert refusal(told, FilterConfig()) is None

    def test_the_detail_quotes_what_was_found(self) -> None:
        assert refusal(candidate("I cannot assist with that."), FilterConfig()) == (
            "found 'i cannot assist with that.', expected an answer to the instruction"
        )


class TestCannotSee:
    @pytest.mark.parametrize(
        "answer",
        [
            "I can't see the image, but it must be a lovely lake.",
            "I am unable to view or analyze images.",
            "I don't have access to the picture you mentioned.",
            "I do not have the ability to see images.",
            "No image was attached. Please upload it.",
            "It seems that the photo wasn't included.",
            "The image did not load on my side.",
            "Please share the image with me and I will write the story.",
            "As a text-only model I work with words.",
            "Without seeing the picture, I imagine a lake.",
            "If you describe the image, I can write the story.",
        ],
    )
    def test_an_answer_by_one_who_sees_nothing(self, answer: str) -> None:
        assert cannot_see(candidate(answer), FilterConfig()) is not None

    @pytest.mark.parametrize(
        "answer",
        [
            "I can't see the picture without thinking of my father.",
            'She squinted. "I can\'t see the image on that screen," she said.',
            "Describe the photo for visitors who cannot see the image.",
            "I don't have a picture of him, only this lake.",
            "Share your photos with us under #lake!",
            "Please send a photo of your boat to our team.",
            "The picture was not hung in the hall for years.",
            "You cannot see the far shore in fog.",
        ],
    )
    def test_an_answer_that_only_sounds_like_it(self, answer: str) -> None:
        assert cannot_see(candidate(answer), FilterConfig()) is None

    def test_the_detail_quotes_what_was_found(self) -> None:
        assert cannot_see(candidate("I cannot view images."), FilterConfig()) == (
            "found 'i cannot view images.', expected an answer written by one who sees the image"
        )
