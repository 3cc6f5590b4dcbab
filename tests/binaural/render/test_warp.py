import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sounds import cut, noise
from soundstage.binaural import constant, ear_positions, orbit
from soundstage.binaural.renderers import render
from soundstage.binaural.geometry import HEAD_RADIUS, SPEED_OF_SOUND
from soundstage.binaural.render.warp import LinearLine, WarpRenderer

RATE = 48_000
SOUND = noise(40_000).numpy()


def test_each_ear_hears_what_was_sent_by_the_way_to_it() -> None:
    way = orbit(3, 1, radius=1.2, elevation=20)
    found = render(SOUND, way, RATE, WarpRenderer())[:, : SOUND.size]
    frame = np.arange(SOUND.size)
    ways = way.positions_at(frame / RATE)[:, None] - ear_positions()
    late = (np.linalg.norm(ways, axis=-1) - (1.2 - HEAD_RADIUS)) / SPEED_OF_SOUND * RATE
    for ear, made in enumerate(found):
        wanted = np.interp(frame - late[:, ear], frame, SOUND, left=0.0)
        # The first samples come from where the sound begins, on either side of it by rounding
        np.testing.assert_allclose(made[60:], wanted[60:], atol=2e-4)


@pytest.mark.parametrize(("azimuth", "first"), [(90, 0), (-90, 1)])
def test_the_near_ear_is_first_by_the_width_of_the_head(azimuth: float, first: int) -> None:
    click = np.eye(1, 100)[0]
    heard = np.abs(render(click, constant(azimuth), RATE, WarpRenderer()))
    peaks = heard.argmax(axis=1)
    assert peaks[first] == 0
    assert peaks[1 - first] == pytest.approx(2 * HEAD_RADIUS / SPEED_OF_SOUND * RATE, abs=1)
    np.testing.assert_allclose(heard.sum(axis=1), 1, atol=1e-6)  # nothing gets lost but time


@given(places=st.lists(st.integers(0, SOUND.size), max_size=5))
def test_the_result_does_not_depend_on_the_blocks(places: list[int]) -> None:
    stream = WarpRenderer().stream(orbit(2, 1), RATE)
    parts = [stream.push(block) for block in cut(SOUND, places)]
    found = np.concatenate([*parts, stream.finish()], axis=-1)
    assert np.array_equal(found, render(SOUND, orbit(2, 1), RATE, WarpRenderer()))


def test_what_was_let_go_and_what_is_not_there_yet_cannot_be_read() -> None:
    line = LinearLine()
    line.push(SOUND[:100])
    assert line.read(np.array([-5.0, 10.5, 99.0])) == pytest.approx(
        [0, SOUND[10:12].mean(), SOUND[99]], abs=1e-7
    )
    line.forget(50.0)
    for place in (49.5, 99.5):
        with pytest.raises(ValueError, match="line"):
            line.read(np.array([place]))
