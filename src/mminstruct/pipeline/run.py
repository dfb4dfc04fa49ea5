"""A run: its folder, its tables, and the order of its stages; decides what is done, resumed or skipped.

A stage's fingerprint is a hash of its settings, its prompt's text and the content of the tables that it reads. Same
fingerprint and done → skipped; same and not done → its finished parts stay; another → its tables are made anew, on
top of the replies that are still valid.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from uuid import uuid4

from mminstruct import __version__
from mminstruct.config.file import dump_config
from mminstruct.config.run import RunConfig
from mminstruct.errors import RunError
from mminstruct.llm.usage import Usage
from mminstruct.pipeline.backends import Backends
from mminstruct.pipeline.engine import Engine, open_engine
from mminstruct.pipeline.interrupts import patient_interrupts
from mminstruct.pipeline.lock import locked
from mminstruct.pipeline.manifest import Manifest, StageRecord, read_manifest, write_manifest
from mminstruct.pipeline.progress import Progress
from mminstruct.pipeline.progress_file import ProgressFile
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.site import Site
from mminstruct.pipeline.tables import Folder, Table
from mminstruct.rows import content_id

_SAVED_EVERY_S = 5.0


@dataclass
class Run:
    """What a step gets to work with: the config, the tables, the outside, and its own record in the manifest."""

    config: RunConfig
    folder: Folder
    tables: Tables
    manifest: Manifest
    backends: Backends
    engine: Engine
    progress: ProgressFile
    stage: str  # that is running
    record: StageRecord  # its own
    usage: Usage | None = None  # of its language model
    cached_before: int = 0  # replies from the store in the stage's earlier sessions
    saved_at: float = 0.0  # monotonic seconds

    @property
    def site(self) -> Site:
        """What work on one part needs of this."""
        return Site(self.config, self.tables, self.backends)

    def save_now_and_then(self) -> None:
        """Write the manifest if it is some seconds old, so that `status` can follow a long stage."""
        if time.monotonic() - self.saved_at > _SAVED_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write the manifest as it stands, with what was paid for so far."""
        self.saved_at = time.monotonic()
        if self.usage is not None:
            spent = self.backends.models.spent()
            self.record.book({model: spent[stage, model] for stage, model in spent if stage == self.stage})
            self.record.cached = self.cached_before + self.usage.cached
        write_manifest(self.folder, self.manifest)


@dataclass(frozen=True)
class Step:
    """A stage wired to its tables: what it reads and writes, the settings that decide its result, and its work."""

    stage: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    settings: Callable[[Run], object]  # JSON-able
    work: Callable[[Run], Awaitable[None]]
    in_parts: bool = False  # goes on after its last finished part; others are made as a whole


async def run_steps(
    config: RunConfig,
    steps: Sequence[Step],
    progress: Progress,
    first: str | None = None,
    last: str | None = None,
) -> Manifest:
    """Bring a run folder up to date with its config and return its manifest.

    `first` is done again, and what follows it, even if nothing has changed (its LLM replies still come from the
    store); after `last` the run ends. Raises RunError for an unknown stage or a folder that is in use.
    """
    left_out = [step for step in steps if step.stage not in config.stages]
    steps = [step for step in steps if step.stage in config.stages]
    chosen = _up_to(steps, first, last)
    folder = Folder(config.run_dir)
    with locked(config.run_dir):
        manifest = read_manifest(folder)
        manifest.version, manifest.run_id = __version__, manifest.run_id or _new_run_id(config.run_dir)
        folder.write("config.yaml", dump_config(config).encode())
        forced = False
        tables = Tables(folder, config.describe.is_on)
        for step in left_out:  # what an earlier config may have left
            _clear(tables.of(name) for name in step.writes)
            manifest.stages.pop(step.stage, None)
        async with Backends(config, manifest.run_id) as backends:
            engine = open_engine(Site(config, tables, backends), manifest.run_id)
            with closing(engine), ProgressFile(folder, progress) as told:
                run = Run(config, folder, tables, manifest, backends, engine, told, "", StageRecord(""))
                for number, step in enumerate(chosen):
                    forced = forced or step.stage == first
                    remaining = [later.stage for later in chosen[number:]]
                    await _bring_up_to_date(step, run, steps, forced, remaining)
    return manifest


