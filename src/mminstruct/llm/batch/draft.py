"""A batch that is being gathered: its requests on disk already, and those who wait for their replies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mminstruct.llm.batch.files import BatchFiles, RequestWriter
from mminstruct.llm.chat import Reply

QUIET_S = 2.0
"""Seconds without a new request after which a batch is sent though it is not full."""


class Draft:
    """Requests of one path (`/v1/chat/completions` or `/v1/completions`) that will make a batch."""

    def __init__(self, files: BatchFiles, path: str) -> None:
        self.files = files
        self.path = path
        self.waiting: dict[str, asyncio.Future[Reply]] = {}
        self._writer = RequestWriter(files)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def n_requests(self) -> int:
        """Requests gathered so far."""
        return len(self.waiting)

    @property
    def n_bytes(self) -> int:
        """Size of the file that will be uploaded."""
        return self._writer.n_bytes

    def add(self, request_id: str, text: str, line: bytes) -> asyncio.Future[Reply]:
        """Add a request: its JSON text and its line of the upload. Returns what its reply will be put into."""
        self._writer.add(request_id, text, line)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.waiting[request_id] = future
        return future

    def after_quiet(self, send: Callable[[], None]) -> None:
        """Call `send` once nothing has been added for a while."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(QUIET_S, send)

    def finish(self) -> None:
        """Put all of it on disk; nothing can be added any more. Blocks, so call it in a thread."""
        self._writer.finish()

    def close(self) -> None:
        """Gather no more."""
        self._stop_timer()

    def discard(self, error: BaseException | None = None) -> None:
        """Delete what was gathered; who waits gets the error."""
        self._stop_timer()
        self._writer.close()
        self.files.delete()
        for future in self.waiting.values():
            if isinstance(error, Exception) and not future.done():
                future.set_exception(error)
                future.exception()  # marks it as seen: perhaps nobody waits any more
            else:
                future.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
