import numpy as np
import pytest

from sounds import RATE, noise, song
from soundstage.audio import Audio
from soundstage.evaluation import BAND_COLUMNS, band_rows, describe, summary_rows
from soundstage.metrics import analyze


def analysis_of(left, right, rate=RATE):
    return analyze(Audio(np.stack([left, right]).astype(np.float32), rate))


def test_values_have_their_units():
    source = song(2 * RATE).numpy()
    rows = dict(summary_rows(analysis_of(source, 0.5 * source)))
    assert rows["image"] == "stereo"
    assert rows["left over right"] == "6.0 dB"
    assert rows["side over mid"] == "-9.5 dB"
    assert rows["width"] == "0.667"
    assert rows["channel correlation"] == "1.000"
    assert rows["phase correlation"] == "0.000"
    assert rows["length"] == "2 s"
    assert rows["IID fluctuation"].endswith(" dB")
    assert rows["true peak"].endswith(" dBTP")


def test_a_zero_has_no_sign():
    source = song(RATE).numpy()
    rows = dict(summary_rows(analysis_of(source, 1.001 * source)))  # −0.009 dB
    assert rows["left over right"] == "0.0 dB"


def test_bands_have_a_row_each_under_as_many_headings():
    source = song(2 * RATE).numpy()
    rows = band_rows(analysis_of(source, 0.5 * source))
    assert len(rows) == 34
    assert {len(row) for row in rows} == {len(BAND_COLUMNS)}
    assert {row[1] for row in rows} == {"6.0"}
    assert rows[0][0] == "0 - 32"


def test_undefined_values_are_dashes_and_infinite_ones_inf():
    silence = np.zeros(RATE)
    assert dict(summary_rows(analysis_of(silence, silence)))["left over right"] == "-"
    assert {row[1:] for row in band_rows(analysis_of(silence, silence))} == {("-",) * 4}
    source = noise(RATE).numpy()
    assert dict(summary_rows(analysis_of(source, -source)))["width"] == "inf"


@pytest.mark.parametrize(("frames", "length"), [(800, "0.1 s"), (8000 * 75, "1:15.0 min")])
def test_the_description_has_the_length_of_the_file(frames, length):
    source = noise(frames).numpy()
    line = describe(analysis_of(source, source, rate=8_000))
    assert f"  {length}  " in line
    assert line.startswith("dual mono  ·  8 kHz")
    assert "side/mid −∞ dB" in line
