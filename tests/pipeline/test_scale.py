"""A config at any number of images: what grows with them and what does not, rates of one's own, and what runs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mminstruct.config.file import load_config
from mminstruct.config.rates import load_rates
from mminstruct.errors import ConfigError
from mminstruct.pipeline.limits import Limit, limits
from mminstruct.pipeline.plan import make_plan
from mminstruct.pipeline.scale import Scale, Scaler

PAPER = Path(__file__).parents[2] / "configs" / "paper.yaml"
UNCAPPED = "match.max_per_instruction=null"
N = 1_000_000


def scaler(*overrides: str, rates: Path | None = None) -> Scaler:
    return Scaler(load_config(PAPER, overrides), load_rates(rates))


def own_rates(folder: Path, text: str) -> Path:
    path = folder / "rates.yaml"
    path.write_text(text)
    return path


def names(found: Sequence[Limit]) -> list[str]:
    return [limit.name for limit in found if limit.is_reached]


class TestGrowth:
    def test_what_is_done_for_each_image_grows_with_them(self) -> None:
        of_config = scaler(UNCAPPED)
        once, tenfold = of_config.at(N), of_config.at(10 * N)
        for stage in ("images", "match", "answer", "filter", "split"):
            before, after = once.stage(stage), tenfold.stage(stage)
            assert after.plan.n_rows == 10 * before.plan.n_rows
            assert after.plan.prompt_tokens == pytest.approx(10 * before.plan.prompt_tokens)
            for name in ("cpu_hours", "driver_hours", "gpu_hours"):
                expected = [10 * hours for hours in _as_list(getattr(before, name))]
                assert _as_list(getattr(after, name)) == pytest.approx(expected), (stage, name)
        assert tenfold.memory == pytest.approx({stage: 10 * n_bytes for stage, n_bytes in once.memory.items()})
        for before_table, after_table in zip(once.stored, tenfold.stored, strict=True):
            if before_table.name != "reply store":
                assert after_table.n_bytes == pytest.approx(10 * before_table.n_bytes)

    def test_instructions_and_exemplars_are_as_many_for_any_number_of_images(self) -> None:
        of_config = scaler(UNCAPPED)
        for stage in ("augment", "summarize", "exemplars"):
            assert of_config.at(N).stage(stage).plan == of_config.at(100 * N).stage(stage).plan

    def test_only_a_clip_takes_gpus_for_the_images(self) -> None:
        assert scaler().at(N).stage("match").gpu_hours > (0, 0)
        by_caption = scaler("match.encoder={kind: caption}").at(N)
        assert by_caption.stage("match").gpu_hours == (0, 0) and by_caption.stage("match").cpu_hours > 0
        assert by_caption.bytes_of("vectors") == scaler().at(N).bytes_of("vectors") / 2  # 384 numbers, not 768

    def test_the_embedded_model_takes_cores_and_no_gpus(self) -> None:
        answer = scaler("llm={kind: embedded}", UNCAPPED).at(N).stage("answer")
        assert answer.cpu_hours > 1000 and answer.gpu_hours == (0, 0)

    def test_parts_follow_the_shard_size(self) -> None:
        def n_files(*overrides: str) -> int:
            return max(stored.n_files for stored in scaler(*overrides).at(N).stored)

        assert n_files() == 2000 and n_files("shard_size=3000") == 334

    def test_the_describe_stage_and_its_table_are_there_when_it_is_on(self) -> None:
        scale = scaler("describe.when=always", "describe.llm={model: sees}").at(N)
        assert scale.stage("describe").plan.n_requests == N
        assert scale.bytes_of("01_described") == scale.bytes_of("01_images") > 0


class TestCaptions:
    def test_without_captions_their_length_is_assumed_and_every_source_named(self) -> None:
        of_config = scaler()
        assert of_config.n_read == 0 and of_config.description_characters == pytest.approx(1012, rel=0.01)
        assert set(of_config.faults) == {"sa1b", "datacomp"} and "image_root" in of_config.faults["sa1b"]

    def test_captions_that_are_there_are_a_sample(self, tmp_path: Path) -> None:
        (tmp_path / "captions.jsonl").write_text('{"image": "a.jpg", "caption": "A cat on a mat."}\n' * 3)
        config = load_config(PAPER, [f"images=[{{format: jsonl, path: {tmp_path}/captions.jsonl}}]"])
        of_config = Scaler(config, load_rates())
        assert of_config.n_read == 3 and not of_config.faults
        assert of_config.description_characters == len("A cat on a mat.")
        assert of_config.at(3).stage("answer").plan == next(p for p in make_plan(config) if p.stage == "answer")
        assert of_config.at(N).stage("answer").plan.prompt_tokens < scaler().at(N).stage("answer").plan.prompt_tokens

    def test_all_sources_have_a_say_in_the_lengths(self, tmp_path: Path) -> None:
        for name, caption in (("short", "A cat."), ("long", "A cat on a mat.")):
            (tmp_path / f"{name}.jsonl").write_text(f'{{"image": "a.jpg", "caption": "{caption}"}}\n' * 100)
        sources = ", ".join(f"{{format: jsonl, path: {tmp_path}/{name}.jsonl}}" for name in ("short", "long"))
        of_config = Scaler(load_config(PAPER, [f"images=[{sources}]"]), load_rates())
        assert (of_config.n_read, of_config.n_descriptions) == (200, 50)
        assert of_config.description_characters == (len("A cat.") + len("A cat on a mat.")) / 2


class TestRates:
    def test_every_rate_has_a_unit_a_basis_and_a_source_that_fits_it(self) -> None:
        for name, rate in load_rates():
            assert rate.unit and rate.basis in ("measured", "assumed"), name
            if rate.basis == "measured":
                script = Path(__file__).parents[2] / rate.source.partition(" ")[0]
                assert script.is_file() and " on " in rate.source, name
            if "gpu" in name:
                assert rate.basis == "assumed", name

    def test_rates_of_ones_own_take_the_place_of_the_packages(self, tmp_path: Path) -> None:
        text = "clip_images_per_gpu_s: 1000\nkept_share: {value: 0.5, unit: of answers, source: my run}\n"
        rates = load_rates(own_rates(tmp_path, text))
        assert (rates.clip_images_per_gpu_s.value, rates.clip_images_per_gpu_s.basis) == (1000, "given")
        assert rates.clip_images_per_gpu_s.unit == "images/s" and rates.kept_share.source == "my run"
        assert rates.requests_per_s == load_rates().requests_per_s
        before, after = scaler().at(N), scaler(rates=tmp_path / "rates.yaml").at(N)
        assert after.stage("match").gpu_hours[0] == pytest.approx(before.stage("match").gpu_hours[0] / 2)
        assert after.bytes_of("06_kept") == pytest.approx(before.bytes_of("06_kept") / 1.8)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("clip_images_per_gpu: 3\n", "did you mean 'clip_images_per_gpu_s'"),
            ("kept_share: 0\n", "greater than 0"),
            ("\nkept_share: many\n", ":2:1"),
        ],
    )
    def test_rates_that_are_wrong_are_told_with_their_place(self, text: str, message: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=message):
            load_rates(own_rates(tmp_path, text))


class TestLimits:
    def test_they_appear_and_vanish_with_the_number_of_images(self) -> None:
        of_config = scaler(UNCAPPED)
        assert names(limits(of_config, 10_000)) == []
        at_most = [len(names(limits(of_config, n))) for n in (10**6, 10**8, 10**10)]
        assert at_most == sorted(at_most) and at_most[0] < at_most[1] < at_most[2]

    def test_each_is_reached_exactly_where_it_says(self) -> None:
        of_config = scaler(UNCAPPED)
        found = [limit for limit in limits(of_config, N) if limit.reached_at is not None]
        assert len(found) > 5
        for limit in found:
            assert limit.reached_at is not None
            assert limit.name in names(limits(of_config, limit.reached_at))
            assert limit.name not in names(limits(of_config, limit.reached_at - 1))
        places = [limit.reached_at for limit in found]
        assert places == sorted(places, key=lambda place: place or 0)

    def test_a_capped_run_runs_out_of_matches_and_never_of_what_they_need(self) -> None:
        found = limits(scaler("match.max_per_instruction=2000"), 10**9)
        first = found[0]
        assert first.is_reached and "max_per_instruction" in first.name and first.reached_at == 640_001
        never = [limit for limit in found if limit.reached_at is None]
        assert "driver's hours, answer" in [limit.name for limit in never]
        assert found[-1] in never  # those that are never reached come last

    def test_the_settings_that_are_advised_lift_their_limit(self) -> None:
        n = 10**9
        files, pairs = "parts of one table, files in one folder", "matches under match.max_per_instruction"
        assert {files, pairs} <= set(names(limits(scaler(), n)))
        advice = {limit.name: limit.what_then for limit in limits(scaler(), n)}
        shard_size = advice[files].split("shard_size to ")[1].rstrip(".").replace(",", "")
        cap = advice[pairs].split("max_per_instruction to ")[1].split(", or")[0].replace(",", "")
        lifted = limits(scaler(f"shard_size={shard_size}", f"match.max_per_instruction={cap}"), n)
        assert not {files, pairs} & set(names(lifted))

    def test_more_memory_moves_its_limit(self, tmp_path: Path) -> None:
        rates = own_rates(tmp_path, "driver_memory_bytes: 1.0e+15\n")
        assert any("memory" in name for name in names(limits(scaler(UNCAPPED), 10**9)))
        assert not any("memory" in name for name in names(limits(scaler(UNCAPPED, rates=rates), 10**9)))

    def test_a_rule_that_is_switched_off_needs_nothing(self) -> None:
        def filter_hours(scale: Scale) -> float:
            return scale.stage("filter").driver_hours

        off = scaler(UNCAPPED, "filter.skip=[near_duplicate_answer]")
        assert not any("near duplicates" in limit.name for limit in limits(off, N))
        assert filter_hours(off.at(N)) < filter_hours(scaler(UNCAPPED).at(N))


def _as_list(value: float | tuple[float, float]) -> list[float]:
    return [value] if isinstance(value, float) else list(value)
