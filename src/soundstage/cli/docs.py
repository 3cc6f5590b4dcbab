"""`soundstage docs`: the pages of the documentation."""

from typing import Annotated

import typer

from soundstage.cli.console import say


def docs(
    page: Annotated[str | None, typer.Argument(help="A page, such as upmix.")] = None,
    path: Annotated[bool, typer.Option("--path", help="Print its path instead.")] = False,
) -> None:
    """Print a page of the documentation, or the list of pages."""
    from soundstage.documents import list_pages, page_path

    if page is None:
        for name, heading in list_pages().items():
            say(f"{name:16}{heading}")
    elif path:
        say(str(page_path(page)))
    else:
        say(*page_path(page).read_text(encoding="utf-8").splitlines())
