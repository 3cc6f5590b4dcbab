"""Errors of HRTF interpolation against held-out measurements, for a folder of SOFA files.

    python benchmarks/hrtf_interpolation.py --hrtfs FOLDER [--only WORD] [--write]

Held out are a random third of the directions at once, or one at a time, for 48 random directions,
each interpolated from its 80 nearest neighbors (a Delaunay triangle depends on no others). Three
errors, each also relative to that of the nearest measurement:

- spectrum: root mean square over the bins from 100 Hz to 16 kHz (or the Nyquist frequency) of the
  level difference in dB, averaged over ears and directions;
- bands: the same for gammatone bands at a spacing of one ERB;
- ITD: mean absolute error of the interaural time difference, the maximum of the cross-correlation
  below 1.5 kHz, which the interpolation does not use.

`levels` interpolates levels in dB with minimum phase, `aligned` interpolates time-aligned spectra
without magnitude correction, `soundstage` is the method of the library. With --write the table goes
into docs/binaural.md.
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
from soundstage.spectra.filterbanks import ERB_SLOPE, ERBS_PER_DECADE, erb_rate

PAGE = Path(__file__).parents[1] / "docs" / "binaural.md"
SINGLES, NEIGHBORS = 48, 80
LOWEST, HIGHEST = 100.0, 16_000.0  # Hz
HEADINGS = (
    "| HRTF set | directions | held out | interpolation | spectrum, dB ↓ | vs nearest "
    "| bands, dB ↓ | vs nearest | ITD, µs ↓ | vs nearest |\n"
    "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
)


class Split(NamedTuple):
    """Indices of directions."""

    kept: Int[np.ndarray, " kept"]
    held_out: Int[np.ndarray, " out"]


class Errors(NamedTuple):
    """Means over ears and directions."""

    spectrum: float
    bands: float
    itd: float


class AlignedAlone(HrtfInterpolator):
    """Without magnitude correction."""

    def _corrected(
        self, spectra: Complex[np.ndarray, "n 2 bins"], levels: Float[np.ndarray, "n 2 bins"]
    ) -> Complex[np.ndarray, "n 2 bins"]:
        return spectra


class Levels(HrtfInterpolator):
    """Levels interpolated in dB, with minimum phase."""

    def responses(  # noqa: D102
        self, directions: Float[np.ndarray, "points 3"]
    ) -> Float[np.ndarray, "points 2 taps"]:
        corners, weights = self._mesh.locate(directions)
        logs = np.log(np.abs(self._aligned) + 1e-9)
        logs = np.einsum("nk,nkeb->neb", weights, logs[corners])
        delays = np.einsum("nk,nke->ne", weights, self._delays_at[corners])
        size = 4 * self.taps // 2 * 2
        fine = np.linspace(0, logs.shape[-1] - 1, size // 2 + 1)
        known = np.arange(logs.shape[-1])
        logs = np.apply_along_axis(lambda level: np.interp(fine, known, level), -1, logs)
        turn = np.exp(-2j * np.pi * np.fft.rfftfreq(size) * delays[..., None])
        return np.fft.irfft(minimum_phase(logs, size) * turn, size)[..., : self.taps]


INTERPOLATIONS = {
    "nearest": lambda hrtf: HrtfInterpolator(hrtf, nearest=True),
    "levels": Levels,
    "aligned": AlignedAlone,
    "soundstage": HrtfInterpolator,
}


def subset(hrtf: HrtfSet, kept: Int[np.ndarray, " kept"]) -> HrtfSet:
    """The set with some of its directions."""
    fields = ("directions", "distances", "responses", "delays")
    return replace(hrtf, **{name: getattr(hrtf, name)[kept] for name in fields})


def splits(hrtf: HrtfSet, held_out: str) -> Iterator[Split]:
    """Splits into kept and held-out directions."""
    order = np.random.default_rng(0).permutation(len(hrtf.directions))
    if held_out == "a third":
        third = len(order) // 3
        yield Split(order[third:], order[:third])
        return
    for number in order[:SINGLES]:
        near = np.argsort(-hrtf.directions @ hrtf.directions[number])
        yield Split(near[1 : NEIGHBORS + 1], order[order == number])


def errors(
    found: Float[np.ndarray, "n 2 taps"], measured: Float[np.ndarray, "n 2 shorter"], rate: int
) -> Float[np.ndarray, "n 3"]:
    """Spectrum, bands and ITD, for each direction."""
    size = 1 << (found.shape[-1] - 1).bit_length()
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    audible = (frequencies >= LOWEST) & (frequencies <= HIGHEST)
    centers = np.arange(float(erb_rate(LOWEST)), float(erb_rate(min(HIGHEST, 0.97 * rate / 2))))
    centers = (10 ** (centers / ERBS_PER_DECADE) - 1) / ERB_SLOPE
    widths = 1.019 * 24.7 * (1 + ERB_SLOPE * centers)
    bands = (1 + ((frequencies - centers[:, None]) / widths[:, None]) ** 2) ** -4.0
    power = [np.abs(np.fft.rfft(each, size)) ** 2 + 1e-20 for each in (found, measured)]
    means = []
    for levels in ([each[..., audible] for each in power], [each @ bands.T for each in power]):
        difference = 10 * np.log10(levels[0] / levels[1])
        means.append(np.sqrt((difference**2).mean(axis=-1)).mean(axis=-1))
    itds = [[interaural_delay(pair, rate) for pair in each] for each in (found, measured)]
    return np.stack([*means, 1e6 * np.abs(np.subtract(*itds))], axis=1)


def interaural_delay(pair: Float[np.ndarray, "2 taps"], rate: int) -> float:
    """Delay of the left ear relative to the right one, in seconds, to 1 µs."""
    size = 1 << pair.shape[-1].bit_length()
    finer = -(-1_000_000 // rate)
    left, right = np.fft.rfft(pair, size)
    low_pass = 1 / (1 + (np.fft.rfftfreq(size, 1 / rate) / 1500) ** 8)
    cross = np.fft.irfft(left * right.conj() * low_pass, size * finer)
    most = rate * finer // 1000  # 1 ms either way
    return float(np.roll(cross, most)[: 2 * most].argmax() - most) / (rate * finer)


def measure(hrtf: HrtfSet, held_out: str) -> dict[str, Errors]:
    """Errors of each interpolation."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in INTERPOLATIONS}
    for kept, out in splits(hrtf, held_out):
        for name, interpolator in INTERPOLATIONS.items():
            responses = interpolator(subset(hrtf, kept)).responses(hrtf.directions[out])
            found[name].append(errors(responses, hrtf.responses[out], hrtf.rate))
    return {name: Errors(*np.concatenate(each).mean(axis=0)) for name, each in found.items()}


