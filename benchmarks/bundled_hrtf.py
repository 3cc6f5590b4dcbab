"""The bundled HRTF set beside the measurement that it is derived from.

    python benchmarks/bundled_hrtf.py --measured MIT_KEMAR_normal_pinna.sofa [--write]

Octave-band levels in dB at the left ear and in the mean over the sphere, measured and bundled; then
ILD (third octaves) and ITD (onsets) of the bundled set for sources to the left. With --write the
tables go into docs/binaural.md.
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
DIRECTIONS = {  # left ear; azimuth and elevation in degrees
    "ahead": (0, 0),
    "left (near ear)": (90, 0),
    "right (far ear)": (270, 0),
    "behind": (180, 0),
    "above": (0, 90),
}
AZIMUTHS = (10, 30, 60, 90, 120, 150)


def powers(hrtf: HrtfSet) -> Float[np.ndarray, "directions 2 bins"]:
    """Power spectra of all responses."""
    return np.abs(np.fft.rfft(hrtf.responses.astype(np.float64), SIZE)) ** 2


def level(
    power: Float[np.ndarray, "*batch bins"], rate: int, center: float, width: float
) -> Float[np.ndarray, "*batch"]:
    """Mean over a band of `width` octaves, in dB."""
    frequencies = np.maximum(np.fft.rfftfreq(SIZE, 1 / rate), 1)
    band = np.abs(np.log2(frequencies / center)) <= width / 2
    return 10 * np.log10(power[..., band].mean(axis=-1))


def nearest_index(hrtf: HrtfSet, azimuth: float, elevation: float) -> int:
    """Index of the measurement nearest to a direction in degrees."""
    return int(hrtf.nearest(to_cartesian(np.array([[azimuth, elevation, 1.0]])))[0])


def spectra_table(hrtfs: dict[str, HrtfSet]) -> str:
    """Octave-band levels."""
    lines = [
        "| left ear, octave bands, dB | " + " | ".join(f"{each} Hz" for each in OCTAVES) + " |",
        "| --- |" + " ---: |" * len(OCTAVES),
    ]
    for direction in [*DIRECTIONS, "mean over the sphere"]:
        for name, hrtf in hrtfs.items():
            power = powers(hrtf)
            if direction in DIRECTIONS:
                shown = power[nearest_index(hrtf, *DIRECTIONS[direction]), 0]
            else:
                shown = sphere_shares(hrtf) @ power.mean(axis=1)
            cells = [f"{level(shown, hrtf.rate, each, 1):.1f}" for each in OCTAVES]
            lines.append(f"| {direction}, {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def differences_table(hrtf: HrtfSet) -> str:
    """ITD and ILD, left relative to right."""
    lines = [
        "| azimuth | ITD, µs | " + " | ".join(f"{each} Hz, dB" for each in THIRDS) + " |",
        "| ---: | ---: |" + " ---: |" * len(THIRDS),
    ]
    power, onsets = powers(hrtf), onset_delays(hrtf.responses, hrtf.rate)
    for azimuth in AZIMUTHS:
        index = nearest_index(hrtf, azimuth, 0)
        itd = 1e6 * (onsets[index, 1] - onsets[index, 0]) / hrtf.rate
        pairs = [level(power[index], hrtf.rate, each, 1 / 3) for each in THIRDS]
        cells = [f"{left - right:.1f}" for left, right in pairs]
        lines.append(f"| {azimuth}° | {itd:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--measured", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    hrtfs = {"measured": read_hrtf(options.measured), "bundled": load_hrtf()}
    tables = f"{spectra_table(hrtfs)}\n\n{differences_table(hrtfs['bundled'])}"
    print(tables)
    if options.write:
        write_page(PAGE, {"bundled hrtf": tables})


if __name__ == "__main__":
    main()
