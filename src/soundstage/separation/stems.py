"""`stems`: a network tells voices, drums, bass and further instruments apart, song by song. Ours.

The network (`networks/models/stem_unet.py`) gives every tile of the coder's spectrogram the shares
p_j of the kinds lead, voice, drums, bass and object, and a unit vector e. In a survey of the song
the vectors of its object tiles are clustered, those that sound together first (`clustering`); a
cluster is an instrument, named "other-1", "other-2" and so on from the loudest. In the second pass
the objects share their part by the distance to the cluster centers c_k:

    mask of a kind = p_j        mask of an object = p_object · softmax_k(SHARPNESS·e·c_k)

which adds up to one. Without a survey, as for a live stream, the centers are `prototypes`, clusters
of the training data.

The network gets windows of 8.9 s that overlap, at fixed frames, relative to their own mean power:
the masks depend neither on blocks nor on the gain of the signal.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.stem_cache import KINDS
from soundstage.errors import WeightsError
from soundstage.networks.models.stem_levels import SILENT_LEVEL, normalized_levels
from soundstage.networks.models.stem_unet import StemUNet, StemUNetConfig
from soundstage.seeding import seeded_generator
from soundstage.separation.clustering import clusters_in_time, nearest_center
from soundstage.separation.masking import MaskedSourceStream
from soundstage.separation.separator import Kind, SourceInfo
from soundstage.separation.stage_balance import band_energies
from soundstage.spectra import AnalysisStream, SampleQueue
from soundstage.stereo.encoding import RATE, TRANSFORM
from soundstage.stereo.fine_bands import FINE_BANDS, FINE_EDGES, fine_powers, to_bins
from soundstage.weights.model import load_model

FAMILY = "stems"
HOP = 256  # frames from window to window, 5.9 s
MARGIN = 64  # frames of context on either side
FADE = 16  # frames of crossfade on either side of a border
SHARPNESS = 12.0  # of the softmax over cosines, as in training
COMPRESSION = 0.3  # tiles weigh energy^0.3, after loudness
SAMPLES = 1024  # tiles of a window that are kept for the clusters
CLUSTERED = 200_000  # tiles at most that decide on the clusters: a quarter of an hour
MOMENT = 9  # frames in which tiles count as simultaneous, 0.2 s
MAX_OBJECTS = 3
MIN_SHARE = 0.08  # of the weight of all objects; a smaller cluster joins the most similar
JOIN_ABOVE = 0.7  # similarity of clusters that are one instrument
OBJECT = KINDS.index("object")
NAMES = ("lead", "backing", "drums", "bass")  # of the kinds before `OBJECT`
MIN_LEAD = 0.15  # energy of the lead over that of other voices; below it they are the lead
PROTOTYPES = "prototypes"  # tensor of the weights file
ACTIVE_DB = -25.0  # of a window under the loudest one of its source
CENTERS = (FINE_EDGES[:-1] + FINE_EDGES[1:] - 1) / 2 * RATE / TRANSFORM.frame
"""Center of every narrow band in Hz."""


class _Tiles(NamedTuple):
    """Outputs of the network for successive frames."""

    shares: Float[Tensor, "kinds bands frames"]
    vectors: Float[Tensor, "dim bands frames"]
    powers: Float[Tensor, "bands frames"]


class StemSeparator:
    """Separates songs by one network; it has no state of any song.

    Args:
        network: in evaluation mode.
        prototypes: unit vectors of the objects of a signal that was not surveyed.
    """

    rate = RATE

    def __init__(self, network: StemUNet, prototypes: Float[Tensor, "objects dim"]) -> None:
        self.network, self.prototypes = network, prototypes

    def survey(self) -> "StemSurvey":
        """Start a song."""
        return StemSurvey(self)


class StemSurvey:
    """The first pass: what kinds there are, and clusters of objects.

    Of each window some object tiles are kept, 50 kB a window or 60 MB in two hours.
    """

    def __init__(self, separator: StemSeparator) -> None:
        self._separator = separator
        self._analysis, self._tiles = AnalysisStream(TRANSFORM), _TileStream(separator.network)
        dim = separator.prototypes.shape[1]
        self._kinds = _Rows((OBJECT, FINE_BANDS), torch.float32)  # energies in every window
        self._vectors = _Rows((dim,), torch.float16)  # of the kept tiles; and these of each:
        self._weights, self._energies = _Rows((), torch.float32), _Rows((), torch.float32)
        self._bands, self._moments = _Rows((), torch.int32), _Rows((), torch.int32)
        self._frames = 0

    def push(self, mono: Float[Tensor, " length"]) -> None:
        """The next samples, in order and in any size."""
        self._take(self._tiles.push(fine_powers(self._analysis.push(mono))))

    def finish(self) -> "FittedStems":
        """The separator of this song."""
        self._take(self._tiles.push(fine_powers(self._analysis.finish())))
        self._take(self._tiles.finish())
        if not len(self._vectors):
            return FittedStems(self._separator, self._separator.prototypes)
        vectors = F.normalize(self._vectors.rows.float(), dim=1)
        some = slice(None, None, 1 + len(vectors) // CLUSTERED)
        centers = clusters_in_time(
            vectors[some],
            self._weights.rows[some],
            self._moments.rows[some].long(),
            most=MAX_OBJECTS,
            min_share=MIN_SHARE,
            join_above=JOIN_ABOVE,
        )
        objects = self._object_energies(nearest_center(vectors, centers), len(centers))
        order = objects.sum(dim=(1, 2)).argsort(descending=True, stable=True)
        energies = torch.cat([self._kinds.rows.transpose(0, 1), objects[order]])
        return FittedStems(self._separator, centers[order], energies)

    def _take(self, windows: list[_Tiles]) -> None:
        for tiles in windows:
            power = tiles.powers * tiles.shares
            window, frames = len(self._kinds), tiles.powers.shape[1]
            self._kinds.push(power[:OBJECT].sum(dim=2)[None])
            energy = power[OBJECT].flatten()
            weights = tiles.powers.flatten() ** COMPRESSION * tiles.shares[OBJECT].flatten()
            count = min(SAMPLES, int((weights > 0).sum()))
            if count:
                chosen = torch.multinomial(weights, count, generator=seeded_generator(0, window))
                scale = energy.sum() / energy[chosen].sum().clamp(min=1e-20)
                self._vectors.push(tiles.vectors.flatten(1).T[chosen])
                self._weights.push((weights.sum() / count).expand(count))
                self._energies.push(energy[chosen] * scale)
                self._bands.push(chosen // frames + FINE_BANDS * window)
                self._moments.push((self._frames + chosen % frames) // MOMENT)
            self._frames += frames

    def _object_energies(self, nearest: Tensor, count: int) -> Float[Tensor, "count windows bands"]:
        windows = len(self._kinds)
        place = self._bands.rows + nearest * windows * FINE_BANDS
        energies = torch.zeros(count * windows * FINE_BANDS)
        energies.index_add_(0, place, self._energies.rows)
        return energies.view(count, windows, FINE_BANDS)


class _Rows:
    """Rows that grow in one piece of memory, which small tensors of many windows would scatter."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self._rows, self._count = torch.zeros(1, *shape, dtype=dtype), 0

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> Tensor:
        """All rows so far."""
        return self._rows[: self._count]

    def push(self, rows: Tensor) -> None:
        """Append rows."""
        total = self._count + len(rows)
        if total > len(self._rows):
            grown = self._rows.new_zeros(max(total, 2 * len(self._rows)), *self._rows.shape[1:])
            grown[: self._count] = self.rows
            self._rows = grown
        self._rows[self._count : total] = rows
        self._count = total


