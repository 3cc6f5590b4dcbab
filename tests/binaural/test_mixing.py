import numpy as np
import pytest

from sounds import decibels
from soundstage.audio import Audio, open_sound
from soundstage.binaural import HrtfRenderer, Scene, ShoeBox, Source, constant, orbit, scenes
from soundstage.binaural.mixing import END_FADE, BinauralMix
from soundstage.errors import OptionError
from spheres import grid, sphere_head

RATE = 8_000
NOISE = 0.1 * np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32)
ROOM = ShoeBox((5.0, 4.0, 3.0), 0.5)


@pytest.fixture(scope="module")
def renderer():
    return HrtfRenderer(sphere_head(grid(45), rate=RATE))


@pytest.fixture(scope="module")
def in_room():
    return HrtfRenderer(sphere_head(grid(45), rate=RATE), room=ROOM)


def noise(**values):
    """A second of noise on the left, unless a trajectory is given."""
    sound = open_sound(Audio(NOISE[:1], RATE))
    return Source(sound, values.pop("trajectory", constant(60.0)), **values)


def mixed(sources, renderer, **values):
    """The ear signals of a scene."""
    return np.concatenate(list(BinauralMix(Scene(sources, **values), renderer).blocks()), axis=1)


@pytest.mark.parametrize("trajectory", [constant(60.0), orbit(1.0, 5.0, elevation=20.0)])
@pytest.mark.parametrize("start", [0.0, 0.4])
def test_a_loop_is_one_period_of_the_endless_repetition(in_room, trajectory, start):
    """Two periods of the repetition of a moving source differ, by where its blocks begin."""
    again = noise(trajectory=trajectory, start=start, length=4.0, loop=True)
    endless = mixed([again], in_room)[:, 2 * RATE : 4 * RATE]
    one, other = endless[:, :RATE], endless[:, RATE:]
    loop = mixed([noise(trajectory=trajectory, start=start)], in_room, seconds=1.0, loop=True)
    assert loop.shape == (2, RATE)
    assert decibels(loop - one, one) < max(decibels(other - one, one) + 3, -100)


def test_a_loop_keeps_the_whole_reverberation(in_room):
    click = Source(open_sound(Audio(np.ones((1, 1)), RATE)), constant(30.0), start=0.05)
    whole = mixed([click], in_room)
    loop = mixed([click], in_room, seconds=0.1, loop=True)
    assert whole.shape[1] > 4 * loop.shape[1]
    assert loop.sum() == pytest.approx(whole.sum(), rel=1e-3)


@pytest.mark.parametrize("seconds", [0.3, 2.5])
def test_a_scene_has_exactly_its_length(in_room, seconds):
    ears = mixed([noise()], in_room, seconds=seconds)
    whole = mixed([noise()], in_room)
    assert ears.shape == (2, round(seconds * RATE))
    kept = min(ears.shape[1] - round(END_FADE * RATE), whole.shape[1])
    assert np.array_equal(ears[:, :kept], whole[:, :kept])
    assert np.abs(ears[:, -1]).max() < 1e-4


def test_blocks_and_threads_do_not_matter(in_room, monkeypatch):
    sources = [noise(), noise(start=0.2, trajectory=orbit(1.0, 2.0)), noise(start=0.5, gain=0.5)]
    for values in ({"seconds": 1.5, "loop": True}, {"seconds": 1.2}):
        results = []
        for size in (1 << 16, 777):
            monkeypatch.setattr(scenes, "READ_FRAMES", size)
            results.append(mixed(sources, in_room, **values))
        assert np.array_equal(*results)


def test_binaural_sound_goes_to_the_ears_as_it_is(in_room):
    sound = open_sound(Audio(NOISE, RATE))
    ears = Source(sound, constant(90.0), gain=0.5, start=0.25, is_binaural=True)
    result = mixed([ears], in_room)
    assert not result[:, : RATE // 4].any()
    assert np.array_equal(result[:, RATE // 4 :], 0.5 * NOISE)
    with pytest.raises(OptionError, match="1 channel; binaural sound has two"):
        noise(is_binaural=True)


def test_a_source_repeats_is_cut_and_fades(renderer):
    def sound(**values):
        return np.concatenate(list(noise(**values).blocks(RATE)), axis=1)[0]

    assert np.array_equal(sound(length=2.5, loop=True), np.tile(NOISE[0], 3)[: 5 * RATE // 2])
    assert np.array_equal(sound(length=0.5), NOISE[0, : RATE // 2])
    assert np.array_equal(sound(length=9.0), NOISE[0])
    faded = sound(fade_in=0.25, fade_out=0.5)
    assert np.array_equal(faded[RATE // 4 : RATE // 2], NOISE[0, RATE // 4 : RATE // 2])
    for part in (slice(0, 20), slice(-20, None)):
        assert 0 < np.abs(faded[part]).max() < 0.01
    assert faded[RATE // 8] == pytest.approx(NOISE[0, RATE // 8] / 2, rel=0.01)
    assert noise(length=2.5, loop=True, start=1.0).end == 3.5
    assert noise(length=9.0, start=1.0).end == 2.0


@pytest.mark.parametrize(
    "values",
    [{"loop": True}, {"fade_in": -1.0}, {"fade_out": np.nan}, {"length": 0.0}, {"gain": np.inf}],
)
def test_an_impossible_source_is_refused(values):
    with pytest.raises(OptionError):
        noise(**values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"loop": True}, "needs its length"),
        ({"loop": True, "seconds": 5000.0}, "1,200"),
        ({"seconds": 0.0}, "0.01 to"),
        ({"rate": 5}, "8,000"),
        ({"sources": []}, "no source"),
    ],
)
def test_an_impossible_scene_is_refused(values, reason):
    with pytest.raises(OptionError, match=reason):
        Scene(**{"sources": [noise()], **values})


def test_a_late_source_is_rendered_from_its_start_on(renderer, monkeypatch):
    """The silence before it costs nothing; a late point of its trajectory is named in its time."""
    pushed = []
    stream = renderer.stream(constant(60.0), RATE)
    push = type(stream).push
    monkeypatch.setattr(
        type(stream), "push", lambda self, mono: pushed.append(len(mono)) or push(self, mono)
    )
    late = mixed([noise(start=30.0)], renderer)
    assert sum(pushed) == RATE
    assert not late[:, : 30 * RATE].any()
    assert np.array_equal(late[:, 30 * RATE :], mixed([noise()], renderer))


def test_a_place_outside_of_the_room_is_named_in_the_time_of_the_scene(in_room):
    far = orbit(8.0, 20.0, radius=2.2)  # beyond the side walls at 2 m, first near 1.5 s
    with pytest.raises(OptionError, match=r"at 1\.\d+ s the source"):
        mixed([noise(start=1.0, trajectory=far)], in_room)
