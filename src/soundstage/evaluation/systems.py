"""Systems that an evaluation compares: methods and baselines.

Every system turns a mono clip into stereo. `true stereo` returns the clip itself, `mono` its
fold-down, `coder` the decoded true parameters, an upper bound for every predictor of stereo
parameters. Systems of a user are described in `own_systems`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.corpora import Clip
from soundstage.evaluation.ffmpeg_filters import FILTERS, filter_sound
from soundstage.evaluation.result_folders import find_results
from soundstage.evaluation.results import CODER, CODER_MIXING, MONO, TRUTH
from soundstage.stereo import RATE, Decoder, decode_signal, encode_signal, to_left_right
from soundstage.upmixing import (
    READY_METHODS,
    Method,
    UpmixMethod,
    load_method,
    make_side,
    upmix,
)
from soundstage.upmixing.own_methods import own_method
from soundstage.weights import list_models, model_path

BASELINES = (MONO, CODER, CODER_MIXING, *(f"ffmpeg-{name}" for name in FILTERS))
DEFAULT_BASELINES = (MONO, CODER, "ffmpeg-haas", "ffmpeg-adecorrelate")


@dataclass(frozen=True)
class System:
    """One row of the tables."""

    name: str
    method: Method | None = field(default=None, compare=False)
    """Of the methods of the package, with `weights`, and of those from outside; a pretrained method
    is found by its name."""
    weights: str = ""
    """Path of weights in place of the pretrained ones."""
    code: str = ""
    """Identifies the code of a method from outside."""
    folder: Path | None = None
    """Of results that are measured as they are."""
    results: Mapping[str, Path] = field(default_factory=dict, compare=False)
    """The results in `folder`, by clip."""

    @property
    def needs_truth(self) -> bool:
        """Whether it requires true stereo."""
        return self.name == TRUTH or self.name.startswith(CODER)

    @property
    def has_takes(self) -> bool:
        """Whether results depend on the seed in a way that E_min should measure."""
        method = self._method()
        if method and method.is_own:
            return getattr(self._load("cpu"), "has_takes", True)
        return bool(method and method.weights)

    def with_results(self, clips: Sequence[Clip]) -> "System":
        """With the results for these clips, if it is a folder of them.

        Raises:
            OptionError: a result is missing, or does not fit its clip.
        """
        if not self.folder:
            return self
        return replace(self, results=find_results(self.name, self.folder, clips))

    def for_clip(self, clip: Clip) -> "System":
        """With the result for one clip at most, to pass on to a worker."""
        return replace(self, results={clip.name: self.results[clip.name]} if self.folder else {})

    def seed(self, clip: str, seed: int) -> int:
        """Seed of the first result for a clip.

        Generative methods also sample a global style, and some methods choose the sides of sources
        or bands.
        They get another seed for each clip, since one seed would give all clips the same style
        offset and the same sides, and bias distances of distributions. So do methods from outside,
        which may be generative.
        """
        method = self._method()
        if method is None:
            return seed
        same_for_all = not (method.is_own or method.places_sources or method.draws_song)
        if method.settings is None and same_for_all:
            return seed
        return int.from_bytes(hashlib.sha256(f"{seed} {clip}".encode()).digest()[:4], "big") + 1

    def fingerprint(self) -> str:
        """Identifies weights and settings, so that changed ones are measured again."""
        method = self._method()
        if method is None or method.is_own:
            return f"{self.name} {self.code}".strip()
        paths = [Path(self.weights) if self.weights else model_path(method.weights)]
        if method.separator in list_models():  # a separator with weights of its own
            paths.append(model_path(method.separator))
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in paths]
        settings = f" {method.settings}" if method.settings else ""
        return f"{method.name} {' '.join(hashes)}{settings}"

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
        if self._method():
            return _upmixed(self._load(device), mono, seed=seed)
        if self.name.startswith("ffmpeg-"):
            filter_name = self.name.removeprefix("ffmpeg-")
            return torch.from_numpy(filter_sound(filter_name, mono.numpy(), RATE, seed=seed))
        if truth is None:
            raise ValueError(f"{self.name} requires true stereo")
        if self.name == TRUTH:
            return truth
        decoder: Decoder = "mixing" if self.name == CODER_MIXING else "prediction"
        return left_right(
            decode_signal(mono, encode_signal(truth), seed=seed, decoder=decoder), mono
        )

    def _method(self) -> Method | None:
        return self.method or READY_METHODS.get(self.name)

    def _load(self, device: str) -> UpmixMethod:
        method = self._method()
        assert method
        if method.is_own:
            return _own_loaded(method, self.code)
        return _loaded(method.name, self.weights, device)


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
    sound = (mono.numpy(), RATE)
    return torch.tensor(upmix(sound, method=method, seed=seed, width=1, spread_noise=True).samples)


@cache
def _loaded(method: str, weights: str, device: str) -> UpmixMethod:
    """Loaded once per process."""
    return load_method(method, weights=weights or None, device=device)


def _own_loaded(method: Method, code: str) -> UpmixMethod:
    """Made once per process, and again if its code is another."""
    made_of, made = _own.get(method.name, ("", None))
    if made is None or made_of != code:
        made = own_method(method.import_factory(), method.name)
        _own[method.name] = code, made
    return made


_own: dict[str, tuple[str, UpmixMethod]] = {}
