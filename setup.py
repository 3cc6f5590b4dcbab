"""Copies recipes and documentation into the package when it is built."""

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py

COPIED = {"recipes": "*.yaml", "docs": "*.md"}


class BuildWithDocuments(build_py):
    """Adds the files that `soundstage.documents` finds."""

    def run(self) -> None:
        """Build, then copy; an editable installation reads them from the checkout."""
        super().run()
        if self.editable_mode:
            return
        root = Path(__file__).parent
        for folder, pattern in COPIED.items():
            target = Path(self.build_lib) / "soundstage" / folder
            target.mkdir(parents=True, exist_ok=True)
            for file in sorted((root / folder).glob(pattern)):
                copyfile(file, target / file.name)


setup(cmdclass={"build_py": BuildWithDocuments})
