"""Which words belong to single images."""

import pytest

from mminstruct.stages.image_words import mask_image_words, named_things, rare_words

PARK = "A woman rides on a red bike down a street. A cat sits next to two polar bears near a tree in the park."


class TestMask:
    @pytest.mark.parametrize(
        ("instruction", "masked"),
        [
            ("Write a poem about a woman riding a red bike.", "Write a poem about the image."),
            ("Explain how light falls on the cat, the tree and the bike.", "Explain how light falls on the image."),
            ("Write a letter to the woman's mother.", "Write a letter to the image's mother."),
            ("Plan a day in the park with your cat.", "Plan a day in the image."),
            ("Plan a day at the place shown.", "Plan a day at the place shown."),
            ("Draft an ad for the image.", "Draft an ad for the image."),
            ("Park the car.", "Park the car."),
        ],
    )
    def test_words_of_the_description_become_the_image(self, instruction: str, masked: str) -> None:
        assert mask_image_words(instruction, PARK) == masked

    def test_without_a_description_nothing_is_masked(self) -> None:
        assert mask_image_words("Praise the red bike!", "") == "Praise the red bike!"


class TestRareWords:
    def test_few_descriptions_name_it(self) -> None:
        descriptions = ["a dog on grass"] * 30 + ["a giraffe on grass"] * 2 + ["a zebra"] * 8
        assert rare_words(descriptions, 0.1) == {"giraf"}

    def test_a_single_description_is_too_few_whatever_the_share(self) -> None:
        assert rare_words(["a giraffe", "a dog", "a dog"], 0.01) == {"giraf"}

    def test_general_words_belong_to_no_image(self) -> None:
        assert rare_words(["a dish of food", "a dog", "dogs"], 0.5) == set()

    def test_a_share_of_nothing_switches_it_off(self) -> None:
        assert rare_words(["a giraffe"], 0.0) == set()


def test_named_things_leave_the_opening_verb_alone() -> None:
    rare = frozenset({"pictu", "giraf", "plan"})
    assert named_things("Plan a day with giraffes and a giraffe.", rare) == ["giraffes", "giraffe"]
