"""The folder of an evaluation: what is measured stays measured, whatever happens afterwards.

    OUT/settings.json                  what the numbers depend on
    OUT/measured/CLIP/SYSTEM.safetensors   scores and statistics of one result
    OUT/sound/CLIP/SYSTEM.flac         excerpts for the report, of some clips

Files appear by rename, so that one that is there is complete. A file whose fingerprint is not that
of the system, clip and settings of today is measured again.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from soundstage.corpora import Clip
from soundstage.errors import OptionError, OutputError
from soundstage.evaluation.measures import Measured
from soundstage.evaluation.systems import System
from soundstage.metrics.frechet import GaussianPool
from soundstage.weights import write_by_rename

PARAMETERS, EMBEDDING = "parameters/", "embedding/"
HEADER = "soundstage"
SUFFIX = ".safetensors"


class Store:
    """One evaluation on disk.

    Args:
        folder: created if it is not there.
        settings: everything that the numbers depend on beside clip and system.
        overwrite: whether an evaluation with other settings may be replaced.

    Raises:
        OptionError: the folder holds an evaluation with other settings.
        OutputError: the folder cannot be written.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, object], *, overwrite: bool = False
    ) -> None:
        self.folder = folder
        text = json.dumps(settings, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        self._settings = hashlib.sha256(text.encode()).hexdigest()[:16]
        place = folder / "settings.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if place.exists() and not overwrite:
                _check_settings(place, settings)
        except OSError as error:
            raise OutputError(f"{folder} cannot be written ({error.strerror}).") from error
        write_by_rename(place, text.encode())

    def path(self, clip: Clip, system: System) -> Path:
        """Where a result's measures lie."""
        return self.folder / "measured" / file_name(clip.name) / f"{file_name(system.name)}{SUFFIX}"

    def excerpt_path(self, clip: Clip, system: System) -> Path:
        """Where a result's excerpt lies."""
        return self.folder / "sound" / file_name(clip.name) / f"{file_name(system.name)}.flac"

    def fingerprint(self, clip: Clip, system: System) -> str:
        """Changes when the clip's files, the system or the settings do."""
        facts = [self._settings, system.fingerprint()]
        for path in (clip.record, *clip.sources):
            if path:
                status = path.stat()
                facts.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]

    def write(self, clip: Clip, system: System, measured: Measured) -> None:
        """Keep the measures of a result."""
        tensors = {PARAMETERS + k: v for k, v in measured.parameters.tensors().items()}
        tensors |= {EMBEDDING + k: v.contiguous() for k, v in measured.embeddings.items()}
        scores = {k: v if math.isfinite(v) else None for k, v in measured.scores.items()}
        header = {"fingerprint": self.fingerprint(clip, system), "scores": scores}
        path = self.path(clip, system)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_by_rename(path, save(tensors, metadata={HEADER: json.dumps(header)}))

    def read(self, clip: Clip, system: System) -> Measured | None:
        """What was measured of a result; None if it must be measured (again)."""
        path = self.path(clip, system)
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {})[HEADER])
                if header["fingerprint"] != self.fingerprint(clip, system):
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Measured(
                {k: math.nan if v is None else float(v) for k, v in header["scores"].items()},
                GaussianPool.from_tensors(_below(PARAMETERS, tensors)),
                _below(EMBEDDING, tensors),
            )
        except (SafetensorError, OSError, KeyError, ValueError, TypeError):
            return None


def file_name(name: str) -> str:
    """A name for a folder: readable, and different for different clips."""
    readable = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60]
    if readable == name:
        return name
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _check_settings(place: Path, settings: Mapping[str, object]) -> None:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OptionError(f"{place} is no settings of an evaluation: choose another folder.")
    for name in sorted(settings.keys() | found.keys()):
        if found.get(name) != json.loads(json.dumps(settings.get(name))):
            raise OptionError(
                f"{place.parent} holds an evaluation with {name} {found.get(name)!r}, not "
                f"{settings.get(name)!r}: choose another folder, or --overwrite it."
            )
