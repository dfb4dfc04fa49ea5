"""Serves an application on a socket of this machine until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import socket
from typing import TYPE_CHECKING

from mminstruct.errors import MissingExtraError, MMInstructError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_PACKAGES = ("duckdb", "starlette", "uvicorn")
_FIRST_PORT = 8765
_N_PORTS = 50  # that are tried where none is asked for


def require_packages() -> None:
    """Raise MissingExtraError where a package of the extra `web` is missing."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(" and ".join(missing), "`mminstruct explore`", "pip install 'mminstruct[web]'")


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens: at the port, at a free one for 0, at the first free one from 8765 up for None.

    Raises MMInstructError where the address is not this machine's or the port is taken.
    """
    wanted = [port] if port is not None else [*range(_FIRST_PORT, _FIRST_PORT + _N_PORTS), 0]
    for number in wanted:
        try:
            return _bind(host, number)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and number != wanted[-1]:
                continue
            raise MMInstructError(
                f"The explorer cannot listen at {host}:{number}: {error.strerror or error}. Choose another --port (0: "
                "any free one) or --host."
            ) from error
    raise AssertionError("the last port was tried")


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError:
        bound.close()
        raise
    return bound


def address_of(bound: socket.socket, host: str, token: str) -> str:
    """Return the address to open; of a socket on all of the machine's addresses, by the machine's name.

    >>> with listen("127.0.0.1", 0) as bound:
    ...     address_of(bound, "127.0.0.1", "abc").replace(str(bound.getsockname()[1]), "PORT")
    'http://127.0.0.1:PORT/?token=abc'
    """
    name = socket.gethostname() if host in ("0.0.0.0", "::", "") else host.strip("[]")
    shown = f"[{name}]" if ":" in name else name
    return f"http://{shown}:{bound.getsockname()[1]}/" + (f"?token={token}" if token else "")


def serve(app: ASGIApp, bound: socket.socket) -> None:
    """Answer requests until Ctrl-C or SIGTERM, then close the socket."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    with contextlib.closing(bound), contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[bound])
