"""What an evaluation compares: our methods, and the baselines that frame them.

Every system turns a mono clip into stereo. `true stereo` is the clip itself, `mono` its fold-down
on both sides, `coder` the true parameters decoded by our decoder: the best that any predictor of
parametric stereo could do. With weights of one's own, METHOD=FILE, a system has the name of the
file.
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
from soundstage.upmixing import METHODS, READY_METHODS, Method, load_method, make_side, upmix
from soundstage.upmixing.upmixer import Upmixer
from soundstage.weights import weights_path

MONO, CODER = "mono", "coder"
BASELINES = (MONO, CODER, "coder-mixing", *(f"ffmpeg-{name}" for name in FILTERS))
DEFAULT_BASELINES = (MONO, CODER, "ffmpeg-haas", "ffmpeg-adecorrelate")


@dataclass(frozen=True)
class System:
    """One line of the tables."""

    name: str
    method: str = ""
    """Of `METHODS`, where `weights` are given."""
    weights: str = ""
    """A file in place of what is shipped."""

    @property
    def needs_truth(self) -> bool:
        """Whether it cannot be run on a mono recording."""
        return self.name == TRUTH or self.name.startswith(CODER)

    @property
    def has_takes(self) -> bool:
        """Whether another seed gives another result worth measuring."""
        return self.name in READY_METHODS or self.method in READY_METHODS

    def seed(self, clip: str, seed: int) -> int:
        """Of the first result for a clip.

        A generative method draws as a whole too, wide or narrow, and with one seed all clips would
        lean the same way: its draws are independent, as a distance of distributions wants them.
        """
        method = self._method()
        if method is None or method.settings is None:
            return seed
        return int.from_bytes(hashlib.sha256(f"{seed} {clip}".encode()).digest()[:4], "big") + 1

    def fingerprint(self) -> str:
        """Changes with the weights and the settings: no older result is taken for a new one."""
        method = self._method()
        if method is None:
            return self.name
        path = Path(self.weights) if self.weights else weights_path(method.weights)
        settings = f" {method.settings}" if method.settings else ""
        return f"{method.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}{settings}"

    def make(
        self,
        mono: Float[Tensor, " frames"],
        truth: Float[Tensor, "2 frames"] | None,
        *,
        seed: int,
    ) -> Float[Tensor, "2 frames"]:
        """Stereo at 44.1 kHz, as long as the mono."""
        if self.name == MONO:
            return torch.stack([mono, mono])
        if method := self._method():
            return _upmixed(_loaded(method.name, self.weights), mono, seed=seed)
        if self.name.startswith("ffmpeg-"):
            filter_name = self.name.removeprefix("ffmpeg-")
            return torch.from_numpy(filter_sound(filter_name, mono.numpy(), RATE, seed=seed))
        if truth is None:
            raise ValueError(f"{self.name} needs the true stereo")
        if self.name == TRUTH:
            return truth
        decoder: Decoder = "mixing" if self.name == "coder-mixing" else "prediction"
        return left_right(
            decode_signal(mono, encode_signal(truth), seed=seed, decoder=decoder), mono
        )

    def _method(self) -> Method | None:
        return METHODS[self.method] if self.weights else READY_METHODS.get(self.name)


def left_right(
    made: Float[Tensor, "rows frames"], mono: Float[Tensor, " frames"]
) -> Float[Tensor, "2 frames"]:
    """Stereo from the rows of a decoder or method: the side alone, or a new mid and the side."""
    mid = made[0] if made.shape[0] == 2 else mono
    return torch.stack(to_left_right(mid, made[-1]))


def _upmixed(
    upmixer: Upmixer, mono: Float[Tensor, " frames"], *, seed: int
) -> Float[Tensor, "2 frames"]:
    if upmixer.rate == RATE:
        return left_right(make_side(upmixer, mono, seed=seed), mono)
    return torch.tensor(upmix((mono.numpy(), RATE), method=upmixer, seed=seed).samples)


@cache
def _loaded(method: str, weights: str) -> Upmixer:
    """Once a process."""
    return load_method(method, weights=weights or None)


def find_systems(names: tuple[str, ...], *, reference_free: bool) -> tuple[System, ...]:
    """The systems of these names, in the order of the tables, truth and mono always first.

    Args:
        names: of baselines and methods, and METHOD=FILE for weights of one's own, which come last.
        reference_free: there is no true stereo.

    Raises:
        OptionError: a name is unknown or there twice, or needs a true stereo that there is not.
        WeightsError: a file of weights cannot be used.
    """
    known = (TRUTH, *BASELINES, *READY_METHODS)
    own = [_own_system(name) for name in names if "=" in name]
    for name in names:
        if "=" not in name and name not in known:
            raise OptionError(
                f"There is no system {name!r}; choose among {', '.join(known[1:])}, "
                "or give METHOD=FILE for weights of your own."
            )
    chosen = {TRUTH, MONO, *names}
    systems = [System(name) for name in known if name in chosen] + own
    taken = [system.name for system in systems]
    for system in own:
        if system.name in known or taken.count(system.name) > 1:
            raise OptionError(
                f"{system.weights}: there is a system {system.name!r} already; rename the file."
            )
    if not reference_free:
        return tuple(systems)
    for system in systems:
        if system.needs_truth and system.name in names:
            raise OptionError(f"{system.name} needs true stereo: leave out --reference-free.")
    return tuple(system for system in systems if not system.needs_truth)


def _own_system(text: str) -> System:
    """Of METHOD=FILE; a file that cannot be used is told before hours of work."""
    method, file = (part.strip() for part in text.split("=", 1))
    load_method(method, weights=file)
    return System(Path(file).stem, method, file)
