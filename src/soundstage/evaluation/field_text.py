"""Text of a `FieldAnalysis`: values with units, a map in letters, for a terminal or a picture."""

import math
import shlex

import numpy as np

from soundstage.ambisonics.conventions import describe
from soundstage.metrics.field_analysis import AZIMUTHS, ELEVATIONS, FieldAnalysis, Peak

FIELD_BAND_COLUMNS = ("octave, Hz", "azimuth", "elevation", "diffuseness", "energy, dB")
DIFFUSE = 0.9  # from which on a field has no direction to speak of
_DIRECTIONS = (
    *("ahead", "ahead left", "left", "behind left"),
    *("behind", "behind right", "right", "ahead right"),
)
_SHADES = " .:-=+*#%@"
_SHADE_DB = 2.0  # of a step
_MAP_STEPS = 2, 3  # points of the map in a letter: 10 degrees wide, 15 high, as letters are


def direction_text(azimuth: float, elevation: float) -> str:
    """A direction in words and degrees.

    >>> direction_text(90.0, 0.0), direction_text(-120.0, 30.0)
    ('left (90°)', 'behind right (-120°, 30° up)')
    """
    name = _DIRECTIONS[round(azimuth / 45) % 8]
    height = f", {abs(elevation):.0f}° {'up' if elevation > 0 else 'down'}"
    return f"{name} ({_degrees(azimuth)}{height if round(elevation) else ''})"


def field_rows(analysis: FieldAnalysis) -> list[tuple[str, str]]:
    """Name and value of every measurement of the whole file."""
    levels = ", ".join(
        f"{n}: {level:.1f}" for n, level in enumerate(analysis.degree_levels_db) if n
    )
    return [
        ("format", f"{analysis.format}, {analysis.rate / 1000:g} kHz"),
        ("channels", str(analysis.channels)),
        ("length", f"{analysis.duration:.3g} s"),
        ("ambisonics", describe(analysis.order, analysis.convention)),
        ("convention", analysis.convention_reason),
        ("true peak", f"{analysis.true_peak_db:.1f} dBTP"),
        ("loudness of W", f"{analysis.loudness:.1f} LUFS"),
        ("power by degree, re W", f"{levels} dB"),
        ("mean direction", direction_text(analysis.azimuth, analysis.elevation)),
        ("diffuseness", f"{analysis.diffuseness:.2f}"),
        ("loudest directions", ", ".join(map(_peak, analysis.peaks)) or "-"),
    ]


def field_verdict(analysis: FieldAnalysis, source: str) -> list[str]:
    """What the file is, in sentences, and last a command that makes it heard."""
    facts = [f"Ambisonics, {describe(analysis.order, analysis.convention)}."]
    silent = math.isnan(analysis.degree_levels_db[0])
    if analysis.convention_guessed:
        facts.append(
            f"The convention is {analysis.convention_reason}: `convention` states it otherwise."
        )
    if silent:
        facts.append("W is silent.")
    elif analysis.used_order < analysis.order:
        empty = " and ".join(map(str, range(analysis.used_order + 1, analysis.order + 1)))
        facts.append(f"Degree {empty} is empty: the file holds order {analysis.used_order} alone.")
    if not silent and analysis.used_order == 0:
        facts.append("It has W alone, which is mono, and comes from nowhere.")
    elif not silent and analysis.diffuseness > DIFFUSE:
        facts.append("The sound comes from all around.")
    elif not silent:
        where = direction_text(analysis.azimuth, analysis.elevation)
        facts.append(f"Most of the sound comes from {where}.")
    facts.append(f"soundstage binaural {shlex.quote(source)}")
    return facts


def field_band_rows(analysis: FieldAnalysis) -> list[tuple[str, ...]]:
    """A row for each octave, with the columns `FIELD_BAND_COLUMNS`; "-" without energy."""
    return [
        (
            f"{band.center_hz:g}",
            _degrees(band.azimuth),
            _degrees(band.elevation),
            f"{band.diffuseness:.2f}",
            f"{10 * math.log10(band.energy_share):.1f}",
        )
        if band.energy_share > 1e-9
        else (f"{band.center_hz:g}", "-", "-", "-", "-")
        for band in analysis.bands
    ]


def map_lines(analysis: FieldAnalysis) -> list[str]:
    """Energy by direction in letters: left is 180 to the left, up is up."""
    wide, high = _MAP_STEPS
    levels = 10 * np.log10(np.maximum(analysis.map[::high, ::wide], 1e-9))
    steps = (levels - levels.max()) / _SHADE_DB + len(_SHADES) - 1
    shades = np.rint(steps).clip(0, len(_SHADES) - 1).astype(int)
    rows = zip(ELEVATIONS[::high], shades, strict=True)
    lines = [f"{elevation:+4.0f}° {''.join(_SHADES[s] for s in row)}" for elevation, row in rows]
    marks = {180.0: "180", 90.0: "90", 0.0: "0", -90.0: "-90"}
    axis = [" "] * (len(AZIMUTHS[::wide]) + 3)
    for number, azimuth in enumerate(AZIMUTHS[::wide]):
        if azimuth in marks:
            text = marks[azimuth]
            axis[number : number + len(text)] = text
    return [*lines, "      " + "".join(axis).rstrip()]


def _degrees(angle: float) -> str:
    return f"{round(angle)}°"


def _peak(peak: Peak) -> str:
    return f"{direction_text(peak.azimuth, peak.elevation)} {peak.level_db:+.1f} dB"