def _new_run_id(run_dir: str) -> str:
    """Return the name under which the store books what the run pays: readable, and no other run's."""
    return f"{PurePath(run_dir).name or 'run'}-{uuid4().hex[:12]}"


def _up_to(steps: Sequence[Step], first: str | None, last: str | None) -> Sequence[Step]:
    names = [step.stage for step in steps]
    for option, name in (("--from", first), ("--until", last)):
        if name is not None and name not in names:
            raise RunError(f"{option} {name}: there is no such stage; the stages are {', '.join(names)}.")
    if first is not None and last is not None and names.index(first) > names.index(last):
        raise RunError(f"--from {first} --until {last}: {first} comes after {last}; the order is {', '.join(names)}.")
    return steps[: names.index(last) + 1] if last is not None else steps


async def _bring_up_to_date(
    step: Step, run: Run, steps: Sequence[Step], forced: bool, remaining: Sequence[str]
) -> None:
    fingerprint = _fingerprint(step, run, steps)
    record = run.manifest.stages.get(step.stage)
    tables = [run.tables.of(name) for name in step.writes]
    if record is None or record.fingerprint != fingerprint or forced:
        _clear(tables)
        record = StageRecord(fingerprint)
    elif record.status != "running" and all(table.parts() for table in tables):
        record.status = "done"
        run.save()
        run.progress.stage_ended(step.stage, record, skipped=True)
        return
    elif not step.in_parts:
        _clear(tables)
    run.backends.check(remaining)  # a package or a folder that is missing stops the run before it costs anything
    run.stage, run.record, run.usage, run.cached_before = step.stage, record, None, record.cached
    known = {**run.manifest.stages, step.stage: record}
    run.manifest.stages = {stage: known[stage] for stage in run.config.stages if stage in known}
    record.status, record.notes = "running", []
    for later in steps[steps.index(step) + 1 :]:
        if later.stage in run.manifest.stages:  # until its turn comes: it may rest on what is being made anew
            earlier = run.manifest.stages[later.stage]
            earlier.status = "stale" if earlier.status == "done" else earlier.status
    run.save()
    started = time.monotonic()
    try:
        with patient_interrupts(run.progress, run.backends.models, run.engine):
            await step.work(run)
        _count(record, tables)
        _check_that_rows_are_left(step.stage, record, tables)
        record.status = "done"
    finally:  # also when interrupted: what was asked and spent so far is told
        record.seconds += time.monotonic() - started
        run.save()
    run.progress.stage_ended(step.stage, record, skipped=False)


def _clear(tables: Iterable[Table[Any]]) -> None:
    for table in tables:
        table.clear()


def _check_that_rows_are_left(stage: str, record: StageRecord, tables: Sequence[Table[Any]]) -> None:
    """Raise RunError where a stage has rejected every row: what is wrong then concerns them all."""
    if record.n_out or not record.n_in:
        return
    record.fingerprint = ""  # so that the next run does it again, also when nothing in the config was at fault
    counts = ", ".join(f"{reason} {count:,}" for reason, count in record.rejects.items())
    example = next(reject for table in tables for reject in table.rejects())
    raise RunError(
        f"Stage {stage} has rejected all of its {record.n_in:,} rows ({counts}). The first: {example.detail or '-'} "
        f"The others are in {tables[0].name}/rejects. Mend the cause, then run the same command again."
    )


def _fingerprint(step: Step, run: Run, steps: Sequence[Step]) -> str:
    writer = {run.tables.of(name).name: other.stage for other in steps for name in other.writes}
    inputs = [run.manifest.stages[writer[run.tables.of(name).name]].output for name in step.reads]
    settings = json.dumps(step.settings(run), sort_keys=True, default=str)
    return content_id(step.stage, settings, str(run.config.seed), *inputs)


def _count(record: StageRecord, tables: Iterable[Table[Any]]) -> None:
    """Count from the tables themselves, so that parts finished in earlier sessions are counted too."""
    record.rejects, record.n_rejected, record.tables = {}, 0, {}
    hashes = []
    for table in tables:
        record.tables[table.name] = table.count()
        record.count_rejects(table.rejects())
        hashes.append(table.content_hash())
    record.n_out = sum(record.tables.values())
    record.output = content_id(*hashes)
