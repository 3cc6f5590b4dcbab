"""How a command over several files ends when some of them failed."""

import sys
from collections.abc import Sequence

import typer

Failure = dict[str, str]
"""Its `source`, and its `error` in one sentence."""


def end_with(failures: Sequence[Failure], total: int, *, listed: bool) -> None:
    """Exit with 2 if there are failures.

    Args:
        failures: one for each file that failed.
        total: how many files there were.
        listed: whether they are named on standard error; not where JSON has them.
    """
    if not failures:
        return
    if listed:
        print(f"{len(failures)} of {total} failed:", file=sys.stderr)
        for failure in failures:
            print(f"  {failure['error']}", file=sys.stderr)
    raise typer.Exit(2)
