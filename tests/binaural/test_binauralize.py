import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import torch

from sounds import noise
from soundstage import Audio, binauralize
from soundstage.binaural import HrtfRenderer, Listener, constant, orbit
from soundstage.binaural.renderers import render
from soundstage.errors import InputError, OptionError
from spheres import RATE, grid, sphere_head

RENDERER = HrtfRenderer(sphere_head(grid(15)))
SOUND = Audio(noise(5000).numpy(), RATE)


def test_mono_is_rendered_along_its_trajectory() -> None:
    path = orbit(1, 1)
    found = binauralize(SOUND, path, method=RENDERER)
    assert found.rate == RATE
    np.testing.assert_array_equal(found.samples, render(SOUND.samples[0], path, RATE, RENDERER))
    short = binauralize(SOUND, path, method=RENDERER, tail=False)
    np.testing.assert_array_equal(short.samples, found.samples[:, : SOUND.frames])


def test_mono_without_a_position_is_ahead() -> None:
    left, right = binauralize(SOUND, method=RENDERER).samples
    np.testing.assert_allclose(left, right, atol=1e-6)


def test_positions_and_trajectory_files_are_accepted(tmp_path) -> None:
    expected = binauralize(SOUND, constant(80, 10, 2), method=RENDERER)
    found = binauralize(SOUND, azimuth=80, elevation=10, distance=2, method=RENDERER)
    assert found == expected
    path = tmp_path / "position.csv"
    path.write_text("time,azimuth,elevation,radius\n0,80,10,2\n")
    assert binauralize(SOUND, path, method=RENDERER) == expected
    with pytest.raises(OptionError, match="sets the position"):
        binauralize(SOUND, path, azimuth=80, method=RENDERER)


def test_a_head_is_turned_or_follows_a_file(tmp_path) -> None:
    expected = binauralize(SOUND, azimuth=-20, method=RENDERER)
    found = binauralize(SOUND, azimuth=10, yaw=30, method=RENDERER)
    np.testing.assert_allclose(found.samples, expected.samples, atol=1e-6)
    assert binauralize(SOUND, azimuth=10, listener=Listener.turned(30), method=RENDERER) == found
    path = tmp_path / "pose.csv"
    path.write_text("time,yaw\n0,30\n")
    assert binauralize(SOUND, azimuth=10, listener=path, method=RENDERER) == found
    with pytest.raises(OptionError, match="leave out yaw"):
        binauralize(SOUND, listener=path, yaw=3, method=RENDERER)


def test_stereo_loudspeakers_stay_where_they_are_when_the_head_turns() -> None:
    pair = Audio(np.stack([SOUND.samples[0], np.zeros(5000)]), RATE)
    found = binauralize(pair, yaw=30, method=RENDERER).samples  # looks at the left one
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_stereo_is_rendered_as_two_loudspeakers() -> None:
    pair = Audio(np.stack([SOUND.samples[0], np.zeros(5000)]), RATE)
    found = binauralize(pair, method=RENDERER).samples
    left = render(SOUND.samples[0], constant(30), RATE, RENDERER)
    np.testing.assert_allclose(found, left * np.sqrt(0.5), atol=1e-6)


def test_files_and_arrays_give_the_same_as_audio(tmp_path) -> None:
    path = tmp_path / "mono.wav"
    soundfile.write(path, SOUND.samples[0], RATE, subtype="FLOAT")
    expected = binauralize(SOUND, azimuth=80, method=RENDERER)
    sources = (path, io.BytesIO(path.read_bytes()), (SOUND.samples[0], RATE))
    for source in sources:
        assert binauralize(source, azimuth=80, method=RENDERER) == expected


@pytest.mark.parametrize(
    ("source", "azimuth"),
    [
        ((np.zeros((1, 0)), RATE), None),
        (([0.0, np.nan], RATE), None),
        ((np.zeros((3, 100)), RATE), None),
        ((noise(200).numpy().reshape(2, 100), RATE), 10),
    ],
)
def test_unusable_sounds_are_refused(source, azimuth) -> None:
    with pytest.raises(InputError):
        binauralize(source, azimuth=azimuth, method=RENDERER)


def test_impossible_methods_and_options_are_refused() -> None:
    with pytest.raises(OptionError, match="magic"):
        binauralize(SOUND, method="magic")
    with pytest.raises(OptionError, match="warp has no HRTF set"):
        binauralize(SOUND, method="warp", air=True)
    with pytest.raises(OptionError, match="loaded renderer"):
        binauralize(SOUND, method=RENDERER, air=True)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hrtf", "binauralgrad"])
def test_concurrent_calls_give_the_same_samples_and_leave_torch_unchanged(method) -> None:
    before = (torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype())
    state = torch.get_rng_state()
    options = {"azimuth": 30, "method": method, "temperature": 1.0 if method != "hrtf" else None}
    expected = binauralize(SOUND, **options)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(binauralize, SOUND, **options) for _ in range(8)]
        assert all(call.result() == expected for call in calls)
    after = (torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype())
    assert after == before
    assert torch.equal(torch.get_rng_state(), state)
