"""How near interpolated responses come to measured ones that were left out, for a folder of heads.

    python benchmarks/head_interpolation.py --heads FOLDER [--only WORD] [--write]

Two ways to leave out: a third of the directions, drawn at random, all at once; and one at a time,
for 48 directions drawn at random, each seen from its 80 nearest neighbors (a Delaunay triangle
depends on no others). Three errors, each beside that of the nearest measurement left:

- spectrum: root mean square over the bins from 100 Hz to 16 kHz (or the Nyquist frequency) of the
  difference of levels in dB, averaged over ears and directions;
- bands: the same for the levels of gammatone bands at a spacing of one ERB;
- ITD: mean absolute error of the time difference between the ears, measured on the responses as
  the largest cross-correlation of the ears below 1.5 kHz, which the interpolation does not use.

The ways: `levels` interpolates levels in dB and has a minimum phase, `aligned` blends aligned
spectra and no more, `soundstage` is what the library does. With --write the table goes into
docs/binaural.md.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int
from pages import write_page

from soundstage.binaural import HrtfInterpolator, HrtfSet, read_hrtf
from soundstage.binaural.hrtf.onsets import minimum_phase
from soundstage.errors import InputError
from soundstage.spectra.bands import ERB_SLOPE, ERBS_PER_DECADE, erb_rate

PAGE = Path(__file__).parents[1] / "docs" / "binaural.md"
SINGLES, NEIGHBORS = 48, 80
LOWEST, HIGHEST = 100.0, 16_000.0  # Hz
HEADINGS = (
    "| head | directions | left out | way | spectrum, dB ↓ | of nearest | bands, dB ↓ | of nearest "
    "| ITD, µs ↓ | of nearest |\n"
    "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
)


class Split(NamedTuple):
    """Numbers of directions."""

    kept: Int[np.ndarray, " kept"]
    out: Int[np.ndarray, " out"]


class Errors(NamedTuple):
    """Means over ears and directions."""

    spectrum: float
    bands: float
    itd: float


class AlignedAlone(HrtfInterpolator):
    """Without the correction of levels."""

    def _corrected(
        self, spectra: Complex[np.ndarray, "n 2 bins"], levels: Float[np.ndarray, "n 2 bins"]
    ) -> Complex[np.ndarray, "n 2 bins"]:
        return spectra


class Levels(HrtfInterpolator):
    """Levels interpolated in dB, and the minimum phase that goes with them."""

    def responses(  # noqa: D102
        self, directions: Float[np.ndarray, "wanted 3"]
    ) -> Float[np.ndarray, "wanted 2 taps"]:
        corners, weights = self._mesh.locate(directions)
        logs = np.log(np.abs(self._aligned) + 1e-9)
        logs = np.einsum("nk,nkeb->neb", weights, logs[corners])
        delays = np.einsum("nk,nke->ne", weights, self._delays_at[corners])
        size = 4 * self.taps // 2 * 2
        fine = np.linspace(0, logs.shape[-1] - 1, size // 2 + 1)
        known = np.arange(logs.shape[-1])
        logs = np.apply_along_axis(lambda row: np.interp(fine, known, row), -1, logs)
        turn = np.exp(-2j * np.pi * np.fft.rfftfreq(size) * delays[..., None])
        return np.fft.irfft(minimum_phase(logs, size) * turn, size)[..., : self.taps]


WAYS = {
    "nearest": lambda head: HrtfInterpolator(head, nearest=True),
    "levels": Levels,
    "aligned": AlignedAlone,
    "soundstage": HrtfInterpolator,
}


def only(head: HrtfSet, kept: Int[np.ndarray, " kept"]) -> HrtfSet:
    """The head with some of its directions."""
    fields = ("directions", "distances", "responses", "delays")
    return replace(head, **{name: getattr(head, name)[kept] for name in fields})


def trials(head: HrtfSet, left_out: str) -> Iterator[Split]:
    """What is kept and what is left out, again and again."""
    order = np.random.default_rng(0).permutation(len(head.directions))
    if left_out == "a third":
        third = len(order) // 3
        yield Split(order[third:], order[:third])
        return
    for number in order[:SINGLES]:
        near = np.argsort(-head.directions @ head.directions[number])
        yield Split(near[1 : NEIGHBORS + 1], order[order == number])


def errors(
    made: Float[np.ndarray, "n 2 taps"], real: Float[np.ndarray, "n 2 shorter"], rate: int
) -> Float[np.ndarray, "n 3"]:
    """Of every direction: spectrum, bands, ITD."""
    size = 1 << (made.shape[-1] - 1).bit_length()
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    heard = (frequencies >= LOWEST) & (frequencies <= HIGHEST)
    centers = np.arange(float(erb_rate(LOWEST)), float(erb_rate(min(HIGHEST, 0.97 * rate / 2))))
    centers = (10 ** (centers / ERBS_PER_DECADE) - 1) / ERB_SLOPE
    widths = 1.019 * 24.7 * (1 + ERB_SLOPE * centers)
    bands = (1 + ((frequencies - centers[:, None]) / widths[:, None]) ** 2) ** -4.0
    power = [np.abs(np.fft.rfft(each, size)) ** 2 + 1e-20 for each in (made, real)]
    found = []
    for levels in ([each[..., heard] for each in power], [each @ bands.T for each in power]):
        difference = 10 * np.log10(levels[0] / levels[1])
        found.append(np.sqrt((difference**2).mean(axis=-1)).mean(axis=-1))
    itds = [[interaural_delay(pair, rate) for pair in each] for each in (made, real)]
    return np.stack([*found, 1e6 * np.abs(np.subtract(*itds))], axis=1)


def interaural_delay(pair: Float[np.ndarray, "2 taps"], rate: int) -> float:
    """Of the left ear behind the right one, in seconds, to 1 µs."""
    size = 1 << pair.shape[-1].bit_length()
    finer = -(-1_000_000 // rate)
    left, right = np.fft.rfft(pair, size)
    low_pass = 1 / (1 + (np.fft.rfftfreq(size, 1 / rate) / 1500) ** 8)
    cross = np.fft.irfft(left * right.conj() * low_pass, size * finer)
    reach = rate * finer // 1000  # 1 ms each way
    return float(np.roll(cross, reach)[: 2 * reach].argmax() - reach) / (rate * finer)


def measure(head: HrtfSet, left_out: str) -> dict[str, Errors]:
    """Errors of every way."""
    found: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    for kept, out in trials(head, left_out):
        for way, make in WAYS.items():
            made = make(only(head, kept)).responses(head.directions[out])
            found[way].append(errors(made, head.responses[out], head.rate))
    return {way: Errors(*np.concatenate(each).mean(axis=0)) for way, each in found.items()}


def rows(name: str, head: HrtfSet, left_out: str, found: dict[str, Errors]) -> list[str]:
    """Of the table."""
    nearest = found["nearest"]
    lines = []
    for way, mine in found.items():
        cells = [
            f"{value:.{digits}f} | {value / base:.2f}"
            for value, base, digits in zip(mine, nearest, (2, 2, 1), strict=True)
        ]
        lines.append(
            f"| {name} | {len(head.directions)} | {left_out} | {way} | {' | '.join(cells)} |"
        )
    return lines


def main() -> None:
    """Measure and print, head by head."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heads", type=Path, required=True)
    parser.add_argument("--only", default="", help="files whose name holds this")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    table = [HEADINGS]
    print(HEADINGS)
    for path in sorted(asked.heads.glob("*.sofa")):
        if asked.only not in path.name:
            continue
        try:
            head = read_hrtf(path)
        except InputError as error:
            print(f"<!-- {error} -->")
            continue
        for left_out in ("a third", "one"):
            table += rows(path.stem, head, left_out, measure(head, left_out))
            print("\n".join(table[-len(WAYS) :]), flush=True)
    if asked.write:
        write_page(PAGE, {"head interpolation": "\n".join(table)})


if __name__ == "__main__":
    main()
