"""Open batches on disk: what was asked in each, how far it has come, and who looks after it.

    <replies>/batches/
      9f2c….json           what the batch is and how far it has come; written after the next two, deleted before them
      9f2c….requests       a line a request: its id, then its JSON text with references in the pictures' places
      9f2c….upload.jsonl   what is uploaded; deleted as soon as the batch exists at the endpoint
      9f2c….lock           locked by the process that looks after the batch, and freed by the system when that ends

Without its JSON file a batch does not exist: what else carries its name is left over from a process that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mminstruct.durable import sync_folder
from mminstruct.errors import StoreError

_LENGTH_OF_ID = 32  # of a request's id, hexadecimal


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """What a batch is, and how far it has come: planned, uploaded (`file_id`), made at the endpoint (`batch_id`)."""

    address: str  # up to and with /v1
    model: str
    path: str  # /v1/chat/completions or /v1/completions
    run_id: str  # who pays
    stage: str
    file_id: str | None = None
    batch_id: str | None = None


class BatchFiles:
    """The files of one batch; everything but `record` and `lock` is for the process that holds the lock."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
        self.record_path = folder / f"{name}.json"
        self.requests_path = folder / f"{name}.requests"
        self.upload_path = folder / f"{name}.upload.jsonl"
        self._lock_path = folder / f"{name}.lock"
        self._lock: int | None = None

    def lock(self) -> bool:
        """Take the lock, or return False while another process, or another chat of this one, holds it."""
        while True:
            with writing(self.folder):
                descriptor = os.open(self._lock_path, os.O_CREAT | os.O_RDWR, 0o666)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(descriptor)
                    return False
            if self._is_in_place(descriptor):
                self._lock = descriptor
                return True
            os.close(descriptor)  # another process deleted the file between the two

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._lock_path.stat())
        except FileNotFoundError:
            return False

    def unlock(self) -> None:
        """Let others have the batch."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def record(self) -> BatchRecord | None:
        """Return the record, or None where the batch does not exist or no longer does. Raises StoreError: damaged."""
        try:
            return BatchRecord(**json.loads(self.record_path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise StoreError(
                f"The record of an open batch {self.record_path} cannot be read: {error}. Mend it, or delete it to "
                "have the batch's requests asked, and paid for, anew."
            ) from error

    def write_record(self, record: BatchRecord) -> None:
        """Replace the record; it is on disk when this returns. Raises StoreError."""
        temporary = self.record_path.with_suffix(".new")
        with writing(self.folder):
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(asdict(record), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.record_path)
            sync_folder(self.folder)

    def delete_upload(self) -> None:
        """Delete what was uploaded."""
        self.upload_path.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete everything, the record first, and unlock."""
        paths = (self.record_path, self.record_path.with_suffix(".new"), self.upload_path, self.requests_path)
        with writing(self.folder):
            for path in (*paths, self._lock_path):
                path.unlink(missing_ok=True)
        self.unlock()


class StoredRequests:
    """The requests of one batch, read from disk one by one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, int] = {}
        place = 0
        try:
            with path.open("rb") as file:
                for line in file:
                    self._places[line[:_LENGTH_OF_ID].decode("ascii")] = place
                    place += len(line)
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(path, error) from error

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def text(self, request_id: str) -> str:
        """Return a request's JSON text."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._places[request_id])
                return file.readline()[_LENGTH_OF_ID + 1 :].rstrip(b"\n").decode("utf-8", "surrogatepass")
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(self._path, error) from error


class RequestWriter:
    """Writes the requests of a batch that is being gathered, in both of their forms."""

    def __init__(self, files: BatchFiles) -> None:
        self.n_bytes = 0  # to be uploaded
        self._folder = files.folder
        with writing(self._folder), contextlib.ExitStack() as opened:
            self._requests = opened.enter_context(files.requests_path.open("wb"))
            self._upload = opened.enter_context(files.upload_path.open("wb"))
            self._opened = opened.pop_all()

    def add(self, request_id: str, request: str, line: bytes) -> None:
        """Add a request: its JSON text, and its line of the file that will be uploaded. Raises StoreError."""
        with writing(self._folder):
            self._requests.write(f"{request_id} {request}\n".encode("utf-8", "surrogatepass"))
            self._upload.write(line)
        self.n_bytes += len(line)

    def finish(self) -> None:
        """Put all of it on disk. Raises StoreError."""
        with writing(self._folder):
            for file in (self._requests, self._upload):
                file.flush()
                os.fsync(file.fileno())
            self._opened.close()

    def close(self) -> None:
        """Close the files of a batch that will not be sent."""
        with contextlib.suppress(OSError):  # they are deleted next
            self._opened.close()


def new_batch(folder: Path) -> BatchFiles:
    """Return the files of a batch that begins, locked. Raises StoreError."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    files = BatchFiles(folder, secrets.token_hex(8))
    while not files.lock():  # another process has just taken it for one that was left behind
        files = BatchFiles(folder, secrets.token_hex(8))
    return files


def open_batches(folder: Path) -> list[BatchFiles]:
    """Return every batch in the folder, and delete what processes that were killed left behind."""
    with writing(folder):
        names = {path.name.partition(".")[0] for path in folder.iterdir()} if folder.is_dir() else set()
    found = []
    for name in sorted(names):
        files = BatchFiles(folder, name)
        if files.record_path.exists():
            found.append(files)
        elif files.lock():
            if files.record_path.exists():  # written in between, and its process has ended since
                files.unlock()
                found.append(files)
            else:
                files.delete()
    return found


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise what the system has against reading or writing there as a StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"The open batches cannot be kept in {folder}: {error}. Nothing that was paid for is lost; free some "
            "disk space or mend the folder's permissions, then run the same command again."
        ) from error


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"The requests of an open batch in {path} cannot be read: {error}. Mend the file, or delete the batch's .json "
        "beside it to have its requests asked, and paid for, anew."
    )
