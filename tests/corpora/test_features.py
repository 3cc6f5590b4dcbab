import numpy as np
import pytest
import soundfile
import torch

from soundstage.corpora import stereo_tracks, track_features
from soundstage.errors import InputError
from soundstage.stereo import TRANSFORM, band_sums, encode

RATE = 44_100


def test_features_in_blocks_are_those_of_the_whole(tmp_path):
    generator = np.random.default_rng(0)
    stereo = (0.1 * generator.standard_normal((25 * RATE + 77, 2))).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", stereo, RATE, subtype="FLOAT")
    features = track_features(tmp_path / "a.wav")
    left, right = TRANSFORM.analyze(torch.from_numpy(stereo.T.copy()))
    assert torch.allclose(features.magnitudes, band_sums((left + right).abs() / 2), rtol=1e-4)
    whole = encode(left, right)
    assert torch.allclose(features.parameters.iid, whole.iid, atol=1e-3)
    assert torch.allclose(features.parameters.coherence, whole.coherence, atol=1e-4)


def test_another_rate_gives_the_same_number_of_frames(tmp_path):
    frames = []
    for rate in (RATE, 48_000):
        stereo = np.zeros((10 * rate, 2))
        soundfile.write(tmp_path / f"{rate}.wav", stereo, rate)
        frames.append(track_features(tmp_path / f"{rate}.wav").magnitudes.shape[1])
    assert frames[0] == frames[1]


def test_a_mono_file_is_no_record(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    with pytest.raises(InputError, match="1 channels"):
        track_features(tmp_path / "a.wav")
    with pytest.raises(InputError, match="no stereo file"):
        stereo_tracks(tmp_path)


def test_only_stereo_files_are_records_and_the_rest_is_named(tmp_path):
    (tmp_path / "b").mkdir()
    soundfile.write(tmp_path / "b" / "two.wav", np.zeros((10, 2)), RATE)
    soundfile.write(tmp_path / "one.wav", np.zeros(10), RATE)
    (tmp_path / "notes.txt").write_text("not a sound")
    records, left_out = stereo_tracks(tmp_path)
    assert [path.name for path in records] == ["two.wav"]
    assert len(left_out) == 1
    assert "one.wav" in left_out[0]
