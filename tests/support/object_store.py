"""An object store of the S3 protocol on loopback, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.patience import PATIENCE_S

BUCKET = "runs"


@contextmanager
def object_store() -> Iterator[dict[str, str]]:
    """Start the store with an empty bucket, and give the environment in which it is the S3 that programs find."""
    command = [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    with (
        tempfile.NamedTemporaryFile("w+") as log,  # a line a request: a pipe that nobody reads would fill and block it
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=quiet) as process,
    ):
        try:
            variables = {
                "AWS_ENDPOINT_URL": _address(Path(log.name)),
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
            }
            make = f"import boto3; boto3.client('s3').create_bucket(Bucket={BUCKET!r})"
            subprocess.run(
                [sys.executable, "-c", make], env={**os.environ, **variables}, check=True, timeout=PATIENCE_S
            )
            yield variables
        finally:
            process.terminate()


def _address(log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"moto's server did not start: {log.read_text()}")
