"""The parts of a run's tables as files of this disk, and what has changed about them.

    Unit(kind=0, part=12)   all rows that an image and an instruction belong to, of part 12 of the tables from 01 to 07
    Unit(kind=3, part=0)    the rejects of one early stage's part: images, describe, augment, summarize, match

A unit is what is loaded, and indexed for the search, at once. A row's number is its unit's `first_row` and its place in
it, so that it stays the same while the run goes on and a later stage decides about the row.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from mminstruct.pipeline.row_index import part_number
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import FileState, Folder, Table

MATCHED = 0
"""The kind of the units of rows that have an image and an instruction."""

State = tuple[FileState, ...]


class Unit(NamedTuple):
    """What is loaded at once; its kind is MATCHED, or the place of an early stage's table in `Parts.early`."""

    kind: int
    part: int

    @property
    def first_row(self) -> int:
        """The number of its first row: room for four billion rows a part and sixteen million parts."""
        return self.kind << 56 | self.part << 32


class Parts:
    """Names the files of a run's tables; those of a run on another machine are copied when they are needed."""

    def __init__(self, folder: Folder, tables: Tables) -> None:
        self._folder = folder
        # DuckDB's own way to other machines is an extension to download, and a path with these signs a pattern to it.
        self._is_copied = "://" in folder.location or any(sign in folder.location for sign in "*?[")
        self._copies: tempfile.TemporaryDirectory[str] | None = None
        self.captioned = tables.captioned.name
        early: list[Table[Any]] = [
            tables.images,
            tables.described,
            tables.raw_instructions,
            tables.instructions,
            tables.matches,
        ]
        self.early = ["", *(f"{table.name}/rejects" for table in early), f"{tables.exemplars.name}/rejects"]
        self._early_tables = ["", *(table.name for table in early), tables.exemplars.name]
        through: list[Table[Any]] = [tables.captioned, tables.matches, tables.answers, tables.kept, tables.samples]
        self._through = [folder for table in through for folder in (table.name, f"{table.name}/rejects")]
        self._whole = [tables.instructions.name, tables.benchmark.name]
        self._states: dict[str, dict[int, FileState]] = {}

    def look(self) -> tuple[dict[Unit, State], State]:
        """Return each unit's files as they are now, and the files that all units depend on."""
        names = {*self.early[1:], *self._early_tables[1:], *self._through, *self._whole}
        self._states = {name: _numbered(self._folder.states(name)) for name in sorted(names)}
        units: dict[Unit, list[FileState]] = defaultdict(list)
        for name in self._through:
            for part, state in self._states[name].items():
                units[Unit(MATCHED, part)].append(FileState(f"{name}/{state.name}", *state[1:]))
        for kind, (name, table) in enumerate(zip(self.early, self._early_tables, strict=True)):
            for part, state in self._states.get(name, {}).items():
                if part in self._states[table]:  # else the part is not finished: its rejects are written first
                    units[Unit(kind, part)].append(state)
        whole = [state for name in self._whole for state in self._states[name].values()]
        return {unit: tuple(files) for unit, files in units.items()}, tuple(whole)

    def files(self, table: str, parts: set[int] | None = None) -> list[str]:
        """Return the paths of a table's parts, or rejects, as the last look found them; only of `parts`, if given."""
        found = self._states.get(table, {})
        known = self._states.get(table.removesuffix("/rejects"), {})
        return [self.path(table, part) for part in found if (parts is None or part in parts) and part in known]

    def path(self, table: str, part: int) -> str:
        """Return the path of one part on this machine."""
        name = f"{table}/part-{part:05d}.parquet"
        if self._is_copied:
            return self._copy(name, self._states[table][part])
        return self._folder.path(name)

    def instructions_state(self) -> State:
        """Return the files of the final instructions, whose texts are part of many rows' texts."""
        return tuple(self._states["03_instructions"].values())

    def close(self) -> None:
        """Remove copies."""
        if self._copies is not None:
            self._copies.cleanup()

    def _copy(self, name: str, state: FileState) -> str:
        """Return the path of a file's copy in a temporary folder."""
        if self._copies is None:
            self._copies = tempfile.TemporaryDirectory(prefix="mminstruct-parts-", ignore_cleanup_errors=True)
        copy = Path(self._copies.name) / f"{state.changed_ns}-{state.size}" / name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            half = copy.with_suffix(".half")
            half.write_bytes(self._folder.read(name))
            half.replace(copy)
        return str(copy)


def _numbered(states: list[FileState]) -> dict[int, FileState]:
    numbered = ((part_number(state.name), state) for state in states)
    return {number: state for number, state in numbered if number is not None}
