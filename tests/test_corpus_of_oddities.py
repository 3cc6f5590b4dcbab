"""Odd files are read to the right samples or refused in a sentence; their mono sum is proven."""

import numpy as np
import pytest

from corpus_of_oddities import GROUPS
from making import RATE, music, read_all, write_sound
from soundstage.audio import SoundFormat, output_format
from soundstage.upmixing import Upmixer
from verdicts_on_oddities import by_program, by_pyav, judge

_PARTS = [(group, k) for group, makers in GROUPS.items() for k in range(len(makers))]


@pytest.mark.long
@pytest.mark.parametrize(("group", "part"), _PARTS)
def test_odd_files_are_read_right_or_refused_and_their_sum_is_proven(tmp_path, group, part):
    folder = tmp_path / group
    folder.mkdir()
    files = GROUPS[group][part](folder)
    table = judge(files, Upmixer.from_pretrained("comb"), tmp_path / "out.wav")
    assert table["files"] == table["read"] + table["refused"] > 0


@pytest.mark.long
@pytest.mark.parametrize("suffix", ["mp3", "ogg", "opus", "m4a"])
@pytest.mark.parametrize("source", ["wav", "flac", "mp3", "m4a"])
def test_lossy_results_are_whole_and_keep_the_mono_sum(tmp_path, source, suffix):
    path, target = tmp_path / f"in.{source}", tmp_path / f"out.{suffix}"
    bits = {"bit_rate": 128_000} if source in ("mp3", "m4a") else {}
    form = None if bits else output_format(SoundFormat("WAV", "PCM_16"), path.suffix, None)
    if source == "m4a":
        form = SoundFormat("MP4", "AAC")
    write_sound(path, music(1, RATE), form, **bits)
    upmixer = Upmixer.from_pretrained("comb")
    report = upmixer.file(path, target, width=0.5, bit_rate=192_000)
    assert report.proven
    assert report.fold_down_lag == 0
    assert report.fold_down_error_db <= -20  # of what the codec makes of it
    # The most that an error of this power can do, in LU; the weighting may raise it by 4 dB
    most = 20 * np.log10(1 + 10 ** ((report.fold_down_error_db + 4) / 20))
    assert abs(report.loudness_difference) <= most
    read = read_all(target)
    assert read.shape == (2, read_all(path).shape[1])
    mid = read_all(path)[0].astype(np.float64) * 10 ** (report.gain_db / 20)
    wrong = np.sum((read.mean(axis=0) - mid) ** 2) / np.sum(mid**2)
    assert abs(10 * np.log10(wrong) - report.fold_down_error_db) <= 0.01
    reference = by_program(target, 2)
    reference = by_pyav(target) if reference is None else reference
    assert reference.shape[1] >= read.shape[1]
    assert np.abs(read - reference[:, : read.shape[1]]).max() <= 1e-6
