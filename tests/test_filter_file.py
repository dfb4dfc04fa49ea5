import json
from pathlib import Path
from typing import Any

import pytest

from mminstruct.config.filter import FilterConfig
from mminstruct.errors import ExportError, SourceError
from mminstruct.filter_file import FilterReport, filter_file
from mminstruct.filter_rows import iterate_rows
from mminstruct.rows import Reason

SOUND = "The heron has been waiting since before the light came, and the lake has not yet said a word to it."
OTHER = "A mason came down to the shore every evening and asked the stones which of them would like to be a house."
REFUSAL = "I'm sorry, but I can't assist with that."


def row(answer: str, **fields: Any) -> dict[str, Any]:
    return {"id": "a1", "instruction": "Write a short story.", "answer": answer, **fields}


def write_lines(path: Path, *lines: Any) -> Path:
    data = [line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() for line in lines]
    path.write_bytes(b"\n".join(data) + b"\n")
    return path


def talk(*values: str, row_id: str | None = "c1") -> dict[str, Any]:
    turns = [{"from": "human" if place % 2 == 0 else "gpt", "value": value} for place, value in enumerate(values)]
    return {**({"id": row_id} if row_id else {}), "image": "a.jpg", "conversations": turns}


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def filter_rows(*lines: Any, config: FilterConfig | None = None) -> tuple[FilterReport, list[Any], list[Any]]:
        source, out = write_lines(tmp_path / "in.jsonl", *lines), tmp_path / "out"
        report = filter_file(source, out, config or FilterConfig(), overwrite=True)
        return report, read(out / "kept.jsonl"), read(out / "rejected.jsonl")

    return filter_rows


class TestJsonLines:
    def test_kept_rows_come_as_they_were_and_rejected_ones_with_reason_and_detail(self, run: Any) -> None:
        sound, bad = row(SOUND, extra={"ü": [1, 2.50]}), row(REFUSAL, id=2)
        report, kept, rejected = run(sound, bad)
        assert kept == [sound]
        assert rejected == [
            {**bad, "reason": "refusal", "detail": "found 'i'm sorry, but i can't assist with that.', "
             "expected an answer to the instruction"}
        ]  # fmt: skip
        assert (report.n_in, report.n_kept, report.n_rejected) == (2, 1, 1)
        assert report.rejected == {Reason.REFUSAL: 1}

    def test_the_text_of_a_kept_row_is_not_rewritten(self, tmp_path: Path) -> None:
        text = f'{{"answer":  "{SOUND}", "instruction": "Write \\u00fcber all.",   "n": 1.50}}'
        source = write_lines(tmp_path / "in.jsonl", text.encode())
        filter_file(source, tmp_path / "out", FilterConfig())
        assert (tmp_path / "out" / "kept.jsonl").read_text(encoding="utf-8") == text + "\n"

    def test_rows_that_cannot_be_read(self, run: Any) -> None:
        lines = [b'{"answer": ', b'{"answer": "\xff"}', b"[1, 2]", b"", row(7), {"id": "x", "text": "y"}]  # type: ignore[arg-type]
        report, kept, rejected = run(row(SOUND), *lines)
        assert len(kept) == 1
        assert [(line["reason"], line.get("line")) for line in rejected] == [
            ("invalid_json", 2),
            ("invalid_utf8", 3),
            ("invalid_record", 4),
            ("invalid_record", None),
            ("invalid_record", None),
        ]
        assert rejected[0]["raw"] == '{"answer":'
        assert rejected[1]["raw"] == '{"answer": "\\xff"}'
        assert rejected[3]["detail"] == "found a number as `answer`; expected a text"
        assert rejected[4]["detail"] == "found 'id', 'text'; expected `instruction` and `answer`, or `conversations`"
        assert report.n_in == 6

    def test_half_a_surrogate_pair(self, run: Any) -> None:
        _, kept, rejected = run(b'{"instruction": "a", "answer": "\\ud83d"}')
        assert not kept
        assert rejected[0]["reason"] == "invalid_utf8"
        assert rejected[0]["answer"] == "\ud83d"

    def test_rules_without_their_field_are_left_out_and_counted(self, run: Any) -> None:
        known = row(OTHER, description="A mason on a shore of stones.", finish_reason="stop")
        report, _, _ = run(row(SOUND), known, row(REFUSAL))
        assert report.left_out == {(Reason.OFF_TOPIC, "no description"): 2}
        assert report.in_part == {
            (Reason.TRUNCATED_ANSWER, "judged in part: no finish_reason"): 2,
            (Reason.PROMPT_ECHO, "judged in part: no description"): 2,
        }

    def test_near_duplicates_name_the_row_and_a_row_without_id_its_place(self, run: Any) -> None:
        _, kept, rejected = run({**row(SOUND), "id": None}, row(SOUND + "!"))
        assert len(kept) == 1
        assert rejected[0]["detail"].startswith("repeats the answer of row 1 ")

    def test_a_finish_reason_is_used(self, run: Any) -> None:
        _, _, rejected = run(row(SOUND, finish_reason="length"))
        assert rejected[0]["reason"] == "truncated_answer"


