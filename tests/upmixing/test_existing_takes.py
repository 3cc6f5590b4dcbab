"""Takes measured again from their files."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sounds import RATE, song
from soundstage.errors import OptionError, OutputError
from soundstage.upmixing.existing_takes import measure_existing
from soundstage.upmixing.file_options import FileOptions
from soundstage.upmixing.registry import load_method
from soundstage.upmixing.upmix_files import upmix_to_files


@pytest.mark.parametrize("outputs", ["stereo", "mid-side"])
def test_files_measure_as_the_takes_did_when_they_were_made(tmp_path, outputs):
    soundfile.write(tmp_path / "mono.wav", song(RATE).numpy() * 0.5, RATE)
    targets = {seed: tmp_path / f"{seed}.wav" for seed in (3, 5)}
    options = FileOptions(bit_depth="float", outputs=outputs)
    made = upmix_to_files(tmp_path / "mono.wav", targets, lambda: load_method("comb"), options)
    again = measure_existing(tmp_path / "mono.wav", targets, options)
    assert made.comparison
    assert again.comparison
    assert np.allclose(again.comparison.differences, made.comparison.differences, atol=1e-3)
    for before, after in zip(made.reports, again.reports, strict=True):
        assert (after.seed, after.target, after.frames) == (
            before.seed,
            before.target,
            before.frames,
        )
        assert after.width == pytest.approx(before.width, rel=1e-4)
        assert after.correlation == pytest.approx(before.correlation, rel=1e-4)
        assert not after.proven
        assert math.isnan(after.gain_db)


def two_files(folder: Path, **second):
    made = {"rate": 44_100, "frames": 3000, "channels": 2}
    for name, options in (("a", made), ("b", made | second)):
        sound = np.zeros((options["frames"], options["channels"]))
        soundfile.write(folder / f"{name}.wav", sound, options["rate"])
    return {0: folder / "a.wav", 1: folder / "b.wav"}


@pytest.mark.parametrize("second", [{"rate": 48_000}, {"channels": 1}, {"frames": 2999}])
def test_files_of_different_runs_are_refused(tmp_path, second):
    with pytest.raises(OutputError, match="not takes of one run"):
        measure_existing(tmp_path / "x.wav", two_files(tmp_path, **second), FileOptions())


def test_the_side_alone_is_refused(tmp_path):
    with pytest.raises(OptionError, match="two channels"):
        measure_existing(tmp_path / "x.wav", two_files(tmp_path), FileOptions(outputs="side"))
