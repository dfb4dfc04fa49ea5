"""The command line: the only place that prints and exits. Heavy imports wait until a command needs them."""

from __future__ import annotations

import sys

import click

from mminstruct import __version__
from mminstruct.errors import MMInstructError

_EXAMPLES = """
\b
Examples:
  mminstruct demo                          the whole pipeline on built-in photographs and models
  mminstruct init my.yaml                  write a commented config
  mminstruct plan my.yaml                  what a run would ask and cost, without asking
  mminstruct run my.yaml                   run it; again to go on, or after a change
  mminstruct status runs/my                how far it is
  mminstruct show runs/my 3f2a             one row's whole story
  mminstruct report runs/my                a page about it: figures, samples, rejects
  mminstruct explore runs/my               all of it in the browser: gallery, map, review
  mminstruct export runs/my --out data/my  training data
  mminstruct validate data/my              check training data, ours or anybody's
  mminstruct train recipe.yaml             a LLaVA from them
  mminstruct evaluate models/mine --suite llava15 --out evals/mine
  mminstruct ablate ablation.yaml          which part of the pipeline pays
  mminstruct replies stats replies         what the reply store holds and what was paid

Tab completion for bash: eval "$(_MMINSTRUCT_COMPLETE=bash_source mminstruct)" (or zsh_source, fish_source).
"""


@click.group(epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", message="mminstruct %(version)s")
def cli() -> None:
    """Turn captioned images into visual instruction data (MM-Instruct)."""


def main() -> None:
    """Run the command line; user mistakes end in one paragraph and exit status 2, an interrupt in 130."""
    from mminstruct.cli import ablate, commands, explore, export, replies, validate  # noqa: F401 - their commands join `cli`
    from mminstruct.cli.bench import build, calibrate, judge, power, report, respond  # noqa: F401
    from mminstruct.cli.bench import export as bench_export  # noqa: F401
    from mminstruct.cli.evaluate import evaluate_command  # noqa: F401
    from mminstruct.cli.report import report as run_report  # noqa: F401
    from mminstruct.cli.train import train  # noqa: F401

    try:
        cli.main(prog_name="mminstruct", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MMInstructError as error:
        click.echo(f"mminstruct: {error}", err=True)
        sys.exit(2)