class TestConversations:
    def test_every_turn_is_judged_and_the_detail_says_which(self, run: Any) -> None:
        sound = talk("<image>\nWrite a story.", SOUND, "And another.", OTHER)
        bad = talk(
            "Write a poem about the sea.", "The sea is a door that nobody shuts.", "Go on.", REFUSAL, row_id="c2"
        )
        _, kept, rejected = run(sound, bad)
        assert kept == [sound]
        assert rejected[0]["conversations"] == bad["conversations"]
        assert rejected[0]["detail"].startswith("turn 2: found 'i'm sorry")

    def test_the_image_mark_is_no_part_of_the_instruction(self, tmp_path: Path) -> None:
        source = write_lines(tmp_path / "in.jsonl", talk("Write a story.\n<image>", SOUND))
        (found,) = iterate_rows(source)
        assert found.candidates[0].instruction == "Write a story."
        assert found.candidates[0].answer_id == "c1"

    @pytest.mark.parametrize(
        ("conversations", "found"),
        [
            ([], "without a turn"),
            ("text", "no list of turns"),
            ([{"from": "human", "value": "a"}], "a turn pair from ('human', None)"),
            ([{"from": "gpt", "value": "a"}, {"from": "human", "value": "b"}], "a turn pair from ('gpt', 'human')"),
            ([{"from": "human", "value": None}, {"from": "gpt", "value": "b"}], "nothing as `value`"),
        ],
    )
    def test_conversations_of_another_form(self, run: Any, conversations: Any, found: str) -> None:
        _, _, rejected = run({"id": "c1", "conversations": conversations})
        assert rejected[0]["reason"] == "invalid_record"
        assert found in rejected[0]["detail"]

    def test_a_system_turn_is_no_answer(self, run: Any) -> None:
        turns = [{"from": "system", "value": "Be kind."}, *talk("Write a story.", SOUND)["conversations"]]
        _, kept, _ = run({"id": "c1", "conversations": turns})
        assert len(kept) == 1


class TestJsonList:
    def test_a_list_is_read_element_by_element(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = [talk("Write a story.", SOUND), row(REFUSAL), 7, row(OTHER), row("ü" * 50)]
        source = tmp_path / "llava.json"
        source.write_text("\ufeff " + json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
        for chunk in (3, 40, 1 << 20):
            monkeypatch.setattr("mminstruct.filter_rows._CHUNK", chunk)
            report = filter_file(source, tmp_path / "out", FilterConfig(), overwrite=True)
            assert read(tmp_path / "out" / "kept.jsonl") == [rows[0], rows[3]]
            rejected = read(tmp_path / "out" / "rejected.jsonl")
            assert [line["reason"] for line in rejected] == ["refusal", "invalid_record", "too_short"]
            assert rejected[1] == {
                "line": 3, "raw": "7", "reason": "invalid_record",
                "detail": "found a number; expected an object with `instruction` and `answer`, or `conversations`",
            }  # fmt: skip
            assert report.n_in == 5

    @pytest.mark.parametrize("text", ["[{}, {}", "[{} {}]", "[{}] x", "[{}, ", "[nonsense]"])
    def test_a_broken_list_stops_and_leaves_nothing(self, tmp_path: Path, text: str) -> None:
        source, out = tmp_path / "in.json", tmp_path / "out"
        source.write_text(text)
        with pytest.raises(SourceError, match=r"in\.json.*found .*expected"):
            filter_file(source, out, FilterConfig())
        assert not out.exists()

    def test_an_empty_list(self, tmp_path: Path) -> None:
        (tmp_path / "in.json").write_text("[ ]")
        assert filter_file(tmp_path / "in.json", tmp_path / "out", FilterConfig()).n_in == 0


class TestFolder:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="found no such file, expected JSON Lines"):
            filter_file(tmp_path / "absent.jsonl", tmp_path / "out", FilterConfig())
        with pytest.raises(SourceError, match="found a folder"):
            filter_file(tmp_path, tmp_path / "out", FilterConfig())

    def test_what_stands_there_is_replaced_only_when_asked(self, tmp_path: Path) -> None:
        source, out = write_lines(tmp_path / "in.jsonl", row(SOUND)), tmp_path / "out"
        filter_file(source, out, FilterConfig())
        with pytest.raises(ExportError, match="is not empty"):
            filter_file(source, out, FilterConfig())
        write_lines(source, row(REFUSAL))
        assert filter_file(source, out, FilterConfig(), overwrite=True).n_kept == 0
        assert read(out / "kept.jsonl") == []

    def test_a_file_in_the_folder_that_would_be_replaced_is_safe(self, tmp_path: Path) -> None:
        source = write_lines(tmp_path / "kept.jsonl", row(SOUND))
        with pytest.raises(ExportError, match="would be replaced"):
            filter_file(source, tmp_path, FilterConfig(), overwrite=True)
        assert source.exists()

    def test_progress_is_told_batch_by_batch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mminstruct.filter_file._BATCH_ROWS", 2)
        told: list[int] = []
        source = write_lines(tmp_path / "in.jsonl", *[row(REFUSAL)] * 5)
        filter_file(source, tmp_path / "out", FilterConfig(), progress=told.append)
        assert told == [2, 4, 5]
