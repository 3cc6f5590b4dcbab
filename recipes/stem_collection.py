"""A folder of stems: mono FLAC files in one folder a song, and a manifest with their origin."""

import csv
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

RATE = 44100
PEAK = 0.5
"""Every stem is stored at this peak; the level in a mix is a matter of training."""
Mono = Float[np.ndarray, " length"]
COLUMNS = ["file", "song", "stem", "kind", "license", "source", "split", "duration_s"]


class Collection:
    """Writes stems and keeps `manifest.csv`; a song that is already in it is not made again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "manifest.csv"
        folder.mkdir(parents=True, exist_ok=True)
        self.songs: set[str] = set()
        if self.manifest.exists():
            with self.manifest.open(newline="", encoding="utf-8") as file:
                self.songs = {row["song"] for row in csv.DictReader(file)}
        else:
            self._append([COLUMNS])

    def add(
        self,
        song: str,
        stems: dict[str, tuple[str, Mono]],
        license_name: str,
        source: str,
        split: str = "train",
    ) -> None:
        """Write the stems of a song, all with one gain, so that they keep their balance.

        Args:
            song: name of its folder.
            stems: kind and samples at 44.1 kHz by name.
            license_name: its license, such as "CC0-1.0".
            source: where it comes from, and what was done to it.
            split: train or valid.
        """
        peak = max(float(np.abs(samples).max(initial=0)) for _, samples in stems.values())
        if peak == 0:
            return
        rows = []
        for name, (kind, samples) in stems.items():
            path = self.folder / song / f"{name}.flac"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, samples * (PEAK / peak), RATE, subtype="PCM_16")
            file = f"{song}/{path.name}"
            seconds = f"{len(samples) / RATE:.2f}"
            rows.append([file, song, name, kind, license_name, source, split, seconds])
        self._append(rows)
        self.songs.add(song)

    def _append(self, rows: list[list[str]]) -> None:
        with self.manifest.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