class FittedStems:
    """The separator of one song: a `MaskSeparator`.

    Args:
        separator: with the network.
        centers: unit vectors of the objects, from the loudest.
        energies: of the kinds before the objects, then of the objects; None if not known.
    """

    rate = RATE

    def __init__(
        self,
        separator: StemSeparator,
        centers: Float[Tensor, "objects dim"],
        energies: Float[Tensor, "sources windows bands"] | None = None,
    ) -> None:
        self._separator, self._centers = separator, centers
        names = [*NAMES, *(f"other-{number + 1}" for number in range(len(centers)))]
        kinds: list[Kind] = [*KINDS[:OBJECT], *["object"] * len(centers)]  # type: ignore[list-item]
        self.sources: tuple[SourceInfo, ...] = tuple(map(SourceInfo, names, kinds))
        self.balance_energies: Float[np.ndarray, "sources bands"] | None = None
        """Of the sources in the bands of `stage_balance`; None if not known."""
        if energies is not None:
            spectra = energies.sum(dim=1).double().numpy()
            self.sources = _described(names, kinds, energies)
            self.balance_energies = band_energies(spectra, CENTERS)

    def mask_stream(self) -> "StemMaskStream":
        """Start a signal."""
        return StemMaskStream(self._separator.network, self._centers)

    def stream(self) -> MaskedSourceStream:
        """Start a signal."""
        return MaskedSourceStream(self.mask_stream(), self.sources)


class StemMaskStream:
    """Masks of kinds and objects: a `MaskStream`."""

    def __init__(self, network: StemUNet, centers: Float[Tensor, "objects dim"]) -> None:
        self._tiles, self._centers = _TileStream(network), centers

    def push(
        self, spectrogram: Complex[Tensor, "bins frames"]
    ) -> Float[Tensor, "sources bins ready"]:
        """Masks of the oldest frames that are complete."""
        return self._masks(self._tiles.push(fine_powers(spectrogram)))

    def finish(self) -> Float[Tensor, "sources bins rest"]:
        """Masks of the remaining frames."""
        return self._masks(self._tiles.finish())

    def _masks(self, windows: list[_Tiles]) -> Float[Tensor, "sources bins ready"]:
        parts = [torch.zeros(OBJECT + len(self._centers), TRANSFORM.bins, 0)]
        for tiles in windows:
            cosines = torch.einsum("kd,dbt->kbt", self._centers, tiles.vectors)
            objects = tiles.shares[OBJECT] * (SHARPNESS * cosines).softmax(dim=0)
            parts.append(to_bins(torch.cat([tiles.shares[:OBJECT], objects])))
        return torch.cat(parts, dim=-1)


