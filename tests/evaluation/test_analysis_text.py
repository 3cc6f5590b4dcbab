import numpy as np
import pytest

from sounds import RATE, noise, song, tone
from soundstage.audio import Audio
from soundstage.evaluation import BAND_COLUMNS, band_rows, describe, summary_rows, verdict
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


SONG = song(2 * RATE).numpy()
OTHER = song(2 * RATE, seed=9).numpy() * (np.arange(2 * RATE) % 8_000 < 3_000)


@pytest.mark.parametrize(
    ("left", "right", "first", "options"),
    [
        (SONG, SONG, "Dual mono: both channels are the same", ""),
        (SONG[4:], SONG[:-4], "One recording in two channels that differ", " --align"),
        (SONG, -SONG, "One recording in two channels that differ", " --align"),
        (SONG, 0 * SONG, "One channel is silent", " --downmix"),
        (tone(88_200, hz=300), tone(88_200, hz=2_000), "Hard-panned stereo", " --downmix"),
        (SONG + noise(88_200).numpy(), SONG + OTHER, "True stereo", " --downmix"),
    ],
)
def test_the_verdict_names_the_kind_and_the_command(left, right, first, options):
    said = verdict(analysis_of(left, right), "my file.wav")
    assert said[0].startswith(first)
    assert said[-1] == f"soundstage upmix 'my file.wav'{options}"


def test_the_verdict_has_lag_polarity_and_the_silent_channel():
    late = " ".join(verdict(analysis_of(SONG[4:], SONG[:-4]), "a.wav"))
    assert "right is 4.0 samples (0.09 ms) later" in late
    inverted = " ".join(verdict(analysis_of(SONG, -0.5 * SONG), "a.wav"))
    assert "polarity of one channel is inverted, left is 6.0 dB louder" in inverted
    assert "Only the right channel has sound" in " ".join(
        verdict(analysis_of(0 * SONG, SONG), "a.wav")
    )


def test_silence_has_no_command():
    assert verdict(analysis_of(0 * SONG, 0 * SONG), "a.wav") == [
        "Dual mono: both channels are the same, silence."
    ]


def test_mono_is_named_mono():
    assert verdict(analyze((SONG, RATE)), "a.wav")[0] == "Mono."
