"""Every error that a user can cause or must act on; the command line prints these in one paragraph, exit status 2.

    MMInstructError
    ├── ConfigError        a config file or a -o override: unknown key, wrong type, impossible value
    ├── SourceError        a whole source of captions cannot be read (no such file, wrong columns)
    ├── BadInputError      one input record is bad and `on_bad_input: fail` was asked for
    ├── MissingExtraError  an optional package or an embedded model is not installed
    ├── ModelError         a model folder cannot be loaded
    ├── EndpointError      an LLM endpoint refuses every request (401, no such model, gone)
    ├── BudgetError        the run has spent what its budget allows
    ├── StoreError         the reply store cannot be opened, read or written
    ├── RunError           a run folder is not one, is in use, or lacks what was asked for
    ├── DecisionError      a reviewer's decision on a row that cannot be taken so: an empty edit, nothing to undo
    ├── RunInterrupted     Ctrl-C, once what was in flight has come home
    ├── BenchmarkError     a benchmark folder or one of its files is not what was expected, or lacks what was asked for
    ├── TrainingError      training cannot begin or go on: bad rows, a loss that is no number, other settings
    └── ExportError        an export failed its own check, or its target is in the way

Any other exception is a bug of ours and shows its trace. A single bad row is never an exception that leaves a
stage: it is a `Reject` row (see `rows.py`).

A message says what, where, found, expected and what to do, in that order, as plain sentences.
"""


class MMInstructError(Exception):
    """Base of all errors that a user can act on."""


class ConfigError(MMInstructError):
    """The config file or an override is wrong; the message lists every fault with its place."""


class SourceError(MMInstructError):
    """A source of captions cannot be read at all; nothing was requested from any LLM yet."""


class BadInputError(MMInstructError):
    """One input record is bad, and the config says `on_bad_input: fail`."""


class MissingExtraError(MMInstructError):
    """Something optional is needed and not installed; the message holds the install command."""

    def __init__(self, what: str, needed_by: str, install: str) -> None:
        super().__init__(f"{needed_by} needs {what}, which is not installed. Install it with: {install}")


class ModelError(MMInstructError):
    """A model folder or file is not what was expected."""


class EndpointError(MMInstructError):
    """An LLM endpoint refuses every request; everything received so far is kept."""


class BudgetError(MMInstructError):
    """The run's budget is used up; everything received so far is kept."""


class StoreError(MMInstructError):
    """The reply store cannot be opened, read or written."""


class RunError(MMInstructError):
    """A run folder is not one, is being written by another process, or lacks what was asked for."""


class DecisionError(MMInstructError):
    """A reviewer's decision on a row cannot be taken as it is; nothing of it is kept."""


class RunInterrupted(MMInstructError):
    """The user stopped the run; what was in flight is stored."""


class BenchmarkError(MMInstructError):
    """A benchmark folder, its questions, answers or judgments are not what was expected, or lack what was asked for."""


class ExportError(MMInstructError):
    """An export did not pass its own check, or something stands where it would be written."""


class TrainingError(MMInstructError):
    """Training cannot begin or go on; checkpoints so far are kept."""
