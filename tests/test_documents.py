"""Recipes and documentation are found by name, from a checkout and from a wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from soundstage.documents import list_pages, list_recipes, page_path, recipe_path
from soundstage.errors import OptionError

ROOT = Path(__file__).parents[1]


def test_recipes_are_found_by_name() -> None:
    assert list_recipes() == sorted(path.stem for path in ROOT.glob("recipes/*.yaml"))
    assert recipe_path("masked").read_text().find("family: masked") >= 0
    with pytest.raises(OptionError, match=r"There is no recipe 'mask': .* one of .*masked, "):
        recipe_path("mask")


def test_pages_are_found_by_name() -> None:
    pages = list_pages()
    assert pages["upmix"] == "Upmix: mono to stereo"
    assert page_path("upmix.md") == page_path("upmix")
    for name in ("../README", "/etc/passwd", "x" * 1000):
        with pytest.raises(OptionError, match=r"no page .* the pages are .*upmix") as caught:
            page_path(name)
        assert len(str(caught.value)) < 500


@pytest.mark.slow
def test_a_wheel_has_recipes_and_pages(tmp_path: Path) -> None:
    command = ["pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(tmp_path)]
    subprocess.run([sys.executable, "-m", *command, str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 100e6
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    program = """
import sys
from soundstage.documents import list_pages, list_recipes, recipe_path
assert recipe_path("masked").is_relative_to(sys.path[0]), recipe_path("masked")
print(len(list_recipes()), len(list_pages()))
"""
    script = tmp_path / "installed" / "show.py"
    script.write_text(program)
    printed = subprocess.run(
        [sys.executable, str(script)], check=True, capture_output=True, text=True, cwd=tmp_path
    ).stdout.split()
    assert printed == [str(len(list_recipes())), str(len(list_pages()))]
