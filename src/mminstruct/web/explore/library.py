"""A run as the explorer's views see it: its folder, its config, its tables, and its rows in DuckDB.

    parts on disk ─► parts.py (which, and what changed) ─► rows_table.py ─► DuckDB in memory ─► query.py, items.py

Reading is open to any number of threads, each through a cursor of its own. A look at the folders, at most every two
seconds, loads what a run that is going on has written meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from pathlib import Path
from typing import Any

from mminstruct import __version__
from mminstruct.errors import RunError
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.story import open_run
from mminstruct.web.explore.decided import Decided
from mminstruct.web.explore.parts import Parts, State, Unit
from mminstruct.web.explore.query import Query
from mminstruct.web.explore.replies import Refused
from mminstruct.web.explore.rows_table import load_units, load_whole_tables, open_database
from mminstruct.web.explore.search import Search
from mminstruct.web.explore.selections import Selections
from mminstruct.web.own_folder import OwnFolder

_LOOK_EVERY_S = 2.0
_MOST_NEIGHBOURS = 50  # other runs that are named

_log = logging.getLogger(__name__)


class RunExplorer:
    """An open run. Raises RunError where the folder is none.

    `decisions` has what stands of the reviewers' decisions, by item; `decided` keeps it up to date.
    """

    def __init__(self, run_dir: str) -> None:
        self.run_dir = run_dir
        self.config, self.folder = open_run(run_dir)
        self.tables = Tables(self.folder, self.config.describe.is_on)
        self.own = OwnFolder(run_dir)
        self.parts = Parts(self.folder, self.tables)
        self.decisions: dict[str, str] = {}
        self.version = 0  # grows with every change of the rows
        self.problems: dict[Unit, str] = {}  # parts that cannot be read
        self._units: dict[Unit, State] = {}
        self._whole: State | None = None
        self._looked_at = float("-inf")
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._looker: threading.Thread | None = None
        self._closed = False
        self._connection = open_database()
        self.refresh_now()
        self.query = Query(self)
        self.selections = Selections(self)
        self.search = Search(self)
        self.decided = Decided(self)
        with contextlib.suppress(Refused, RunError):  # the run changes just now; the next look comes soon
            self.decided.refresh()

    def about(self) -> dict[str, Any]:
        """Return what GET /api/about answers, but for the views."""
        self.refresh()
        return {
            "kind": "run",
            "name": Path(self.run_dir).name if "://" in self.run_dir else Path(self.run_dir).resolve().name,
            "version": __version__,
            "n_items": self.select("SELECT count(*) FROM rows")[0][0],
            "writable": self.own.is_kept,
            "other_runs": [{"name": name} for name in self.neighbours()],
            "problems": sorted(self.problems.values()),
        }

    def close(self) -> None:
        """Close files and remove what was temporary."""
        with self._lock:
            self._closed = True
        if self._looker is not None:
            self._looker.join()
        self.search.close()
        self.decided.close()
        self._connection.close()
        self.parts.close()
        self.own.close()

    def select(self, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
        """Return the rows of one query, in a cursor of its own: any thread may ask."""
        with self._connection.cursor() as cursor:
            rows: list[tuple[Any, ...]] = cursor.execute(sql, values).fetchall()
            return rows

    def cursor(self) -> Any:
        """Return a cursor of DuckDB, to be used by one thread and closed."""
        return self._connection.cursor()

    def units(self) -> dict[Unit, State]:
        """Return what is loaded: each unit with the states of its files."""
        return dict(self._units)

    def refresh(self) -> None:
        """Have what has changed on disk loaded, if the last look is two seconds old; the caller waits for nothing."""
        with self._lock:
            if time.monotonic() - self._looked_at < _LOOK_EVERY_S or self._closed:
                return
            self._looked_at = time.monotonic()
            self._looker = threading.Thread(target=self._look_safely, name="explore-refresh", daemon=True)
            self._looker.start()

    def refresh_now(self) -> None:
        """Load what has changed on disk. Raises OSError where the folder cannot be listed."""
        with self._looking:
            self._look()

    def neighbours(self) -> list[str]:
        """Return the names of the other runs in the same parent folder."""
        if "://" in self.run_dir:
            return []
        here = Path(self.run_dir).resolve()
        try:
            found = sorted(path.parent.name for path in here.parent.glob("*/manifest.json") if path.parent != here)
        except OSError:
            return []
        return found[:_MOST_NEIGHBOURS]

    def _look_safely(self) -> None:
        """Look; a folder that cannot be listed just now is looked at again later."""
        try:
            self.refresh_now()
            self.decided.refresh()
        except (OSError, RunError, Refused) as error:
            _log.warning("The folder %s cannot be looked at: %s", self.run_dir, error)

    def _look(self) -> None:
        units, whole = self.parts.look()
        if whole != self._whole:  # instructions, or what the benchmark holds out: rows of all parts refer to them
            changed = set(units)
        else:
            changed = {unit for unit, state in units.items() if self._units.get(unit) != state}
        gone = self._units.keys() - units.keys()
        if changed or gone or whole != self._whole:
            self.problems = {unit: why for unit, why in self.problems.items() if unit in units and unit not in changed}
            self._load(changed, gone, whole != self._whole)
            self._units, self._whole = units, whole
            self.version += 1

    def _load(self, changed: set[Unit], gone: set[Unit], with_whole: bool) -> None:
        """Load all at once, and where that fails, all that can be read; the rest is told of in `problems`."""
        import duckdb

        try:
            self._change(changed, gone, with_whole)
        except duckdb.Error:
            for unit in sorted(gone | changed):
                try:
                    self._change({unit} & changed, {unit} & gone, with_whole)
                    with_whole = False
                except duckdb.Error as error:
                    _log.warning("A part of %s cannot be read: %s", self.run_dir, error)
                    self.problems[unit] = f"{self._name(unit)} cannot be read and is left out: {error}"
                    self._change(set(), {unit}, False)

    def _change(self, changed: set[Unit], gone: set[Unit], with_whole: bool) -> None:
        """Load and unload in one transaction."""
        with self._connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                if with_whole:
                    load_whole_tables(cursor, self.parts)
                for unit in gone:
                    cursor.execute("DELETE FROM rows WHERE kind = ? AND part = ?", list(unit))
                load_units(cursor, self.parts, changed)
                cursor.execute("COMMIT")
            except BaseException:
                cursor.execute("ROLLBACK")
                raise

    def _name(self, unit: Unit) -> str:
        return f"Part {unit.part} of {self.parts.early[unit.kind] or 'the tables'}"
