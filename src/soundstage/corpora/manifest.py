"""Credits out of the `manifest.csv` that may lie with a collection.

A manifest names the file (relative to the manifest), title, artist, license and source of every
record. A model trained on the records carries these credits in its card.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from soundstage.errors import InputError

FIELDS = ("title", "artist", "license", "source_repository", "source_path")
SPELLINGS = {"licence": "license", "clip_licence": "clip_license"}  # columns with two spellings
Credit = dict[str, str]


def find_manifest(folder: Path) -> Path | None:
    """The manifest of a collection: in its folder or in the one above."""
    for place in (folder, folder.resolve().parent):
        if (place / "manifest.csv").is_file():
            return place / "manifest.csv"
    return None


def read_manifest(manifest: Path) -> dict[Path, dict[str, str]]:
    """Rows by the full path of their file, in the order of the manifest; columns as in `SPELLINGS`.

    Raises:
        InputError: the manifest has no column `file`, or cannot be read.
    """
    try:
        with manifest.open(encoding="utf-8", newline="") as lines:
            rows = [
                {SPELLINGS.get(column, column): cell for column, cell in row.items()}
                for row in csv.DictReader(lines)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{manifest}: the manifest cannot be read ({error}).") from error
    if rows and "file" not in rows[0]:
        raise InputError(f"{manifest}: the manifest has no column 'file'.")
    folder = manifest.resolve().parent
    return {(folder / row["file"]).resolve(): row for row in rows}


def read_credits(manifest: Path, records: Sequence[Path]) -> list[Credit]:
    """Credits of the records that the manifest lists, in the order of `records`.

    Raises:
        InputError: the manifest has no column `file`, or cannot be read.
    """
    rows = read_manifest(manifest)
    found = [rows.get(record.resolve()) for record in records]
    return [{field: row[field] for field in FIELDS if row.get(field)} for row in found if row]
