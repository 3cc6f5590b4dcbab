"""Writes tables of benchmarks between the markers of a page; the text around them stays."""

import re
from pathlib import Path


def fill(page: str, tables: dict[str, str]) -> str:
    """The page with new text between its markers `<!-- made: name -->` and `<!-- end: name -->`."""
    for name, text in tables.items():
        start, end = f"<!-- made: {name} -->", f"<!-- end: {name} -->"
        marked = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.S)
        page = marked.sub(lambda _, s=start, t=text, e=end: f"{s}\n\n{t.strip()}\n\n{e}", page)
    return page


def write_page(path: Path, tables: dict[str, str]) -> None:
    """Fill the markers of a file."""
    path.write_text(fill(path.read_text(encoding="utf-8"), tables), encoding="utf-8")
