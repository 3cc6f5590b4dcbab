import json

import numpy as np
import pytest
import soundfile
import torch

from sounds import RATE, noise, stereo_scene, tone
from soundstage.corpora import track_features
from soundstage.corpora.feature_cache import (
    FAMILY,
    files_fingerprint,
    load_features,
    save_features,
    track_columns,
)
from soundstage.errors import InputError, WeightsError
from soundstage.stereo import BANDS, TRANSFORM, band_sums, encode, quantize
from soundstage.stereo.encoding import BAND_EDGES
from soundstage.stereo.features import LEVELS, mid_levels
from soundstage.weights.model import load_weights, save_weights

FINGERPRINT = bytes(range(32))
BAND_HZ = np.convolve(np.asarray(BAND_EDGES), [0.5, 0.5], "valid") * RATE / TRANSFORM.frame


@pytest.fixture(scope="module")
def track(tmp_path_factory):
    path = tmp_path_factory.mktemp("tracks") / "a.wav"
    soundfile.write(path, stereo_scene(12 * RATE).T.numpy(), RATE, subtype="FLOAT")
    return path


@pytest.fixture
def saved(track, tmp_path):
    path = tmp_path / "train.safetensors"
    columns = track_columns(track)
    short = type(columns)(*(each[:9] for each in columns))
    credits = [{"title": "Lied", "artist": "Jörg"}]
    names = ["a.wav", "b/ö.wav"]
    save_features(path, [columns, short], names=names, credits=credits, fingerprint=FINGERPRINT)
    return path


def test_columns_are_the_parameters_and_levels_of_the_track(track):
    stereo = torch.from_numpy(soundfile.read(track, dtype="float32")[0].T.copy())
    left, right = TRANSFORM.analyze(stereo)
    parameters = encode(left, right)
    columns = track_columns(track)
    assert columns.tokens.dtype == np.uint8
    agree = torch.from_numpy(columns.tokens) == quantize(parameters).T
    assert float(agree.float().mean()) > 0.999  # except at the border of two steps
    iid = torch.from_numpy(columns.iid).float()
    assert torch.allclose(iid, parameters.iid.T.clamp(-20, 20), atol=0.02)
    coherence = torch.from_numpy(columns.coherence).float()
    assert torch.allclose(coherence, parameters.coherence.T, atol=1e-3)
    levels = torch.from_numpy(columns.levels).float()
    assert torch.allclose(levels, mid_levels((left + right) / 2), atol=0.06)


def test_features_in_blocks_are_those_of_the_whole_track(tmp_path):
    generator = np.random.default_rng(0)
    stereo = (0.1 * generator.standard_normal((25 * RATE + 77, 2))).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", stereo, RATE, subtype="FLOAT")
    features = track_features(tmp_path / "a.wav")
    left, right = TRANSFORM.analyze(torch.from_numpy(stereo.T.copy()))
    assert torch.allclose(features.magnitudes, band_sums((left + right).abs() / 2), rtol=1e-4)
    whole = encode(left, right)
    assert torch.allclose(features.parameters.iid, whole.iid, atol=1e-3)
    assert torch.allclose(features.parameters.coherence, whole.coherence, atol=1e-4)


def test_the_number_of_frames_does_not_depend_on_the_rate(tmp_path):
    frames = []
    for rate in (RATE, 48_000):
        soundfile.write(tmp_path / f"{rate}.wav", np.zeros((10 * rate, 2)), rate)
        frames.append(track_features(tmp_path / f"{rate}.wav").magnitudes.shape[1])
    assert frames[0] == frames[1]


def test_a_mono_file_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    with pytest.raises(InputError, match="1 channels, not 2"):
        track_features(tmp_path / "a.wav")


def test_saved_features_are_loaded(track, saved):
    cache, columns = load_features(saved), track_columns(track)
    frames = len(columns.tokens)
    assert cache.ends.tolist() == [frames, frames + 9]
    assert cache.starts.tolist() == [0, frames]
    assert cache.names == ["a.wav", "b/ö.wav"]
    assert cache.credits == [{"title": "Lied", "artist": "Jörg"}]
    assert cache.fingerprint == FINGERPRINT
    for name in ("tokens", "iid", "coherence", "levels"):
        whole = getattr(cache, name)
        assert torch.equal(whole[:frames], torch.from_numpy(getattr(columns, name)))
        assert torch.equal(whole[frames:], whole[:9])


