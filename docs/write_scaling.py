"""Write the computed parts of docs/scaling.md anew: the output of its commands, and the table of rates.

    python docs/write_scaling.py

The rates are data (src/mminstruct/data/rates.yaml), so run this after a change of one.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from mminstruct.cli.commands import plan
from mminstruct.config.rates import Rate, load_rates

PAGE = Path(__file__).parent / "scaling.md"
ROOT = PAGE.parents[1]
_BLOCK = re.compile(r"(```\n\$ mminstruct plan ([^\n]+)\n).*?(```)", re.DOTALL)
_TABLE = re.compile(r"(\| rate \| value \| unit \| basis \| source \|\n\|[-:|]+\|\n)(?:\|.*\n)*")
_NO_STORE = ("-o", "replies=no-such-folder")  # what a store has seen would take the place of what is assumed


def render() -> str:
    """Return the page with every computed part as it is now."""
    page = _BLOCK.sub(lambda found: f"{found[1]}{_output(found[2])}{found[3]}", PAGE.read_text(encoding="utf-8"))
    rows = "".join(_row(name, rate) for name, rate in load_rates())
    return _TABLE.sub(lambda found: found[1] + rows, page)


def _output(options: str) -> str:
    config, *rest = shlex.split(options)
    told = CliRunner().invoke(plan, [str(ROOT / config), *rest, *_NO_STORE], catch_exceptions=False)
    return "".join(f"{line.rstrip()}\n" for line in told.output.splitlines())


def _row(name: str, rate: Rate) -> str:
    value = f"{rate.value:,.0f}" if rate.value >= 100 else f"{rate.value:g}"
    return f"| `{name}` | {value} | {rate.unit} | {rate.basis} | {rate.source} |\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
