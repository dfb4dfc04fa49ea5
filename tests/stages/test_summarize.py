"""Stage 2: one instruction a cluster, over-specific ones dropped, near-duplicates merged."""

import numpy as np
import pytest

from mminstruct.config.instructions import SummarizeConfig
from mminstruct.encoders.protocols import Embeddings
from mminstruct.llm.chat import Request, RequestFailed, ScriptedChat
from mminstruct.prompts.template import load_prompt
from mminstruct.rows import Instruction, RawInstruction, Reason, Reject, Seed, content_id
from mminstruct.stages.summarize import ClusterTask, Draft, merge_drafts, nearest_as_it_is, plan_summaries, summarize

PROMPT = load_prompt("summarize")
AD = "Write an ad for the item in the image."
SEEDS = [Seed("Pen a limerick.", "poetry"), Seed("Propose a slogan.", "marketing")]
SEED_EMBEDDINGS = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)


def raw(raw_id: str, text: str, image_id: str) -> RawInstruction:
    return RawInstruction(raw_id, text, image_id, [], "scripted", f"request of {raw_id}")


RAWS = [
    raw("a", "Write an ad for the bike.", "1"),
    raw("b", "Draft a poem about the sea.", "2"),
    raw("c", "Praise the giraffe.", "3"),
    raw("d", "Sell the mug.", "4"),
]
DESCRIPTIONS = {
    "1": "a bike by the sea",
    "2": "the sea and a bike",
    "3": "a giraffe by the sea",
    "4": "a mug on a bike",
    "5": "a mug",
}


def plan(config: SummarizeConfig | None = None) -> list[ClusterTask]:
    labels = np.array([4, 1, 4, 4])
    nearest = [[], [1], [], [], [2, 0]]
    return plan_summaries(RAWS, labels, nearest, DESCRIPTIONS, config or SummarizeConfig())


class TestAsItIs:
    def test_the_nearest_member_stands_for_its_cluster_however_specific(self) -> None:
        assert nearest_as_it_is(plan()[1]) == Draft(
            4, "Praise the giraffe.", ("a", "c", "d"), ("c",), "scripted", "request of c"
        )


class TestPlan:
    def test_a_task_for_each_cluster_with_members(self) -> None:
        tasks = plan()
        assert [task.cluster for task in tasks] == [1, 4]
        assert tasks[1].members == ("a", "c", "d")
        assert [raw.raw_id for raw in tasks[1].shown] == ["c", "a"]

    def test_masked_members(self) -> None:
        assert plan()[1].masked == ("Praise the image.", "Write an ad for the image.")

    def test_what_few_images_show_is_rare_where_the_cluster_shows_it(self) -> None:
        sea, ads = plan()
        assert sea.rare == set()
        assert ads.rare == {"giraf"}

    def test_the_rule_can_be_switched_off(self) -> None:
        assert plan(SummarizeConfig(min_image_share=0))[1].rare == set()

    def test_nothing(self) -> None:
        assert plan_summaries([], [], [], {}, SummarizeConfig()) == []


class TestSummarize:
    TASK = plan()[1]

    async def ask(self, *replies: str, attempts: int = 2) -> tuple[Draft | Reject, list[Request]]:
        chat = ScriptedChat(lambda request: replies[request.sample])
        return await summarize(self.TASK, chat, PROMPT, SummarizeConfig(attempts=attempts)), chat.requests

    async def test_a_draft_with_where_it_came_from(self) -> None:
        result, requests = await self.ask(f'General instruction: "{AD}"')
        assert result == Draft(4, AD, ("a", "c", "d"), ("c", "a"), "scripted", requests[0].request_id("scripted"))

    async def test_the_standard_prompt_shows_the_members_as_they_are(self) -> None:
        _, requests = await self.ask(AD)
        text = requests[0].messages[-1].content
        assert "- Praise the giraffe.\n- Write an ad for the bike.\n" in text
        assert "mug" not in text

    async def test_asked_again_where_it_cannot_be_read(self) -> None:
        result, requests = await self.ask("They all are about ads.", AD)
        assert isinstance(result, Draft)
        assert [request.sample for request in requests] == [0, 1]
        assert result.request_id == requests[1].request_id("scripted")

    async def test_asked_again_where_it_is_over_specific(self) -> None:
        result, requests = await self.ask("Write an ad for the giraffe in the image.", AD)
        assert isinstance(result, Draft)
        assert len(requests) == 2

    @pytest.mark.parametrize(
        ("reply", "reason", "detail"),
        [
            ("Write an ad for the giraffe.", Reason.OVER_SPECIFIC, "names what few images show: giraffe"),
            ("They all are about ads.", Reason.NOT_AN_INSTRUCTION, "expected a request that opens with a verb"),
        ],
    )
    async def test_rejected_after_the_last_attempt(self, reply: str, reason: Reason, detail: str) -> None:
        result, requests = await self.ask("", reply)
        assert isinstance(result, Reject)
        assert (result.stage, result.reason, result.raw_text) == ("summarize", reason, reply)
        assert result.detail.startswith("cluster 4 of 3 members: ")
        assert result.detail.endswith(detail)
        assert result.request_id == requests[1].request_id("scripted")

    async def test_a_failed_request(self) -> None:
        def fail(request: Request) -> str:
            raise RequestFailed("r1", Reason.REQUEST_FAILED, "HTTP 500")

        result = await summarize(self.TASK, ScriptedChat(fail), PROMPT, SummarizeConfig())
        assert result == Reject(content_id("r1"), "summarize", Reason.REQUEST_FAILED, "HTTP 500", "", "r1")


