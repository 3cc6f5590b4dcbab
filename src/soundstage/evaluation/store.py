"""The output folder of an evaluation, which keeps finished results for later runs.

    OUT/settings.json                      settings that the values depend on
    OUT/measured/CLIP/SYSTEM.safetensors   scores and statistics of one result
    OUT/sound/CLIP/SYSTEM.flac             excerpts for the report, of some clips

Files are written atomically. A result with another fingerprint (of system, clip and settings) is
measured again.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from soundstage.atomic_files import write_atomically
from soundstage.corpora import Clip
from soundstage.errors import InputError, OptionError, OutputError, SoundstageError, quoted
from soundstage.evaluation.measures import Measures
from soundstage.evaluation.systems import System
from soundstage.metrics.frechet import GaussianPool
from soundstage.text_files import parse_json

PARAMETERS, EMBEDDING = "parameters/", "embedding/"
HEADER = "soundstage"
SUFFIX = ".safetensors"


class Store:
    """One evaluation on disk.

    Args:
        folder: of the evaluation.
        settings: everything the values depend on beside clip and system.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.folder = folder
        self._settings = settings
        self._fingerprints: dict[System, str] = {}
        self._text = json.dumps(settings, indent=2, ensure_ascii=False, sort_keys=True) + "\n"

    def open(self, *, overwrite: bool = False) -> None:
        """Create the folder, or check that it has an evaluation with the same settings.

        Args:
            overwrite: replace an evaluation with other settings.

        Raises:
            OptionError: the folder has other content or other settings.
            OutputError: it cannot be written.
        """
        place = self.folder / "settings.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if place.exists():
                _check_settings(place, self._settings, overwrite=overwrite)
            elif any(self.folder.iterdir()):
                raise OptionError(
                    f"{self.folder} has files but no evaluation: choose another folder."
                )
        except OSError as error:
            raise OutputError(f"{self.folder} cannot be written ({error.strerror}).") from error
        write_atomically(place, self._text)

    def path(self, clip: Clip, system: System) -> Path:
        """File of the measures of a result."""
        return self.folder / "measured" / file_name(clip.name) / f"{file_name(system.name)}{SUFFIX}"

    def excerpt_path(self, clip: Clip, system: System) -> Path:
        """File of the excerpt of a result."""
        return self.folder / "sound" / file_name(clip.name) / f"{file_name(system.name)}.flac"

    def fingerprint(self, clip: Clip, system: System) -> str:
        """Hash of the files of the clip, the system with its result, and the settings."""
        if system not in self._fingerprints:  # a hash of whole files of weights
            self._fingerprints[system] = system.fingerprint()
        facts = [self._text, self._fingerprints[system]]
        for path in (clip.mix, *clip.stems, system.results.get(clip.name)):
            if path:
                status = path.stat()
                facts.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
        return hashlib.sha256(os.fsencode("\n".join(facts))).hexdigest()[:16]

    def write(self, clip: Clip, system: System, measures: Measures) -> None:
        """Store the measures of a result."""
        tensors = {PARAMETERS + k: v for k, v in measures.parameters.tensors().items()}
        tensors |= {EMBEDDING + k: v.contiguous() for k, v in measures.embeddings.items()}
        scores = {k: v if math.isfinite(v) else None for k, v in measures.scores.items()}
        header = {"fingerprint": self.fingerprint(clip, system), "scores": scores}
        path = with_folder(self.path(clip, system))
        write_atomically(path, save(tensors, metadata={HEADER: json.dumps(header)}))

    def read(self, clip: Clip, system: System) -> Measures | None:
        """Stored measures of a result; None if it has to be measured."""
        path = self.path(clip, system)
        try:
            with safe_open(path, framework="pt") as file:
                header = parse_json((file.metadata() or {})[HEADER], path.name)
                if header["fingerprint"] != self.fingerprint(clip, system):
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Measures(
                {k: math.nan if v is None else float(v) for k, v in header["scores"].items()},
                GaussianPool.from_tensors(_below(PARAMETERS, tensors)),
                _below(EMBEDDING, tensors),
            )
        except (SafetensorError, SoundstageError, OSError, KeyError, ValueError, TypeError):
            return None


def with_folder(path: Path) -> Path:
    """The path, after creating its folder.

    Raises:
        OutputError: the folder cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent} cannot be created ({error.strerror}).") from error
    return path


def file_name(name: str) -> str:
    """A readable and unique name for a file or folder."""
    readable = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60]
    if readable == name:
        return name
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _check_settings(place: Path, settings: Mapping[str, object], *, overwrite: bool) -> None:
    try:
        found = parse_json(place.read_bytes(), place.name)
    except InputError:
        found = None
    if not isinstance(found, dict) or "layout" not in found:
        raise OptionError(f"{place} has no settings of an evaluation: choose another folder.")
    for name in sorted(settings.keys() | found.keys()):
        if found.get(name) != settings.get(name) and not overwrite:
            raise OptionError(
                f"{place.parent} has an evaluation with {name} {quoted(found.get(name))}, not "
                f"{quoted(settings.get(name))}: choose another folder, or allow overwriting it."
            )
