import json

import numpy as np
import pytest
import soundfile
import torch

from sounds import RATE, noise, stereo_scene, tone
from soundstage.corpora.feature_cache import (
    FAMILY,
    files_fingerprint,
    load_features,
    save_features,
    track_columns,
)
from soundstage.errors import InputError, WeightsError
from soundstage.stereo import BANDS, TRANSFORM, encode, quantize
from soundstage.stereo.encoding import BAND_EDGES
from soundstage.stereo.features import LEVELS, mid_levels
from soundstage.weights.model import load_weights, save_weights

FINGERPRINT = bytes(range(32))
BAND_HZ = np.convolve(np.asarray(BAND_EDGES), [0.5, 0.5], "valid") * RATE / TRANSFORM.frame


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "a.wav"
    soundfile.write(path, stereo_scene(12 * RATE).T.numpy(), RATE, subtype="FLOAT")
    return path


@pytest.fixture
def saved(record, tmp_path):
    path = tmp_path / "train.safetensors"
    columns = track_columns(record)
    short = type(columns)(*(each[:9] for each in columns))
    credits = [{"title": "Lied", "artist": "Jörg"}]
    names = ["a.wav", "b/ö.wav"]
    save_features(path, [columns, short], names=names, credits=credits, fingerprint=FINGERPRINT)
    return path


def test_columns_are_the_parameters_and_levels_of_the_record(record):
    stereo = torch.from_numpy(soundfile.read(record, dtype="float32")[0].T.copy())
    left, right = TRANSFORM.analyze(stereo)
    parameters = encode(left, right)
    columns = track_columns(record)
    assert columns.tokens.dtype == np.uint8
    agree = torch.from_numpy(columns.tokens) == quantize(parameters).T
    assert float(agree.float().mean()) > 0.999  # but for values on a border between two steps
    iid = torch.from_numpy(columns.iid).float()
    assert torch.allclose(iid, parameters.iid.T.clamp(-20, 20), atol=0.02)
    coherence = torch.from_numpy(columns.coherence).float()
    assert torch.allclose(coherence, parameters.coherence.T, atol=1e-3)
    levels = torch.from_numpy(columns.levels).float()
    assert torch.allclose(levels, mid_levels((left + right) / 2), atol=0.06)


def test_what_is_saved_is_loaded(record, saved):
    cache, columns = load_features(saved), track_columns(record)
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


def test_a_frame_takes_as_many_bytes_as_is_said(saved):
    assert saved.stat().st_size / len(load_features(saved).tokens) == pytest.approx(426, rel=0.02)


def test_a_record_without_a_side_is_refused(tmp_path):
    mono = stereo_scene(RATE)[:1].expand(2, -1)
    soundfile.write(tmp_path / "dual.wav", mono.T.numpy(), RATE)
    with pytest.raises(InputError, match="left and right are the same"):
        track_columns(tmp_path / "dual.wav")


def loudest(columns):
    """The level that is loudest in the middle of a record."""
    return int(columns.levels[len(columns.levels) // 2].argmax())


def test_a_record_at_twice_the_speed_is_half_as_long_and_an_octave_up(tmp_path):
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


def test_the_same_speed_changes_nothing(record):
    plain, same = track_columns(record), track_columns(record, speed=1.0)
    assert all(np.array_equal(*each) for each in zip(plain, same, strict=True))


def test_the_fingerprint_follows_the_files(tmp_path):
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
def test_features_that_do_not_fit_together_are_refused(tmp_path, name, tensor):
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


def test_the_file_says_what_it_is(saved):
    with pytest.raises(WeightsError, match="features"):
        load_weights(saved, "nearest")
