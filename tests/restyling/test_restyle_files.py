"""Restyled files: what they hold, what is said of them, and what is refused."""

import json

import numpy as np
import pytest
import soundfile
from stereo_songs import high, low

from making import read_all
from sounds import noise
from soundstage.audio import open_sound
from soundstage.errors import InputError, OptionError, OutputError
from soundstage.restyling.corrections import corrected_blocks
from soundstage.restyling.options import RestyleOptions
from soundstage.restyling.restyle_files import restyle_to_files
from soundstage.stereo import RATE
from soundstage.upmixing import FileOptions
from soundstage.upmixing.file_options import plan_path
from soundstage.upmixing.stage_options import stage_options

LENGTH = 2 * RATE


@pytest.fixture(scope="module")
def hard_panned():
    """Lows left, highs right, nothing at the center; in whole steps of 16 bits."""
    stereo = np.stack([low(LENGTH).numpy(), high(LENGTH).numpy()]) * 0.5
    return np.rint(stereo * 2**15).astype(np.int16)


@pytest.fixture
def song(tmp_path, hard_panned):
    path = tmp_path / "song.wav"
    soundfile.write(path, hard_panned.T, RATE, subtype="PCM_16")
    return path


def restyled(source, target, options=None, **files):
    (report,) = restyle_to_files(
        source, {0: target}, options or RestyleOptions(), FileOptions(**files)
    ).reports
    return report


def test_the_sum_of_a_file_stays_bit_for_bit_and_the_side_moves(song, tmp_path, hard_panned):
    report = restyled(song, tmp_path / "new.wav")
    made = np.rint(read_all(tmp_path / "new.wav") * 2**15).astype(np.int64)
    assert np.array_equal(made.sum(axis=0), hard_panned.astype(np.int64).sum(axis=0))
    assert report.fold_down_error_db == -np.inf
    before = np.abs(np.diff(hard_panned.astype(np.int64), axis=0)).mean()
    assert np.abs(np.diff(made, axis=0)).mean() < 0.7 * before
    hard = [each.hard_left + each.hard_right for each in (report.stage.histogram, report.histogram)]
    assert hard[1] < 0.2 < 0.6 < hard[0]


def test_amount_0_returns_the_file_bit_for_bit(song, tmp_path, hard_panned):
    restyled(song, tmp_path / "same.wav", RestyleOptions(amount=0.0))
    made = soundfile.read(tmp_path / "same.wav", dtype="int16", always_2d=True)[0].T
    assert np.array_equal(made, hard_panned)


@pytest.mark.parametrize(("suffix", "depth"), [(".wav", "float"), (".flac", "24"), (".wav", "8")])
def test_every_depth_keeps_the_sum_to_its_own_precision(song, tmp_path, hard_panned, suffix, depth):
    target = tmp_path / f"new{suffix}"
    report = restyled(song, target, bit_depth=depth)
    wanted = hard_panned.astype(np.float64).mean(axis=0) / 2**15
    error = np.abs(read_all(target).astype(np.float64).mean(axis=0) - wanted).max()
    assert error <= {"float": 1e-7, "24": 0.0, "8": 2 / 2**7}[depth]
    assert report.proven


def test_another_rate_and_a_lossy_format_are_proven(song, tmp_path):
    report = restyled(song, tmp_path / "new.flac", rate=48_000)
    assert report.rate == 48_000
    assert open_sound(tmp_path / "new.flac").frames == LENGTH * 480 // 441
    assert report.fold_down_error_db < -60
    lossy = restyled(song, tmp_path / "new.ogg")
    assert lossy.fold_down_error_db < -10
    assert not lossy.exact_fold_down


def test_errors_of_the_channels_are_corrected_and_told(tmp_path):
    """A lag of 3 samples between channels that share a center."""
    center, left, right = (noise(LENGTH, seed=seed, level=0.2).numpy() for seed in (1, 2, 3))
    left[LENGTH // 3 :] = right[: LENGTH // 3 * 2] = 0
    channels = np.stack([center + 3 * left, np.roll(center + 3 * right, 3)])
    soundfile.write(tmp_path / "lag.wav", channels.T, RATE, subtype="FLOAT")
    report = restyled(tmp_path / "lag.wav", tmp_path / "new.wav")
    assert report.corrections.lag == pytest.approx(3, abs=0.1)
    assert "right is 3.0 samples" in report.sentence()
    with open_sound(tmp_path / "lag.wav") as sound:
        corrected = np.concatenate(
            list(corrected_blocks(sound.blocks(1 << 16), report.corrections)), axis=1
        )
    made = read_all(tmp_path / "new.wav")
    error = made.mean(axis=0) - corrected.mean(axis=0)
    assert 10 * np.log10(np.mean(error**2) / np.mean(corrected.mean(axis=0) ** 2)) < -120
    kept = restyled(tmp_path / "lag.wav", tmp_path / "raw.wav", RestyleOptions(correct=False))
    assert kept.corrections.lag is None


def test_takes_alone_and_together_are_the_same_and_their_plans_make_them_again(song, tmp_path):
    targets = {seed: tmp_path / f"{seed}.wav" for seed in (0, 1)}
    result = restyle_to_files(song, targets, RestyleOptions(), FileOptions(write_plan=True))
    assert [report.seed for report in result.reports] == [0, 1]
    assert result.comparison.differences.shape == (2, 2)
    restyle_to_files(song, {1: tmp_path / "alone.wav"}, RestyleOptions(), FileOptions())
    assert (tmp_path / "alone.wav").read_bytes() == targets[1].read_bytes()
    again = RestyleOptions(stage=stage_options(plan=plan_path(targets[1])))
    restyle_to_files(song, {1: tmp_path / "again.wav"}, again, FileOptions())
    assert (tmp_path / "again.wav").read_bytes() == targets[1].read_bytes()


def test_the_report_is_json_and_text(song, tmp_path):
    report = restyled(song, tmp_path / "new.wav")
    values = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert np.shape(values["pan_histogram"]["before"]) == (7, 41)
    assert set(values["present"]) == {source["name"] for source in values["plan"]}
    assert values["need"] == 1
    text = report.sentence()
    assert "mix: " in text
    assert "moved: " in text
    assert "pan before" in text


def test_what_is_no_stereo_mix_is_refused_and_leaves_no_file(tmp_path, hard_panned):
    mono = tmp_path / "mono.wav"
    soundfile.write(mono, hard_panned[0], RATE, subtype="PCM_16")
    dual = tmp_path / "dual.wav"
    soundfile.write(dual, np.stack([hard_panned[0]] * 2, axis=1), RATE, subtype="PCM_16")
    quad = tmp_path / "quad.wav"
    soundfile.write(quad, np.stack([hard_panned[0]] * 4, axis=1), RATE, subtype="PCM_16")
    for source, words in ((mono, "use `upmix`"), (dual, "use `upmix`"), (quad, "4 channels")):
        with pytest.raises(InputError, match=words):
            restyled(source, tmp_path / "new.wav")
        assert not (tmp_path / "new.wav").exists()


def test_a_gain_that_clips_an_unknown_source_and_an_existing_file_are_refused(song, tmp_path):
    target = tmp_path / "new.wav"
    with pytest.raises(OptionError, match="would clip"):
        restyled(song, target, gain_db=40.0)
    with pytest.raises(OptionError, match="harp"):
        restyled(song, target, RestyleOptions(stage=stage_options(place="harp=3")))
    assert not target.exists()
    target.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        restyled(song, target)
    assert target.read_bytes() == b"mine"
