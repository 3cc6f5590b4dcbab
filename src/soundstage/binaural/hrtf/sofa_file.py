"""The content of a SOFA file (AES69): checked, and converted to the form of `HrtfSet`.

Spherical or Cartesian coordinates, either order of the ears and any pose of the listener become one
form. Two conventions hold free-field head-related impulse responses. SimpleFreeFieldHRIR has a
source position for every measurement. FreeFieldHRIR has a further axis of emitters around the
source, whose positions add up to directions; its spherical harmonics are not supported.

Sizes are checked before data is read. What all responses share ahead of their onset is the travel
time of the sound, which no listener needs: it is cut down to `LEAD`, as is silence behind them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32

from soundstage.audio import MAX_RATE, MIN_RATE
from soundstage.binaural.geometry import to_cartesian
from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.errors import InputError, quoted, reason

if TYPE_CHECKING:
    from netCDF4 import Dataset

SIMPLE, EMITTERS = "SimpleFreeFieldHRIR", "FreeFieldHRIR"
_TYPES = {SIMPLE: "FIR", EMITTERS: "FIR-E"}  # DataType of a convention
_OTHERS = {  # content of the other conventions
    "SingleRoomDRIR": "responses of a room",
    "SingleRoomSRIR": "responses of a room",
    "SingleRoomMIMOSRIR": "responses of a room",
    "MultiSpeakerBRIR": "responses of a room",
    "SimpleFreeFieldHRTF": "transfer functions in the frequency domain",
    "FreeFieldHRTF": "transfer functions in the frequency domain",
    "SimpleFreeFieldTF": "transfer functions in the frequency domain",
    "GeneralTF": "transfer functions in the frequency domain",
    "GeneralTF-E": "transfer functions in the frequency domain",
    "SimpleFreeFieldHRSOS": "second-order sections",
    "SimpleFreeFieldSOS": "second-order sections",
    "GeneralSOS": "second-order sections",
    "SimpleHeadphoneIR": "responses of headphones",
    "SimpleHeadphoneTF": "responses of headphones",
    "FreeFieldDirectivityTF": "the directivity of a source",
    "GeneralFIR": "impulse responses of any kind",
    "GeneralFIR-E": "impulse responses of any kind",
    "GeneralFIRE": "impulse responses of any kind",
}
MAX_BYTES = 1 << 29  # of a file
MAX_VALUES = 1 << 26  # samples of all responses: 0.5 GB in double precision, 5 times any known set
MAX_TAPS = 4096  # of a response, trimmed; the interpolation takes time with their square
MAX_SPREAD = 0.05  # s between the shortest and the longest delay: 17 m
LEAD = 0.005  # s kept ahead of the earliest onset; known sets have 1 to 3 ms
LONG = 1024  # taps of a response whose silent end is cut
_ONSET, _SILENCE = 1e-3, 1e-5  # of the largest sample of the set
_LARGEST = 1e9  # of any value; squares and sums of larger ones overflow


def load_sofa(path: Path) -> HrtfSet:
    """Read an HRTF set in this process; see `sofa.read_hrtf`.

    Raises:
        InputError: the file cannot be read, is damaged, too large, or of another convention.
    """
    from netCDF4 import Dataset

    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{path}: has {size:,} bytes; an HRTF set has at most {MAX_BYTES:,}.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    try:
        file = Dataset("set", memory=content)  # so that its name cannot be taken for an address
    except Exception as error:  # HDF5 and netCDF have exceptions of many kinds
        raise _damaged(path, error) from error
    with file:
        return SofaFile(path, file).hrtf_set()


def _damaged(path: Path, error: Exception) -> InputError:
    why = reason(error)
    if isinstance(error, OSError):  # netCDF's own codes are negative, others mislead
        why = str(error.strerror) if (error.errno or 0) < 0 else "incomplete"
    return InputError(f"{path}: is damaged or not a SOFA file ({why}).")


class SofaFile:
    """An open file; every method raises InputError if it breaks a rule."""

    def __init__(self, path: Path, file: "Dataset") -> None:
        self._path, self._file = path, file

    def hrtf_set(self) -> HrtfSet:
        """All responses, as an HRTF set."""
        convention = self._convention()
        variable = self._variable("Data.IR")
        shape = tuple(variable.shape) if variable is not None else ()
        if len(shape) != (4 if convention == EMITTERS else 3) or not all(shape):
            raise self._refused("has no impulse responses (Data.IR)")
        measurements, ears, taps = shape[:3]
        emitters = shape[3] if convention == EMITTERS else 1
        count = measurements * emitters
        if ears != 2:
            raise self._refused(f"has {ears} receiver{'s' * (ears > 1)}; an HRTF set has 2 ears")
        if count * ears * taps > MAX_VALUES:
            raise self._refused(
                f"has {count:,} directions of {taps:,} samples; at most {MAX_VALUES:,} samples in "
                "all are read: it is damaged, or must be shortened"
            )
        sources = self._sources(measurements, emitters if convention == EMITTERS else None)
        distances = np.linalg.norm(sources, axis=1)
        if distances.min() < 1e-3:
            raise self._refused("a source is at the center of the head; correct SourcePosition")
        directions = sources / distances[:, None]
        responses = self._values("Data.IR", [shape]).astype(np.float32)
        rate = self._rate()
        delays = self._delays(shape, rate)
        if convention == EMITTERS:
            responses = np.moveaxis(responses, 3, 1).reshape(count, 2, taps)
            delays = np.moveaxis(delays, 2, 1).reshape(count, 2)
        if self._swapped(measurements):
            responses, delays = responses[:, ::-1], delays[:, ::-1]
        self._check_levels(directions, responses)
        responses, delays = trimmed(responses, delays, rate)
        if responses.shape[-1] > MAX_TAPS:
            raise self._refused(
                f"its responses have {responses.shape[-1]:,} samples; at most {MAX_TAPS:,} are "
                "read: cut their ends"
            )
        texts = (self._text("DatabaseName"), self._text("ListenerShortName"))
        name = " ".join(text for text in texts if text.lower() not in ("", "none"))
        license = self._text("License")
        return HrtfSet(directions, distances, responses, delays, rate, name=name, license=license)

    def _refused(self, problem: str) -> InputError:
        return InputError(f"{self._path}: {problem}.")

    def _convention(self) -> str:
        convention = self._text("SOFAConventions")
        if not convention:
            raise self._refused(f"is not a SOFA file, it has no convention; choose one of {SIMPLE}")
        if convention not in _TYPES:
            content = _OTHERS.get(convention, "other data")
            raise self._refused(
                f"has the SOFA convention {quoted(convention)} ({content}); choose a file of "
                f"{SIMPLE}, free-field HRIRs"
            )
        data_type, expected = self._text("DataType"), _TYPES[convention]
        if data_type != expected:
            raise self._refused(f"has the data type {quoted(data_type)}; it must be '{expected}'")
        room = self._text("RoomType")
        if room and room.lower() != "free field":
            raise self._refused(
                f"has responses of a room (RoomType is {quoted(room)}); choose free-field responses"
            )
        return convention

    def _text(self, name: str, owner: Any = None) -> str:
        """An attribute of the file or of a variable, or ""."""
        try:
            return str((self._file if owner is None else owner).getncattr(name)).strip()
        except (AttributeError, UnicodeError, RuntimeError, ValueError):
            return ""

    def _variable(self, name: str) -> Any:
        """A variable, or None."""
        return self._file.variables.get(name)

    def _values(self, name: str, shapes: Sequence[tuple[int, ...]]) -> Float[np.ndarray, "..."]:
        """A variable in double precision; it must be finite and have one of these shapes."""
        variable = self._variable(name)
        if variable is None:
            raise self._refused(f"has no {name}")
        if tuple(variable.shape) not in shapes:
            expected = " or ".join(map(str, shapes))
            raise self._refused(f"{name} has the shape {tuple(variable.shape)}, not {expected}")
        try:
            values = np.ma.filled(np.ma.asarray(variable[:], dtype=np.float64), np.nan)
        except MemoryError:
            raise
        except Exception as error:  # as when it is opened
            raise _damaged(self._path, error) from error
        if not (np.abs(values) <= _LARGEST).all():
            raise self._refused(f"{name} has values that are not finite, or beyond {_LARGEST:g}")
        return values

    def _rate(self) -> int:
        rate = float(self._values("Data.SamplingRate", [(1,), ()]).reshape(()))
        if rate != int(rate) or not MIN_RATE <= rate <= MAX_RATE:
            raise self._refused(
                f"the sample rate of {rate:g} Hz is not an integer from {MIN_RATE:,} to "
                f"{MAX_RATE:,} Hz"
            )
        return int(rate)

    def _delays(self, shape: tuple[int, ...], rate: int) -> Float[np.ndarray, "m 2 *emitters"]:
        count, _, _, *emitters = shape
        delays = np.zeros((count, 2, *emitters))
        if self._variable("Data.Delay") is not None:
            ends = {(1,) * len(emitters), tuple(emitters)}
            shapes = [(first, 2, *end) for first in (1, count) for end in sorted(ends)]
            delays = delays + self._values("Data.Delay", shapes)
        if delays.min() < 0 or delays.max() > rate:
            raise self._refused("a delay is not 0 to 1 s; correct Data.Delay")
        if np.ptp(delays) > MAX_SPREAD * rate:
            raise self._refused(
                f"delays differ by more than {1000 * MAX_SPREAD:g} ms; correct Data.Delay"
            )
        return delays

    def _points(
        self, name: str, shapes: Sequence[tuple[int, ...]], default: str = ""
    ) -> Float[np.ndarray, "... 3"]:
        """Cartesian positions in meters; coordinates are the last axis, except for receivers."""
        values = self._values(name, shapes)
        if values.ndim == 3:
            values = np.moveaxis(values, 1, 2)
        variable = self._variable(name)
        kind = (self._text("Type", variable) or default).lower()
        units = self._text("Units", variable).lower()
        if kind == "cartesian":
            return values
        if kind != "spherical" or "rad" in units:
            raise self._refused(
                f"{name} is {quoted(kind)} in {quoted(units)}; it must be spherical in degrees or "
                "Cartesian"
            )
        return to_cartesian(values)

    def _sources(self, count: int, emitters: int | None) -> Float[np.ndarray, "directions 3"]:
        """Source positions relative to the pose of the listener."""
        shapes = [(1, 3), (count, 3)]
        sources = self._points("SourcePosition", shapes, default="spherical")
        sources = np.broadcast_to(sources, (count, 3))
        if self._variable("ListenerPosition") is not None:
            sources = sources - self._points("ListenerPosition", shapes, default="cartesian")
        if emitters is not None:
            sources = (sources[:, None] + self._emitters(emitters)).reshape(-1, 3)
        if self._variable("ListenerView") is None:
            return sources
        ahead = self._points("ListenerView", shapes, default="cartesian")
        up = np.array([[0.0, 0.0, 1.0]])
        if self._variable("ListenerUp") is not None:  # in the coordinates of the view
            kind = self._text("Type", self._variable("ListenerView")) or "cartesian"
            up = self._points("ListenerUp", shapes, default=kind)
        left = np.cross(up, ahead)
        axes = np.stack(np.broadcast_arrays(ahead, left, np.cross(ahead, left)), axis=1)
        lengths = np.linalg.norm(axes, axis=2, keepdims=True)
        if lengths.min() < 1e-6:
            raise self._refused("the view of the listener has no direction; correct ListenerView")
        axes = np.broadcast_to(axes / lengths, (count, 3, 3)).repeat(emitters or 1, axis=0)
        return np.einsum("nij,nj->ni", axes, sources)

    def _emitters(self, count: int) -> Float[np.ndarray, "emitters 3"]:
        """Positions of the emitters relative to the source, which must look ahead."""
        variable = self._variable("EmitterPosition")
        if variable is not None and "harmonic" in self._text("Type", variable).lower():
            raise self._refused(f"its directions are spherical harmonics; export it as {SIMPLE}")
        view = self._variable("SourceView")
        if view is not None and np.abs(self._points("SourceView", [(1, 3)]) - (1, 0, 0)).max() > 0:
            raise self._refused(f"its source is turned (SourceView); export it as {SIMPLE}")
        return self._points("EmitterPosition", [(count, 3), (count, 3, 1)]).reshape(count, 3)

    def _swapped(self, count: int) -> bool:
        """Whether the right ear is the first receiver."""
        shapes = [(2, 3), (2, 3, 1), (2, 3, count)]
        ears = self._points("ReceiverPosition", shapes, default="cartesian")
        lateral = ears[..., 1].reshape(2, -1).mean(axis=1)
        if abs(lateral[0] - lateral[1]) < 1e-4:
            raise self._refused("both ears are on one side; correct ReceiverPosition (left: +y)")
        return bool(lateral[0] < lateral[1])

    def _check_levels(
        self,
        directions: Float[np.ndarray, "directions 3"],
        responses: Float32[np.ndarray, "directions 2 taps"],
    ) -> None:
        energy = (responses.astype(np.float64) ** 2).sum(axis=-1)
        silent = int((energy.min(axis=1) <= 0).sum())
        if silent:
            raise self._refused(
                f"{silent} of {len(energy)} directions are silent at an ear; remove them or choose "
                "another file"
            )
        beside = np.abs(directions[:, 1]) > 0.7
        level = 10 * np.log10(energy[beside, 0] / energy[beside, 1])
        nearer = float((np.sign(directions[beside, 1]) * level).mean()) if level.size else 0.0
        if nearer < -3:
            raise self._refused(
                f"the far ear is {-nearer:.1f} dB louder than the near one: its ears are swapped "
                "or its azimuth is clockwise; correct ReceiverPosition or SourcePosition"
            )


def trimmed(
    responses: Float32[np.ndarray, "directions 2 taps"],
    delays: Float[np.ndarray, "directions 2"],
    rate: int,
) -> tuple[Float32[np.ndarray, "directions 2 taps"], Float[np.ndarray, "directions 2"]]:
    """Responses and delays with at most `LEAD` ahead of the earliest onset.

    Long responses also lose the silence behind them. Differences of delays are untouched.
    """
    peaks = np.abs(responses).max(axis=(0, 1))
    onset = int((peaks > _ONSET * peaks.max()).argmax())
    common = int(delays.min())
    surplus = max(common + onset - round(LEAD * rate), 0)
    from_delays = min(surplus, common)
    start = min(surplus - from_delays, onset)
    stop = len(peaks)
    if stop - start > LONG:
        stop = int(np.flatnonzero(peaks > _SILENCE * peaks.max())[-1]) + 1
    return responses[..., start : max(stop, start + 1)], delays - from_delays