def test_a_frame_takes_426_bytes(saved):
    assert saved.stat().st_size / len(load_features(saved).tokens) == pytest.approx(426, rel=0.02)


def test_a_track_without_a_side_signal_is_refused(tmp_path):
    mono = stereo_scene(RATE)[:1].expand(2, -1)
    soundfile.write(tmp_path / "dual.wav", mono.T.numpy(), RATE)
    with pytest.raises(InputError, match="left and right are identical"):
        track_columns(tmp_path / "dual.wav")


def loudest(columns):
    """The loudest level in the middle of a track."""
    return int(columns.levels[len(columns.levels) // 2].argmax())


def test_a_track_at_twice_the_speed_is_half_as_long_and_an_octave_higher(tmp_path):
    here, there = (
        tone(4 * RATE, hz=1000) + noise(4 * RATE, seed=seed, level=0.001) for seed in (0, 1)
    )
    path = tmp_path / "tone.wav"
    soundfile.write(path, torch.stack([here, 0.5 * there]).T.numpy(), RATE)
    plain, fast = track_columns(path), track_columns(path, speed=2.0)
    assert len(fast.tokens) == pytest.approx(len(plain.tokens) / 2, abs=1)
    octave = mid_levels(TRANSFORM.analyze(tone(RATE, hz=2000)))[20]
    assert loudest(fast) == int(octave.argmax()) > loudest(plain) + 5
    middle = len(fast.iid) // 2
    band = int(np.abs(BAND_HZ - 2000).argmin())
    assert float(fast.iid[middle, band]) == pytest.approx(6.02, abs=0.1)


def test_a_speed_of_one_changes_nothing(track):
    plain, same = track_columns(track), track_columns(track, speed=1.0)
    assert all(np.array_equal(*each) for each in zip(plain, same, strict=True))


def test_the_fingerprint_depends_on_files_and_speed(tmp_path):
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for path in paths:
        path.write_bytes(b"one")
    before = files_fingerprint(paths)
    assert files_fingerprint(paths) == before
    assert files_fingerprint(paths[:1]) != before
    assert files_fingerprint(paths, speed=1.0) == before
    assert len({before, *(files_fingerprint(paths, speed=each) for each in (0.9, 1.1))}) == 3
    paths[1].write_bytes(b"another")
    assert files_fingerprint(paths) != before


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("tokens", torch.full((20, BANDS), 248, dtype=torch.uint8)),
        ("iid", torch.zeros(20, BANDS)),
        ("coherence", torch.zeros(19, BANDS, dtype=torch.float16)),
        ("levels", torch.zeros(20, LEVELS - 1, dtype=torch.float16)),
        ("levels", torch.full((20, LEVELS), torch.nan, dtype=torch.float16)),
        ("ends", torch.tensor([12, 19])),
        ("ends", torch.tensor([20])),
        ("ends", torch.tensor([0, 20])),
        ("about", torch.tensor(list(b"{}"), dtype=torch.uint8)),
        ("about", torch.tensor(list(b"\xff"), dtype=torch.uint8)),
        ("fingerprint", torch.zeros(3, dtype=torch.uint8)),
    ],
)
def test_inconsistent_features_are_refused(tmp_path, name, tensor):
    about = json.dumps({"names": ["a", "b"], "credits": []}).encode()
    whole = {
        "tokens": torch.zeros(20, BANDS, dtype=torch.uint8),
        "iid": torch.zeros(20, BANDS, dtype=torch.float16),
        "coherence": torch.zeros(20, BANDS, dtype=torch.float16),
        "levels": torch.zeros(20, LEVELS, dtype=torch.float16),
        "ends": torch.tensor([12, 20]),
        "about": torch.tensor(list(about), dtype=torch.uint8),
        "fingerprint": torch.zeros(32, dtype=torch.uint8),
    }
    path = tmp_path / "x.safetensors"
    save_weights(path, FAMILY, whole)
    assert load_features(path).names == ["a", "b"]
    save_weights(path, FAMILY, {**whole, name: tensor})
    with pytest.raises(WeightsError, match=r"x\.safetensors"):
        load_features(path)


def test_features_are_not_taken_for_another_family(saved):
    with pytest.raises(WeightsError, match="features"):
        load_weights(saved, "nearest")
