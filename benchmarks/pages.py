"""Puts what a benchmark finds between the marks of a page; the words around them are a person's."""

import re
from pathlib import Path


def fill(page: str, found: dict[str, str]) -> str:
    """The page with new text between the marks that it has."""
    for name, text in found.items():
        begin, end = f"<!-- made: {name} -->", f"<!-- end: {name} -->"
        marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.S)
        page = marked.sub(lambda _, b=begin, t=text, e=end: f"{b}\n\n{t.strip()}\n\n{e}", page)
    return page


def write_page(path: Path, found: dict[str, str]) -> None:
    """The same for a file."""
    path.write_text(fill(path.read_text(encoding="utf-8"), found), encoding="utf-8")
