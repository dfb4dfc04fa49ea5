"""The stages that ask no language model, wired to their tables: images, match, filter, split."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from mminstruct.encoders.kept import KeptTextEncoder, keys_of_match
from mminstruct.encoders.protocols import Embeddings
from mminstruct.pipeline.run import Run
from mminstruct.pipeline.tables import part_rejects
from mminstruct.readers.intake import Seen, accept
from mminstruct.readers.sources import check_source, read_source, source_files
from mminstruct.rows import Question, Reject, Sample
from mminstruct.stages.filter import AnswerFilter, to_reject
from mminstruct.stages.match import Matcher, balance
from mminstruct.stages.split import Pair, divide, plan_split


async def images_step(run: Run) -> None:
    """Captions and image files → 01_images; each part holds `shard_size` records, rejects among them."""
    config, table = run.config, run.tables.images
    seen, n_done, done = Seen(), 0, table.parts()
    for index in done:
        rows = table.read_part(index)
        seen.add(rows)
        n_done += len(rows) + len(table.read_rejects(index))
    run.progress.stage_started("images", None, n_done)
    records = islice(chain.from_iterable(read_source(source) for source in config.images), n_done, None)
    shards = iter(lambda: list(islice(records, config.shard_size)), [])
    async for index, opened in run.engine.results("images", enumerate(shards, start=len(done))):
        images, rejects = part_rejects(list(accept(opened, config.intake, seen=seen)))
        table.write_part(index, images, rejects)
        run.progress.advanced(len(opened), len(rejects), None)
        n_done += len(opened)
    run.record.n_in = n_done


async def match_step(run: Run) -> None:
    """01_images, 03_instructions → 04_matches, part by part; features may come from elsewhere, draws are in order."""
    config, table, images_table = run.config.match, run.tables.matches, run.tables.captioned
    instructions = list(run.tables.instructions.rows())
    encoder = run.backends.image_text_encoder
    text_encoder = encoder or run.backends.kept_text_encoder
    run.record.model = text_encoder.name
    run.record.n_in = images_table.count()
    embeddings = text_encoder.encode_texts([instruction.text for instruction in instructions])
    matcher = Matcher(instructions, embeddings, config, run.config.seed)
    done = table.parts()
    for index in done:
        matcher.count(table.read_part(index))
    counts = images_table.counts()
    run.progress.stage_started("match", run.record.n_in, sum(counts[index] for index in done))
    async for index, features in _features(run, images_table.parts()[len(done) :]):
        images = images_table.read_part(index)
        matches, rejects = part_rejects(matcher.match(images, features))
        table.write_part(index, matches, rejects)
        run.progress.advanced(len(images), len(rejects), None)
    if encoder is None:
        run.record.notes.append("matched with the images' descriptions through the sentence encoder, not with pixels")
    run.record.notes.append(str(balance(matcher.counts)))


async def _features(run: Run, todo: Sequence[int]) -> AsyncIterator[tuple[int, Embeddings]]:
    """Yield each part's `(n, d)` features, in order; what workers elsewhere compute is kept here.

    Workers get the positions whose vectors are not kept yet, and give those back.
    """
    encoder = run.backends.image_text_encoder or run.backends.kept_text_encoder
    if not run.engine.asks_elsewhere or not isinstance(encoder, KeptTextEncoder):
        async for index, features in run.engine.results("match", ((index, (index, None)) for index in todo)):
            yield index, features
        return

    handed_out: dict[int, tuple[list[bytes], list[int]]] = {}  # keys and positions of the parts in hand

    def items() -> Iterator[tuple[int, tuple[int, list[int]]]]:
        for index in todo:
            keys = keys_of_match(run.config.match.encoder, run.tables.captioned.read_part(index))
            lacking = encoder.lacking(keys)
            handed_out[index] = keys, lacking
            yield index, (index, lacking)

    async for index, computed in run.engine.results("match", items()):
        yield index, encoder.completed(*handed_out.pop(index), computed)


async def filter_step(run: Run) -> None:
    """06_answers with their matches and images → 06_kept.

    Made as a whole: whether an answer is a near-duplicate depends on all the answers before it.
    """
    table = run.tables.kept
    answer_filter = AnswerFilter(run.config.filter)
    run.record.n_in = run.tables.answers.count()
    run.progress.stage_started("filter", run.record.n_in, 0)
    todo = run.tables.answers.parts()
    async for index, part in run.engine.results("filter", zip(todo, todo, strict=True)):
        samples: list[Sample] = []
        rejects: list[Reject] = []
        for sample, examined in part:
            (verdict,) = answer_filter.settle([examined])
            if verdict.kept:
                samples.append(sample)
            else:
                rejects.append(to_reject(examined.candidate, verdict))
        table.write_part(index, samples, rejects)
        run.progress.advanced(len(part), len(rejects), None)


async def split_step(run: Run) -> None:
    """06_kept → 07_samples (training) and 08_benchmark."""
    instructions = list(run.tables.instructions.rows())
    embeddings = run.backends.kept_text_encoder.encode_texts([instruction.text for instruction in instructions])
    pairs = (Pair(sample.sample_id, sample.image_id, sample.instruction_id) for sample in run.tables.kept.rows())
    plan = plan_split(pairs, instructions, embeddings, run.config.split, run.config.seed)
    run.record.notes.extend(plan.notes)
    run.record.n_in = run.tables.kept.count()
    run.progress.stage_started("split", run.record.n_in, 0)
    questions: list[Question] = []
    for index in run.tables.kept.parts():
        rows, rejects = part_rejects([divide(sample, plan) for sample in run.tables.kept.read_part(index)])
        samples = [row for row in rows if isinstance(row, Sample)]
        questions.extend(row for row in rows if isinstance(row, Question))
        run.tables.samples.write_part(index, samples, rejects)
        run.progress.advanced(len(rows) + len(rejects), len(rejects), None)
    run.tables.benchmark.write_part(0, questions)
    run.record.notes.append(
        f"{run.tables.samples.count():,} samples for training, {len(questions):,} questions for the benchmark"
    )


def sources_state(run: Run) -> list[tuple[str, int, int]]:
    """Return name, size and time of change of every file that a source reads its captions from.

    The first thing that a run does. Raises SourceError where a source as a whole cannot be read.
    """
    states = []
    for source in run.config.images:
        check_source(source)
        for name in source_files(source):
            status = Path(name).stat()
            states.append((name, status.st_size, status.st_mtime_ns))
    return states
