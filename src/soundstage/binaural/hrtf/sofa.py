"""Reading HRTF sets from SOFA files (AES69), convention SimpleFreeFieldHRIR.

Spherical or Cartesian coordinates, either order of the ears and any pose of the listener are
converted to one form, `HrtfSet`. Sizes are checked against `MAX_VALUES` before data is read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from soundstage.audio import MAX_RATE, MIN_RATE
from soundstage.binaural.geometry import to_cartesian
from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.errors import InputError

if TYPE_CHECKING:
    from sofar import SofaStream

CONVENTION = "SimpleFreeFieldHRIR"
MAX_VALUES = 1 << 26  # samples of all responses: 0.5 GB in double precision, 5 times any known set
_OTHERS = (  # content of other conventions, by a part of their name
    ("RIR", "responses of a room"),
    ("HRTF", "transfer functions in the frequency domain"),
    ("TF", "transfer functions in the frequency domain"),
    ("SOS", "second-order sections"),
    ("Headphone", "responses of headphones"),
)


def read_hrtf(path: str | Path) -> HrtfSet:
    """Read an HRTF set from a SOFA file.

    Raises:
        InputError: the file is missing, damaged, too large, or of another convention.
    """
    from sofar import SofaStream  # takes most of a second

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: file not found.")
    try:
        with SofaStream(str(path)) as file:
            return _hrtf_set(path, file)
    except (OSError, RuntimeError, UnicodeError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is damaged or not a SOFA file ({error}).") from error


def _hrtf_set(path: Path, file: "SofaStream") -> HrtfSet:
    _check_convention(path, file)
    shape = tuple(getattr(getattr(file, "Data_IR", None), "shape", ()))
    if len(shape) != 3 or not all(shape):
        raise InputError(f"{path}: has no impulse responses (Data.IR).")
    count, ears, taps = shape
    if ears != 2:
        raise InputError(f"{path}: has {ears} receiver{'s' * (ears > 1)}; an HRTF set has 2 ears.")
    if count * ears * taps > MAX_VALUES:
        raise InputError(
            f"{path}: has {count:,} directions of {taps:,} samples; at most {MAX_VALUES:,} samples "
            "in all are read: it is damaged, or must be shortened."
        )
    sources = _sources(path, file, count)
    distances = np.linalg.norm(sources, axis=1)
    if distances.min() < 1e-3:
        raise InputError(f"{path}: a source is at the center of the head; correct SourcePosition.")
    directions = sources / distances[:, None]
    responses = _values(path, file, "Data_IR", [shape]).astype(np.float32)
    delays = np.zeros((count, 2))
    if hasattr(file, "Data_Delay"):
        delays = delays + _values(path, file, "Data_Delay", [(1, 2), (count, 2)])
    rate = _rate(path, file)
    if delays.min() < 0 or delays.max() > rate:
        raise InputError(f"{path}: a delay is not 0 to 1 s; correct Data.Delay.")
    if _swapped(path, file, count):
        responses, delays = responses[:, ::-1], delays[:, ::-1]
    _check_levels(path, directions, responses)
    texts = (_text(file, "DatabaseName"), _text(file, "ListenerShortName"))
    name = " ".join(text for text in texts if text.lower() not in ("", "none"))
    license = _text(file, "License")
    return HrtfSet(directions, distances, responses, delays, rate, name=name, license=license)


def _check_convention(path: Path, file: "SofaStream") -> None:
    convention = _text(file, "SOFAConventions")
    if not convention:
        raise InputError(
            f"{path}: is not a SOFA file, it has no convention; choose one of {CONVENTION}."
        )
    if convention != CONVENTION:
        holds = next((content for part, content in _OTHERS if part in convention), "other data")
        raise InputError(
            f"{path}: has the SOFA convention {convention} ({holds}); choose a file of "
            f"{CONVENTION}, free-field HRIRs."
        )
    if _text(file, "DataType") != "FIR":
        raise InputError(
            f"{path}: has the data type {_text(file, 'DataType')!r}; it must be 'FIR'."
        )
    room = _text(file, "RoomType")
    if room and room.lower() != "free field":
        raise InputError(
            f"{path}: has responses of a room (RoomType is {room!r}); choose free-field responses."
        )


def _text(file: "SofaStream", name: str) -> str:
    return str(getattr(file, f"GLOBAL_{name}", "")).strip()


def _values(
    path: Path, file: "SofaStream", name: str, shapes: Sequence[tuple[int, ...]]
) -> Float[np.ndarray, "..."]:
    """A variable in double precision; it must be finite and have one of these shapes."""
    label = name.replace("_", ".")
    variable: Any = getattr(file, name, None)
    if variable is None:
        raise InputError(f"{path}: has no {label}.")
    if tuple(variable.shape) not in shapes:
        expected = " or ".join(map(str, shapes))
        raise InputError(f"{path}: {label} has the shape {tuple(variable.shape)}, not {expected}.")
    values = np.ma.filled(np.ma.asarray(variable[:], dtype=np.float64), np.nan)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: {label} has values that are not finite.")
    return values


def _rate(path: Path, file: "SofaStream") -> int:
    rate = float(_values(path, file, "Data_SamplingRate", [(1,), ()]).reshape(()))
    if rate != int(rate) or not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(
            f"{path}: the sample rate of {rate:g} Hz is not an integer from {MIN_RATE:,} to "
            f"{MAX_RATE:,} Hz."
        )
    return int(rate)


def _points(
    path: Path, file: "SofaStream", name: str, shapes: Sequence[tuple[int, ...]], default: str = ""
) -> Float[np.ndarray, "... 3"]:
    """Cartesian positions in meters; coordinates are the last axis, except for receivers."""
    values = _values(path, file, name, shapes)
    if values.ndim == 3:
        values = np.moveaxis(values, 1, 2)
    kind = str(getattr(file, f"{name}_Type", default)).strip().lower()
    units = str(getattr(file, f"{name}_Units", "")).lower()
    if kind == "cartesian":
        return values
    if kind != "spherical" or "rad" in units:
        raise InputError(
            f"{path}: {name} is {kind!r} in {units!r}; it must be spherical in degrees or "
            "Cartesian."
        )
    return to_cartesian(values)


def _sources(path: Path, file: "SofaStream", count: int) -> Float[np.ndarray, "directions 3"]:
    """Source positions relative to the pose of the listener."""
    shapes = [(1, 3), (count, 3)]
    sources = _points(path, file, "SourcePosition", shapes, default="spherical")
    sources = np.broadcast_to(sources, (count, 3))
    if hasattr(file, "ListenerPosition"):
        sources = sources - _points(path, file, "ListenerPosition", shapes, default="cartesian")
    if not hasattr(file, "ListenerView"):
        return sources
    ahead = _points(path, file, "ListenerView", shapes, default="cartesian")
    up = np.array([[0.0, 0.0, 1.0]])
    if hasattr(file, "ListenerUp"):  # in the coordinates of the view
        kind = str(getattr(file, "ListenerView_Type", "cartesian"))
        up = _points(path, file, "ListenerUp", shapes, default=kind)
    left = np.cross(up, ahead)
    axes = np.stack(np.broadcast_arrays(ahead, left, np.cross(ahead, left)), axis=1)
    lengths = np.linalg.norm(axes, axis=2, keepdims=True)
    if lengths.min() < 1e-6:
        raise InputError(
            f"{path}: the view of the listener has no direction; correct ListenerView."
        )
    axes = np.broadcast_to(axes / lengths, (count, 3, 3))
    return np.einsum("nij,nj->ni", axes, sources)


def _swapped(path: Path, file: "SofaStream", count: int) -> bool:
    """Whether the right ear is the first receiver."""
    shapes = [(2, 3), (2, 3, 1), (2, 3, count)]
    ears = _points(path, file, "ReceiverPosition", shapes, default="cartesian")
    lateral = ears[..., 1].reshape(2, -1).mean(axis=1)
    if abs(lateral[0] - lateral[1]) < 1e-4:
        raise InputError(f"{path}: both ears are on one side; correct ReceiverPosition (left: +y).")
    return bool(lateral[0] < lateral[1])


def _check_levels(
    path: Path,
    directions: Float[np.ndarray, "directions 3"],
    responses: Float[np.ndarray, "directions 2 taps"],
) -> None:
    energy = (responses.astype(np.float64) ** 2).sum(axis=-1)
    silent = int((energy.min(axis=1) <= 0).sum())
    if silent:
        raise InputError(
            f"{path}: {silent} of {len(energy)} directions are silent at an ear; remove them or "
            "choose another file."
        )
    beside = np.abs(directions[:, 1]) > 0.7
    ratio = energy[beside, 0] / energy[beside, 1]
    nearer = (
        float((np.sign(directions[beside, 1]) * 10 * np.log10(ratio)).mean()) if ratio.size else 0
    )
    if nearer < -3:
        raise InputError(
            f"{path}: the far ear is {-nearer:.1f} dB louder than the near one: its ears are "
            "swapped or its azimuth is clockwise; correct ReceiverPosition or SourcePosition."
        )
