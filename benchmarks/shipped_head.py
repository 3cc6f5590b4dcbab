"""What the shipped head does at a few directions, beside the measurement it was derived from.

    python benchmarks/shipped_head.py --measured MIT_KEMAR_normal_pinna.sofa [--write]

Levels of octave bands in dB, at one ear and in the mean over the sphere, before and after; then
differences between the ears of the shipped head for sources to the left, in level (thirds of an
octave) and in time (onsets). With --write the tables go into docs/binaural.md.
"""

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pages import write_page

from soundstage.binaural import HrtfSet, load_hrtf, read_hrtf, to_cartesian
from soundstage.binaural.hrtf.equalization import sphere_shares
from soundstage.binaural.hrtf.onsets import onset_delays

PAGE = Path(__file__).parents[1] / "docs" / "binaural.md"
SIZE = 8192  # bins of 5 Hz
OCTAVES = (63, 125, 250, 500, 1000, 2000, 4000, 8000, 16_000)  # Hz
THIRDS = (500, 1000, 2000, 5000, 10_000)  # Hz
PLACES = {  # left ear; azimuth and elevation in degrees
    "ahead": (0, 0),
    "left (near ear)": (90, 0),
    "right (far ear)": (270, 0),
    "behind": (180, 0),
    "above": (0, 90),
}
AZIMUTHS = (10, 30, 60, 90, 120, 150)


def powers(head: HrtfSet) -> Float[np.ndarray, "directions 2 bins"]:
    """Spectra of all responses."""
    return np.abs(np.fft.rfft(head.responses.astype(np.float64), SIZE)) ** 2


def level(
    power: Float[np.ndarray, "*batch bins"], rate: int, center: float, width: float
) -> Float[np.ndarray, "*batch"]:
    """Mean over a band of `width` octaves, in dB."""
    frequencies = np.maximum(np.fft.rfftfreq(SIZE, 1 / rate), 1)
    band = np.abs(np.log2(frequencies / center)) <= width / 2
    return 10 * np.log10(power[..., band].mean(axis=-1))


def number(head: HrtfSet, azimuth: float, elevation: float) -> int:
    """Of the measurement nearest to a direction in degrees."""
    return int(head.nearest(to_cartesian(np.array([[azimuth, elevation, 1.0]])))[0])


def spectra_table(heads: dict[str, HrtfSet]) -> str:
    """Levels of octave bands."""
    lines = [
        "| left ear, octave bands in dB | " + " | ".join(f"{each} Hz" for each in OCTAVES) + " |",
        "| --- |" + " ---: |" * len(OCTAVES),
    ]
    for place in [*PLACES, "mean over the sphere"]:
        for name, head in heads.items():
            power = powers(head)
            if place in PLACES:
                shown = power[number(head, *PLACES[place]), 0]
            else:
                shown = sphere_shares(head) @ power.mean(axis=1)
            cells = [f"{level(shown, head.rate, each, 1):.1f}" for each in OCTAVES]
            lines.append(f"| {place}, {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def differences_table(head: HrtfSet) -> str:
    """Between the ears, left over right."""
    lines = [
        "| azimuth | time, µs | " + " | ".join(f"{each} Hz, dB" for each in THIRDS) + " |",
        "| ---: | ---: |" + " ---: |" * len(THIRDS),
    ]
    power, onsets = powers(head), onset_delays(head.responses, head.rate)
    for azimuth in AZIMUTHS:
        place = number(head, azimuth, 0)
        time = 1e6 * (onsets[place, 1] - onsets[place, 0]) / head.rate
        pairs = [level(power[place], head.rate, each, 1 / 3) for each in THIRDS]
        cells = [f"{left - right:.1f}" for left, right in pairs]
        lines.append(f"| {azimuth}° | {time:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--measured", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    heads = {"measured": read_hrtf(asked.measured), "shipped": load_hrtf()}
    tables = f"{spectra_table(heads)}\n\n{differences_table(heads['shipped'])}"
    print(tables)
    if asked.write:
        write_page(PAGE, {"shipped head": tables})


if __name__ == "__main__":
    main()
