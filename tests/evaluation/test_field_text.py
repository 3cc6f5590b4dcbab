import numpy as np
import pytest

from sounds import noise
from soundstage.ambisonics.encoding import encode
from soundstage.ambisonics.harmonics import to_direction
from soundstage.evaluation.field_text import (
    direction_text,
    field_band_rows,
    field_rows,
    field_verdict,
    map_lines,
)
from soundstage.metrics.field_analysis import FieldAnalysis, analyze_field


def analysis(*, azimuth: float = 90.0, order: int = 1, empty: bool = False) -> FieldAnalysis:
    field = encode(noise(16_000).numpy(), to_direction(azimuth, 0.0), order)
    if empty:
        field[4:] = 0
    return analyze_field((field, 16_000))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((0.0, 0.0), "ahead (0°)"),
        ((180.0, 0.0), "behind (180°)"),
        ((-180.0, 0.0), "behind (-180°)"),
        ((-90.0, -30.0), "right (-90°, 30° down)"),
        ((-40.0, 0.2), "ahead right (-40°)"),
    ],
)
def test_directions_have_words(place: tuple[float, float], text: str) -> None:
    assert direction_text(*place) == text


def test_the_verdict_says_what_it_is_how_that_is_known_and_how_to_hear_it() -> None:
    said = field_verdict(analysis(), "a b.wav")
    assert said[0] == "Ambisonics, AmbiX (ACN, SN3D) of order 1."
    assert "a guess from its levels" in said[1]
    assert said[-2:] == [
        "Most of the sound comes from left (90°).",
        "soundstage binaural 'a b.wav'",
    ]
    assert "holds order 1 alone" in " ".join(field_verdict(analysis(order=3, empty=True), "x"))


def test_silence_has_a_verdict_and_rows() -> None:
    silent = analyze_field((np.zeros((9, 900)), 16_000))
    assert "W is silent." in field_verdict(silent, "x")
    assert dict(field_rows(silent))["true peak"] == "-inf dBTP"
    assert field_band_rows(silent)[0][1:] == ("-", "-", "-", "-")
    assert len(map_lines(silent)) == 14


def test_the_map_is_darkest_where_the_source_is() -> None:
    lines = map_lines(analysis(azimuth=90.0, order=3))
    horizon = next(line for line in lines if line.startswith("  +0"))
    assert horizon.index("@") == pytest.approx(6 + 9, abs=3)  # a quarter from the left
    assert lines[-1].split() == ["180", "90", "0", "-90"]
