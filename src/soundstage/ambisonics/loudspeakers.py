"""Decoding to loudspeakers: AllRAD for any layout, EPAD for those that surround the listener.

*AllRAD* (Zotter and Frank 2012, "All-round Ambisonic panning and decoding") decodes to many virtual
loudspeakers v, evenly around, and pans each to the real ones by VBAP (Pulkki 1997):

    D = 1/V·Σ_v g(v)·y(v)ᵀ·diag(w)

Where the layout leaves the sphere open, above, below or behind, an imaginary loudspeaker closes it;
its share goes to its neighbors, with equal power.

*EPAD* (Zotter, Pomberger and Noisternig 2012) keeps the energy of every direction equal. With the
singular values of the harmonics of the layout, Y = U·S·Vᵀ,

    D = √(1/L)·U·Vᵀ·diag(w)

*Weights* w. "max-re" makes the energy come from the direction as tightly as can be,
w_l = P_l(cos(137.9°/(N + 1.51))), "basic" has none. Both decoders give a plane wave an energy of 1,
on the mean over all directions. (Zotter and Frank 2019, Ambisonics, §4.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from soundstage.ambisonics.harmonics import degrees, even_directions, harmonics, to_direction
from soundstage.errors import OptionError, quoted

DecodingMethod = Literal["allrad", "epad"]
Weights = Literal["basic", "max-re"]
VIRTUAL = 2_000  # loudspeakers; the energy of AllRAD differs by 0.05 dB from that of 20,000
OPEN_ELEVATION = 60.0  # degrees from which on a loudspeaker closes the layout above or below
OPEN_GAP = 120.0  # degrees of azimuth between neighbors, from which on the layout is open there


@dataclass(frozen=True)
class Layout:
    """Loudspeakers around a listener.

    Attributes:
        name: such as "5.1".
        labels: of the channels, such as "FL", in the order of the file.
        azimuths: in degrees counter-clockwise; None for a subwoofer, which gets no signal.
        elevations: in degrees up.
    """

    name: str
    labels: tuple[str, ...]
    azimuths: tuple[float | None, ...]
    elevations: tuple[float, ...]

    @property
    def full_range(self) -> Int[np.ndarray, " loudspeakers"]:
        """Numbers of the channels that are no subwoofer."""
        return np.array([n for n, azimuth in enumerate(self.azimuths) if azimuth is not None])

    @property
    def directions(self) -> Float[np.ndarray, "loudspeakers 3"]:
        """Of the channels that are no subwoofer."""
        pairs = zip(self.azimuths, self.elevations, strict=True)
        used = [(azimuth, elevation) for azimuth, elevation in pairs if azimuth is not None]
        return to_direction(*np.array(used, dtype=float).T)

    @property
    def is_flat(self) -> bool:
        """Whether all loudspeakers are at the height of the ears."""
        return not any(self.elevations)


def _layout(name: str, **places: float | tuple[float, float] | None) -> Layout:
    pairs = [place if isinstance(place, tuple) else (place, 0.0) for place in places.values()]
    azimuths, elevations = zip(*pairs, strict=True)
    return Layout(name, tuple(places), azimuths, elevations)


_FRONT: dict[str, float | tuple[float, float] | None]
_FRONT = {"FL": 30, "FR": -30, "FC": 0, "LFE": None}
_TOP = {"TFL": (45, 45), "TFR": (-45, 45), "TBL": (135, 45), "TBR": (-135, 45)}
_BACK = {"BL": 135, "BR": -135, "SL": 90, "SR": -90}
_CORNER = float(np.degrees(np.arctan(np.sqrt(0.5))))  # degrees, elevation of a corner of a cube

LAYOUTS = {
    layout.name: layout
    for layout in (
        _layout("quad", FL=45, FR=-45, BL=135, BR=-135),
        _layout("5.1", **_FRONT, SL=110, SR=-110),
        _layout("7.1", **_FRONT, **_BACK),
        _layout("5.1.4", **_FRONT, SL=110, SR=-110, **_TOP),
        _layout("7.1.4", **_FRONT, **_BACK, **_TOP),
        _layout(
            "hexagon", **{f"L{n + 1}": azimuth for n, azimuth in enumerate(range(30, 390, 60))}
        ),
        _layout("octagon", **{f"L{n + 1}": azimuth for n, azimuth in enumerate(range(0, 360, 45))}),
        _layout(
            "cube",
            **{
                f"{height}{side}{name}": (azimuth, elevation)
                for height, elevation in (("U", _CORNER), ("D", -_CORNER))
                for name, side, azimuth in (
                    ("L", "F", 45.0),
                    ("R", "F", -45.0),
                    ("L", "B", 135.0),
                    ("R", "B", -135.0),
                )
            },
        ),
    )
}
"""Layouts by name; channels in the order of WAV files (ITU-R BS.2051 and SMPTE ST 2036)."""


def find_layout(name: str) -> Layout:
    """A layout by its name.

    Raises:
        OptionError: there is none.
    """
    if name not in LAYOUTS:
        raise OptionError(f"There is no layout {quoted(name)}: choose one of {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]


def decoding_matrix(
    layout: Layout,
    order: int,
    *,
    method: DecodingMethod = "allrad",
    weights: Weights = "max-re",
) -> Float[np.ndarray, "loudspeakers channels"]:
    """Gains from AmbiX channels to loudspeakers; zeros for a subwoofer.

    Args:
        layout: of the loudspeakers.
        order: of the field, 1 to 3.
        method: "allrad", or "epad".
        weights: "max-re", or "basic".

    Raises:
        OptionError: the method is unknown, or "epad" is for a layout that does not surround the
            listener or has fewer loudspeakers than the field has channels.
    """
    directions = layout.directions
    if method == "allrad":
        panned, virtual = _virtual_gains(directions)
        matrix = panned.T @ _n3d(virtual, order) / len(virtual)
    elif method == "epad":
        matrix = _epad(layout, order)
    else:
        raise OptionError(f"There is no decoder {quoted(method)}: choose allrad or epad.")
    degree = degrees(order)
    matrix = matrix * order_weights(order, weights)[degree] * np.sqrt(2 * degree + 1)  # of SN3D
    energy = np.square(harmonics(even_directions(VIRTUAL), order) @ matrix.T).sum(axis=1).mean()
    decoded = np.zeros((len(layout.labels), len(degree)))
    decoded[layout.full_range] = matrix / np.sqrt(energy)
    return decoded


def order_weights(order: int, weights: Weights) -> Float[np.ndarray, " degrees"]:
    """The weight w_l of every degree.

    Raises:
        OptionError: there are no such weights.
    """
    if weights == "basic":
        return np.ones(order + 1)
    if weights != "max-re":
        raise OptionError(f"There are no weights {quoted(weights)}: choose max-re or basic.")
    from scipy.special import eval_legendre

    return eval_legendre(np.arange(order + 1), np.cos(np.radians(137.9 / (order + 1.51))))


def _n3d(directions: Float[np.ndarray, "points 3"], order: int) -> Float[np.ndarray, "points _"]:
    return harmonics(directions, order) * np.sqrt(2 * degrees(order) + 1)


def _epad(layout: Layout, order: int) -> Float[np.ndarray, "loudspeakers channels"]:
    """D without weights, for channels in N3D."""
    values = _n3d(layout.directions, order)
    if layout.is_flat or values.shape[0] < values.shape[1]:
        raise OptionError(
            f"epad is for layouts around the listener with {values.shape[1]} loudspeakers and "
            f"more, not for {layout.name}: choose allrad."
        )
    left, _, right = np.linalg.svd(values, full_matrices=False)
    return left @ right / np.sqrt(len(values))


def _virtual_gains(
    directions: Float[np.ndarray, "loudspeakers 3"],
) -> tuple[Float[np.ndarray, "virtual loudspeakers"], Float[np.ndarray, "virtual 3"]]:
    """VBAP gains of evenly spread directions, and these."""
    from scipy.spatial import ConvexHull

    virtual = even_directions(VIRTUAL)
    closed = np.concatenate([directions, _imaginary(directions)])
    triangles = ConvexHull(closed).simplices
    inverses = np.linalg.inv(closed[triangles])  # rows are loudspeakers: d = g·rows
    gains = np.einsum("vi,tij->vtj", virtual, inverses)
    best = gains.min(axis=2).argmax(axis=1)  # the triangle in which the direction lies
    panned = np.zeros((len(virtual), len(closed)))
    rows = np.arange(len(virtual))
    np.put_along_axis(panned, triangles[best], gains[rows, best].clip(0), axis=1)
    panned /= np.linalg.norm(panned, axis=1, keepdims=True)
    real = len(directions)
    squares = np.square(panned)
    for number in range(real, len(closed)):
        around = {*triangles[(triangles == number).any(axis=1)].ravel().tolist()}
        neighbors = [each for each in sorted(around) if each < real]
        squares[:, neighbors] += squares[:, [number]] / len(neighbors)
    return np.sqrt(squares[:, :real]), virtual


def _imaginary(
    directions: Float[np.ndarray, "loudspeakers 3"],
) -> Float[np.ndarray, "imaginary 3"]:
    """Directions that close the layout."""
    added: list[Sequence[float]] = []
    elevations = np.degrees(np.arcsin(directions[:, 2]))
    if elevations.max() < OPEN_ELEVATION and not _surrounds(directions, 1):
        added.append((0.0, 0.0, 1.0))
    if elevations.min() > -OPEN_ELEVATION and not _surrounds(directions, -1):
        added.append((0.0, 0.0, -1.0))
    azimuths = np.sort(np.degrees(np.arctan2(directions[:, 1], directions[:, 0])))
    gaps = np.diff(np.append(azimuths, azimuths[0] + 360))
    added += [
        to_direction(azimuth + gap / 2, 0.0).tolist()
        for azimuth, gap in zip(azimuths, gaps, strict=True)
        if gap > OPEN_GAP
    ]
    return np.array(added).reshape(-1, 3)


def _surrounds(directions: Float[np.ndarray, "loudspeakers 3"], sign: int) -> bool:
    """Whether at least four loudspeakers, such as those of a cube, are well above or below."""
    return int((sign * directions[:, 2] > np.sin(np.radians(30.0))).sum()) >= 4
