"""Systems that an evaluation compares: methods and baselines.

Every system turns a mono clip into stereo. `true stereo` returns the clip itself, `mono` its
fold-down, `coder` the decoded true parameters, an upper bound for every predictor of stereo
parameters. METHOD=FILE is a method with your own weights, named after the file.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.errors import OptionError
from soundstage.evaluation.ffmpeg_filters import FILTERS, filter_sound
from soundstage.evaluation.results import TRUTH
from soundstage.stereo import RATE, Decoder, decode_signal, encode_signal, to_left_right
from soundstage.upmixing import (
    METHODS,
    READY_METHODS,
    Method,
    UpmixMethod,
    load_method,
    make_side,
    upmix,
)
from soundstage.weights import model_path

MONO, CODER = "mono", "coder"
BASELINES = (MONO, CODER, "coder-mixing", *(f"ffmpeg-{name}" for name in FILTERS))
DEFAULT_BASELINES = (MONO, CODER, "ffmpeg-haas", "ffmpeg-adecorrelate")


@dataclass(frozen=True)
class System:
    """One row of the tables."""

    name: str
    method: str = ""
    """Name in `METHODS`, if `weights` is given."""
    weights: str = ""
    """Path of weights in place of the pretrained ones."""

    @property
    def needs_truth(self) -> bool:
        """Whether it requires true stereo."""
        return self.name == TRUTH or self.name.startswith(CODER)

    @property
    def has_takes(self) -> bool:
        """Whether results depend on the seed in a way that E_min should measure."""
        return self.name in READY_METHODS or self.method in READY_METHODS

    def seed(self, clip: str, seed: int) -> int:
        """Seed of the first result for a clip.

        Generative methods also sample a global style. They get another seed for each clip, since
        one seed would give all clips the same style offset and bias distances of distributions.
        """
        method = self._method()
        if method is None or method.settings is None:
            return seed
        return int.from_bytes(hashlib.sha256(f"{seed} {clip}".encode()).digest()[:4], "big") + 1

    def fingerprint(self) -> str:
        """Identifies weights and settings, so that changed ones are measured again."""
        method = self._method()
        if method is None:
            return self.name
        path = Path(self.weights) if self.weights else model_path(method.weights)
        settings = f" {method.settings}" if method.settings else ""
        return f"{method.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}{settings}"

    def upmix(
        self,
        mono: Float[Tensor, " frames"],
        truth: Float[Tensor, "2 frames"] | None,
        *,
        seed: int,
        device: str = "cpu",
    ) -> Float[Tensor, "2 frames"]:
        """Stereo at 44.1 kHz, with the length of the mono."""
        if self.name == MONO:
            return torch.stack([mono, mono])
        if method := self._method():
            return _upmixed(_loaded(method.name, self.weights, device), mono, seed=seed)
        if self.name.startswith("ffmpeg-"):
            filter_name = self.name.removeprefix("ffmpeg-")
            return torch.from_numpy(filter_sound(filter_name, mono.numpy(), RATE, seed=seed))
        if truth is None:
            raise ValueError(f"{self.name} requires true stereo")
        if self.name == TRUTH:
            return truth
        decoder: Decoder = "mixing" if self.name == "coder-mixing" else "prediction"
        return left_right(
            decode_signal(mono, encode_signal(truth), seed=seed, decoder=decoder), mono
        )

    def _method(self) -> Method | None:
        return METHODS[self.method] if self.weights else READY_METHODS.get(self.name)


def left_right(
    outputs: Float[Tensor, "n_outputs frames"], mono: Float[Tensor, " frames"]
) -> Float[Tensor, "2 frames"]:
    """Stereo from the outputs of a decoder or method: a side, or a new mid and a side."""
    mid = outputs[0] if outputs.shape[0] == 2 else mono
    return torch.stack(to_left_right(mid, outputs[-1]))


def _upmixed(
    method: UpmixMethod, mono: Float[Tensor, " frames"], *, seed: int
) -> Float[Tensor, "2 frames"]:
    if method.rate == RATE:
        return left_right(make_side(method, mono, seed=seed), mono)
    return torch.tensor(upmix((mono.numpy(), RATE), method=method, seed=seed).samples)


@cache
def _loaded(method: str, weights: str, device: str) -> UpmixMethod:
    """Loaded once per process."""
    return load_method(method, weights=weights or None, device=device)


def find_systems(names: tuple[str, ...], *, reference_free: bool) -> tuple[System, ...]:
    """Systems by name, in the order of the tables; truth and mono are always first.

    Args:
        names: of baselines and methods, and METHOD=FILE for your own weights, which come last.
        reference_free: there is no true stereo.

    Raises:
        OptionError: a name is unknown or duplicate, or requires true stereo with `reference_free`.
        WeightsError: a file of weights cannot be used.
    """
    known = (TRUTH, *BASELINES, *READY_METHODS)
    own = [_own_system(name) for name in names if "=" in name]
    for name in names:
        if "=" not in name and name not in known:
            raise OptionError(
                f"Unknown system {name!r}; choose from {', '.join(known[1:])}, "
                "or METHOD=FILE for your own weights."
            )
    chosen = {TRUTH, MONO, *names}
    systems = [System(name) for name in known if name in chosen] + own
    taken = [system.name for system in systems]
    for system in own:
        if system.name in known or taken.count(system.name) > 1:
            raise OptionError(
                f"{system.weights}: there is another system {system.name!r}; rename the file."
            )
    if not reference_free:
        return tuple(systems)
    for system in systems:
        if system.needs_truth and system.name in names:
            raise OptionError(
                f"{system.name} requires true stereo: evaluate without `reference_free`."
            )
    return tuple(system for system in systems if not system.needs_truth)


def _own_system(text: str) -> System:
    """A system from METHOD=FILE; loaded here to report unusable files early."""
    method, file = (part.strip() for part in text.split("=", 1))
    load_method(method, weights=file)
    return System(Path(file).stem, method, file)
