import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sounds import cut, noise
from soundstage.binaural import constant, ear_positions, orbit
from soundstage.binaural.geometry import HEAD_RADIUS, SPEED_OF_SOUND
from soundstage.binaural.render.warp import LinearLine, WarpRenderer
from soundstage.binaural.renderers import render

RATE = 48_000
SOUND = noise(40_000).numpy()


def test_each_ear_receives_the_sound_with_its_propagation_delay() -> None:
    trajectory = orbit(3, 1, radius=1.2, elevation=20)
    found = render(SOUND, trajectory, RATE, WarpRenderer())[:, : SOUND.size]
    frame = np.arange(SOUND.size)
    paths = trajectory.positions_at(frame / RATE)[:, None] - ear_positions()
    delays = (np.linalg.norm(paths, axis=-1) - (1.2 - HEAD_RADIUS)) / SPEED_OF_SOUND * RATE
    for ear, signal in enumerate(found):
        expected = np.interp(frame - delays[:, ear], frame, SOUND, left=0.0)
        # Rounding decides whether the first samples are before the start of the sound
        np.testing.assert_allclose(signal[60:], expected[60:], atol=2e-4)


@pytest.mark.parametrize(("azimuth", "first"), [(90, 0), (-90, 1)])
def test_the_near_ear_leads_by_the_width_of_the_head(azimuth: float, first: int) -> None:
    click = np.eye(1, 100)[0]
    ears = np.abs(render(click, constant(azimuth), RATE, WarpRenderer()))
    peaks = ears.argmax(axis=1)
    assert peaks[first] == 0
    assert peaks[1 - first] == pytest.approx(2 * HEAD_RADIUS / SPEED_OF_SOUND * RATE, abs=1)
    np.testing.assert_allclose(ears.sum(axis=1), 1, atol=1e-6)


@given(cuts=st.lists(st.integers(0, SOUND.size), max_size=5))
def test_block_sizes_do_not_matter(cuts: list[int]) -> None:
    stream = WarpRenderer().stream(orbit(2, 1), RATE)
    parts = [stream.push(block) for block in cut(SOUND, cuts)]
    found = np.concatenate([*parts, stream.finish()], axis=-1)
    assert np.array_equal(found, render(SOUND, orbit(2, 1), RATE, WarpRenderer()))


def test_forgotten_and_future_positions_are_refused() -> None:
    line = LinearLine()
    line.push(SOUND[:100])
    assert line.read(np.array([-5.0, 10.5, 99.0])) == pytest.approx(
        [0, SOUND[10:12].mean(), SOUND[99]], abs=1e-7
    )
    line.forget(50.0)
    for position in (49.5, 99.5):
        with pytest.raises(ValueError, match="line"):
            line.read(np.array([position]))
