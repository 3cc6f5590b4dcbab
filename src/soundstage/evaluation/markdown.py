"""Tables in Markdown."""

from collections.abc import Sequence

NOTHING = "–"  # where there is no figure


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are figures."""
    rule = ["---", *("---:" for _ in lines[0][1:])]
    rows = [lines[0], rule, *lines[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
