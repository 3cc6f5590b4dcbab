"""Pan histograms in letters."""

import torch
from stereo_songs import LENGTH, high, low

from soundstage.restyling.histogram_text import COLUMNS, histogram_lines
from soundstage.restyling.pan_histogram import BANDS, pan_histogram

TITLES = ("before", "after")


def columns(line, panel):
    """The letters of a panel in a line, padded."""
    start = 14 + panel * (COLUMNS + 3)
    return f"{line:<{start + COLUMNS}}"[start : start + COLUMNS]


def test_left_is_left_high_is_above_and_both_panels_share_one_scale():
    lows, highs = low(), high()
    hard = pan_histogram([torch.stack([2 * lows, 2 * highs])])
    center = pan_histogram([torch.stack([lows + highs, lows + highs])])
    lines = histogram_lines([hard, center], TITLES)
    assert len(lines) == BANDS + 2
    heading, *bands, scale = lines
    assert heading.split() == list(TITLES)
    assert scale.split() == ["left", "center", "right"] * 2
    assert bands[-1].startswith("0-180 Hz")
    assert columns(bands[-1], 0)[0] == "@"  # lows, at the left edge
    assert columns(bands[-1], 0)[1:].strip() == ""
    assert columns(bands[1], 0)[-1] == "@"  # 3.65 to 7.75 kHz, at the right one
    middle = COLUMNS // 2
    assert columns(bands[-1], 1)[middle] == "@"
    assert columns(bands[-1], 1).replace("@", " ").strip() == ""
    assert columns(scale, 1).index("center") == middle - 3 or "center" in scale


def test_silence_has_no_letters():
    silent = pan_histogram([torch.zeros(2, LENGTH)])
    lines = histogram_lines([silent], ("before",))
    assert all(columns(line, 0).strip() == "" for line in lines[1:-1])