def table_lines(name: str, hrtf: HrtfSet, held_out: str, found: dict[str, Errors]) -> list[str]:
    """Lines of the table for one set."""
    nearest = found["nearest"]
    lines = []
    for interpolation, mine in found.items():
        cells = [
            f"{value:.{digits}f} | {value / base:.2f}"
            for value, base, digits in zip(mine, nearest, (2, 2, 1), strict=True)
        ]
        lines.append(
            f"| {name} | {len(hrtf.directions)} | {held_out} | {interpolation} "
            f"| {' | '.join(cells)} |"
        )
    return lines


def main() -> None:
    """Measure and print each set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hrtfs", type=Path, required=True)
    parser.add_argument("--only", default="", help="only files with this in their name")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    table = [HEADINGS]
    print(HEADINGS)
    for path in sorted(options.hrtfs.glob("*.sofa")):
        if options.only not in path.name:
            continue
        try:
            hrtf = read_hrtf(path)
        except InputError as error:
            print(f"<!-- {error} -->")
            continue
        for held_out in ("a third", "one"):
            table += table_lines(path.stem, hrtf, held_out, measure(hrtf, held_out))
            print("\n".join(table[-len(INTERPOLATIONS) :]), flush=True)
    if options.write:
        write_page(PAGE, {"hrtf interpolation": "\n".join(table)})


if __name__ == "__main__":
    main()
