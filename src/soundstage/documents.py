"""Recipes and pages of the documentation, which come with the package.

In a checkout they stand in its folders `recipes` and `docs`; an installed package has copies, made
by `setup.py`.
"""

from pathlib import Path

from soundstage.errors import OptionError, quoted

PACKAGE = Path(__file__).parent


def list_recipes() -> list[str]:
    """Names of the recipes."""
    return _names("recipes", ".yaml")


def recipe_path(name: str) -> Path:
    """The file of a recipe.

    Raises:
        OptionError: there is no such recipe.
    """
    if name not in list_recipes():
        raise OptionError(
            f"There is no recipe {quoted(name)}: name a .yaml file, or one of "
            f"{', '.join(list_recipes())}."
        )
    return _folder("recipes") / f"{name}.yaml"


def list_pages() -> dict[str, str]:
    """Names of the pages of the documentation, and their headings."""
    return {name: _heading(page_path(name)) for name in _names("docs", ".md")}


def page_path(name: str) -> Path:
    """The file of a page, in Markdown.

    Raises:
        OptionError: there is no such page.
    """
    names = _names("docs", ".md")
    if name.removesuffix(".md") not in names:
        raise OptionError(f"There is no page {quoted(name)}: the pages are {', '.join(names)}.")
    return _folder("docs") / f"{name.removesuffix('.md')}.md"


def _folder(name: str) -> Path:
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parents[1] / name


def _names(folder: str, suffix: str) -> list[str]:
    return sorted(path.stem for path in _folder(folder).glob(f"*{suffix}"))


def _heading(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