def draft(cluster: int, text: str, *members: str) -> Draft:
    return Draft(cluster, text, members, members[:1], "scripted", f"request of {cluster}")


def unit(*rows: tuple[float, ...]) -> Embeddings:
    embeddings = np.array(rows, dtype=np.float32)
    return np.asarray(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), dtype=np.float32)


def merge(drafts: list[Draft], embeddings: Embeddings) -> tuple[list[Instruction], list[Reject]]:
    return merge_drafts(drafts, embeddings, SEEDS, SEED_EMBEDDINGS, SummarizeConfig(merge_similarity=0.9))


class TestMerge:
    def test_what_is_different_stays(self) -> None:
        instructions, rejects = merge(
            [draft(0, AD, "a", "b"), draft(1, "Pen a poem for the image.", "c")], unit((0.1, 1, 0), (1, 0.2, 0))
        )
        assert instructions == [
            Instruction(content_id(AD), AD, "marketing", [0], ["a", "b"], ["a"], "scripted", "request of 0"),
            Instruction(
                content_id("Pen a poem for the image."),
                "Pen a poem for the image.",
                "poetry",
                [1],
                ["c"],
                ["c"],
                "scripted",
                "request of 1",
            ),
        ]
        assert rejects == []

    def test_near_embeddings_become_one_with_the_larger_clusters_wording(self) -> None:
        drafts = [draft(0, "Sell the thing shown.", "a"), draft(1, AD, "b", "c"), draft(2, "Rhyme a bit.", "d")]
        instructions, rejects = merge(drafts, unit((0, 1, 0.1), (0, 1, 0), (1, 0, 0)))
        assert [(item.text, item.clusters, item.members, item.shown) for item in instructions] == [
            (AD, [0, 1], ["b", "c", "a"], ["b", "a"]),
            ("Rhyme a bit.", [2], ["d"], ["d"]),
        ]
        (reject,) = rejects
        assert (reject.row_id, reject.stage, reject.reason) == (content_id("request of 0"), "summarize", Reason.MERGED)
        assert reject.detail == f"says what {content_id(AD)} says (cosine 0.995): {AD}"
        assert (reject.raw_text, reject.request_id) == ("Sell the thing shown.", "request of 0")

    def test_the_same_words_become_one_whatever_their_embeddings(self) -> None:
        instructions, rejects = merge([draft(0, AD, "a"), draft(1, AD.upper(), "b")], unit((0, 1, 0), (0, 0, 1)))
        assert [item.clusters for item in instructions] == [[0, 1]]
        assert [reject.reason for reject in rejects] == [Reason.MERGED]

    def test_a_copy_of_one_that_was_merged_joins_the_same(self) -> None:
        drafts = [draft(0, AD, "a", "b", "c"), draft(1, "Sell it now.", "d", "e"), draft(2, "Sell it now!", "f")]
        instructions, _ = merge(drafts, unit((0, 1, 0), (0, 1, 0.1), (1, 0, 0)))
        assert [item.clusters for item in instructions] == [[0, 1, 2]]

    def test_each_member_is_in_one_instruction_and_each_draft_accounted_for(self) -> None:
        drafts = [draft(number, f"Write kind {number} of text.", f"m{number}") for number in range(40)]
        embeddings = unit(*np.random.default_rng(0).normal(size=(40, 3)).tolist())
        instructions, rejects = merge(drafts, embeddings)
        assert sorted(member for item in instructions for member in item.members) == sorted(f"m{n}" for n in range(40))
        assert len(instructions) + len(rejects) == 40
        assert len({item.instruction_id for item in instructions}) == len(instructions)

    def test_nothing(self) -> None:
        assert merge([], np.zeros((0, 3), dtype=np.float32)) == ([], [])