class _TileStream:
    """The network over overlapping windows of one signal, crossfaded."""

    def __init__(self, network: StemUNet) -> None:
        self._network = network
        self._device = next(network.parameters()).device
        self._powers = torch.zeros(FINE_BANDS, 0)  # from `MARGIN` before the next window's hop on
        self._waiting = SampleQueue((FINE_BANDS,))  # powers of frames without outputs
        self._padding = MARGIN  # silent frames before the signal, in the first window
        self._carry: Tensor | None = None  # outputs that fade into the next window
        self._owed = 0

    def push(self, powers: Float[Tensor, "bands frames"]) -> list[_Tiles]:
        """The windows that these frames complete."""
        self._waiting.push(powers)
        self._owed += powers.shape[1]
        self._powers = torch.cat([self._powers, powers], dim=1)
        windows = []
        while self._padding + self._powers.shape[1] >= MARGIN + HOP + MARGIN:
            windows.append(self._window())
        return windows

    def finish(self) -> list[_Tiles]:
        """The windows of the remaining frames."""
        windows = []
        while self._owed:
            windows.append(self._window())
        return windows

    def _window(self) -> _Tiles:
        """The outputs up to `FADE` frames before the end of the next hop."""
        size = MARGIN + HOP + MARGIN
        segment = self._powers[:, : size - self._padding]
        after = size - self._padding - segment.shape[1]
        levels = F.pad(normalized_levels(segment), (self._padding, after), value=SILENT_LEVEL)
        logits, vectors = self._network(levels[None].to(self._device))
        outputs = torch.cat([logits[0].float().softmax(dim=0), vectors[0]]).cpu()
        outputs = outputs[..., MARGIN - FADE : size - MARGIN + FADE]
        if self._carry is None:
            ready = outputs[..., FADE:HOP]
        else:
            rising = (torch.arange(2 * FADE) + 0.5) / (2 * FADE)
            faded = torch.lerp(self._carry, outputs[..., : 2 * FADE], rising)
            ready = torch.cat([faded, outputs[..., 2 * FADE : HOP]], dim=-1)
        self._carry = outputs[..., HOP:]
        self._powers = self._powers[:, HOP - self._padding :]
        self._padding = 0
        count = min(ready.shape[-1], self._owed)
        self._owed -= count
        ready, kinds = ready[..., :count], len(KINDS)
        vectors = F.normalize(ready[kinds:], dim=0)
        return _Tiles(ready[:kinds], vectors, self._waiting.pop(count))


def _described(
    names: list[str], kinds: list[Kind], energies: Float[Tensor, "sources windows bands"]
) -> tuple[SourceInfo, ...]:
    """The facts of the sources."""
    total = float(energies.sum())
    of_source = energies.sum(dim=(1, 2))
    if float(of_source[0]) < MIN_LEAD * float(of_source[1]):
        kinds = ["lead" if kind == "voice" else kind for kind in kinds]
    frequencies = torch.from_numpy(CENTERS).float()
    sources = []
    for name, kind, energy in zip(names, kinds, energies, strict=True):
        spectrum, windows = energy.sum(dim=0), energy.sum(dim=1)
        own = float(spectrum.sum())
        active = windows > windows.max() * 10 ** (ACTIVE_DB / 10)
        sources.append(
            SourceInfo(
                name,
                kind,
                energy=own / max(total, 1e-20),
                centroid=float((frequencies * spectrum).sum()) / max(own, 1e-20),
                activity=float(active.float().mean()) if own else 0.0,
            )
        )
    return tuple(sources)


def load(weights: str | None = None, device: torch.device | str = "cpu") -> StemSeparator:
    """The separator with its weights.

    Args:
        weights: file of `soundstage train`; None for the pretrained ones.
        device: of the network.

    Raises:
        WeightsError: the weights are missing, damaged, of another family, or of other bands or
            kinds of sources.
    """
    model = load_model(weights or FAMILY, StemUNetConfig, device)
    if (model.config.n_bands, model.config.kinds) != (FINE_BANDS, KINDS):
        raise WeightsError(
            f"{model.source}: the network is not one of {FINE_BANDS} bands and the kinds "
            f"{', '.join(KINDS)}."
        )
    if model.config.stride > MARGIN or (HOP + 2 * MARGIN) % model.config.stride:
        raise WeightsError(f"{model.source}: the network has too many scales.")
    dim = model.config.embedding_dim
    prototypes = model.weights.tensor(PROTOTYPES, None, (None, dim)).float().cpu()
    return StemSeparator(model.network, F.normalize(prototypes, dim=1))
