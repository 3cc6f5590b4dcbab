import json

import numpy as np
import pytest

import stand_in_sources
from soundstage.binaural import ShoeBox, scene_text
from soundstage.errors import OptionError
from soundstage.scene import GenerateOptions, SceneDescription, SceneEvent, SceneGenerator, Waypoint
from soundstage.scene.levels import LOUDNESS, active_loudness
from soundstage.scene.stems import MAX_STEM

RATE = 16_000
PASS = (Waypoint(0, 80, 0, 8), Waypoint(0.5, 0, 0, 3), Waypoint(1, -80, 0, 8))
ORBIT = (Waypoint(0, 0, 0, 2), Waypoint(1, 360, 0, 2))


@pytest.fixture
def source(monkeypatch):
    return stand_in_sources.use(monkeypatch)


def composed(*events, seed=0, seconds=None, **options):
    options = GenerateOptions(rate=RATE, **options)
    description = SceneDescription(events, seconds=seconds, text="a scene")
    return SceneGenerator(options).compose(description, seed=seed)


def entries(scene):
    return scene.document["sources"]


def test_an_event_becomes_one_source_at_its_place(source):
    scene = composed(SceneEvent("dog barking", azimuth=135.0, distance=2.0, gain_db=-6.0))
    (entry,) = entries(scene)
    assert entry == {
        "file": "1-dog-barking.wav",
        "azimuth": 135.0,
        "elevation": 0.0,
        "distance": 2.0,
        "gain": -6.0,
        "start": 0.0,
    }
    stem = scene.stems["1-dog-barking.wav"]
    assert (stem.channels, stem.rate, stem.duration) == (1, RATE, 0.6)
    assert active_loudness(stem.samples, RATE) == pytest.approx(LOUDNESS, abs=0.1)
    assert scene.credits() == ["dog barking, dog barking 0 by Ada (CC0)"]
    (event,) = scene.events
    assert event.place == "135° (behind, to the left), 2 m away"
    assert (event.start, event.end) == (0.0, 0.6)


def test_unstated_places_are_chosen_and_announced(source):
    scene = composed(SceneEvent("click"), SceneEvent("dog barking"), SceneEvent("car", azimuth=0.0))
    assert [entry["azimuth"] for entry in entries(scene)] == [45.0, -45.0, 0.0]
    assert len([note for note in scene.notes if "states no direction" in note]) == 2


def test_rain_all_around_has_decorrelated_copies_of_equal_power(source):
    scene = composed(SceneEvent("rain", around=True), seconds=3.0)
    assert len(entries(scene)) == 6
    assert {entry["gain"] for entry in entries(scene)} == {-7.78}
    stems = [scene.stems[entry["file"]].samples[0] for entry in entries(scene)]
    assert all(len(stem) == 3 * RATE for stem in stems)
    correlation = np.corrcoef(stems)
    assert np.abs(correlation - np.eye(6)).max() < 0.1


def test_continuous_sound_is_softer_under_events(source):
    alone = composed(SceneEvent("rain", azimuth=0.0))
    under = composed(SceneEvent("rain", azimuth=0.0), SceneEvent("click", azimuth=90.0))
    assert (entries(alone)[0]["gain"], entries(under)[0]["gain"]) == (0.0, -6.0)
    assert entries(under)[0]["fade_out"] > 0
    assert under.events[0].end == under.events[1].end == 0.05
    assert alone.events[0].end == 10.0


def test_a_count_gives_different_sounds_near_the_place(source):
    scene = composed(SceneEvent("dog barking", azimuth=90.0, count=3))
    assert [seed for _, _, seed in source.asked] == [0, 1, 2]
    files = [entry["file"] for entry in entries(scene)]
    assert files == [f"1-dog-barking-{number}.wav" for number in (1, 2, 3)]
    assert len({scene.stems[file].samples.tobytes() for file in files}) == 3
    starts = [entry["start"] for entry in entries(scene)]
    assert starts == sorted(starts)
    assert starts[2] > starts[1] > starts[0] == 0
    again = composed(SceneEvent("dog barking", azimuth=90.0, count=3), seed=1)
    assert {seed for _, _, seed in source.asked[3:]} == {3, 4, 5}
    assert again.stems != scene.stems


def test_one_seed_gives_one_scene(source):
    events = (SceneEvent("dog barking", count=3), SceneEvent("rain", around=True))
    one, again, other = (composed(*events, seed=seed) for seed in (4, 4, 5))
    assert one.document == again.document
    assert one.stems == again.stems
    assert one.document != other.document


def test_a_motion_lasts_as_long_as_its_sound(source):
    scene = composed(SceneEvent("car", trajectory=PASS))
    (entry,) = entries(scene)
    assert [point["time"] for point in entry["trajectory"]] == [0.0, 0.75, 1.5]
    assert entry["trajectory"][1] == {"time": 0.75, "x": 3.0, "y": 0.0, "z": 0.0}
    textured = composed(SceneEvent("wind", trajectory=PASS))
    assert textured.events[0].end == 4.0
    assert textured.stems["1-wind.wav"].duration == 4.0


def test_sounds_that_are_cut_fade_out(source):
    scene = composed(SceneEvent("car", azimuth=0.0), seconds=1.0)
    (entry,) = entries(scene)
    assert (entry["length"], entry["fade_out"]) == (1.0, 0.1)
    assert scene.document["seconds"] == 1.0
    assert any("shortened to 67 %" in note for note in scene.notes)


def test_places_outside_of_the_room_come_nearer_and_say_so(source):
    room = ShoeBox((4.0, 3.0, 2.5))
    scene = composed(
        SceneEvent("dog barking", azimuth=90.0, distance=30.0),
        SceneEvent("car", trajectory=PASS),
        room=room,
    )
    assert entries(scene)[0]["distance"] == pytest.approx(1.4, abs=0.01)
    assert len([note for note in scene.notes if "inside the room" in note]) == 2
    assert scene.scene.options.room == room  # which has checked nothing yet
    SceneGenerator(GenerateOptions(rate=RATE)).render(scene)


def test_a_distant_scene_is_raised_and_has_air_absorption(source):
    scene = composed(SceneEvent("dog barking", azimuth=0.0, distance=60.0))
    assert scene.document["air"] is True
    assert entries(scene)[0]["gain"] == pytest.approx(22.04, abs=0.01)
    assert any("raised by 22.0 dB" in note for note in scene.notes)
    near = composed(SceneEvent("dog barking", azimuth=0.0), SceneEvent("car", distance=60.0))
    assert [entry["gain"] for entry in entries(near)] == [0.0, 0.0]


def test_long_textures_repeat_a_short_stem(source):
    scene = composed(SceneEvent("rain", azimuth=0.0), seconds=600.0)
    (entry,) = entries(scene)
    assert (entry["loop"], entry["length"]) == (True, 600.0)
    assert scene.stems[entry["file"]].duration == MAX_STEM
    loop = composed(SceneEvent("rain", azimuth=0.0), seconds=90.0, loop=True)
    assert loop.stems["1-rain.wav"].duration == 45.0  # half of the loop


def test_a_binaural_source_places_what_it_can(source):
    scene = composed(
        SceneEvent("dog barking", azimuth=100.0, distance=3.0),
        SceneEvent("car", trajectory=PASS),
        SceneEvent("click", azimuth=0.0, elevation=40.0),
        source="dualspec",
    )
    both, moving, above = entries(scene)
    assert (both["binaural"], both["azimuth"]) == (True, 90.0)
    assert both["gain"] == pytest.approx(-6.02, abs=0.01)
    assert scene.stems[both["file"]].channels == 2
    assert "binaural" not in moving
    assert "binaural" not in above
    notes = " ".join(scene.notes)
    assert "'dog barking' is at 90° instead of 100°" in notes
    assert "cannot place 'car', which moves" in notes
    assert "cannot place 'click', which is not at ear height" in notes


def test_a_binaural_texture_lasts_as_long_as_its_time(source):
    scene = composed(SceneEvent("rain", azimuth=60.0), source="dualspec", seconds=3.0)
    stem = scene.stems["1-rain.wav"]
    assert (stem.channels, stem.duration) == (2, 3.0)
    assert any("'rain' is continued by crossfades" in note for note in scene.notes)


def test_a_band_limit_is_reported(source):
    options = GenerateOptions(rate=48_000)
    description = SceneDescription((SceneEvent("click", azimuth=0.0),))
    lines = SceneGenerator(options).compose(description).scene_lines()
    assert lines[-1].strip() == "Its sounds contain frequencies up to 8 kHz."
    assert "8 kHz" not in composed(SceneEvent("click", azimuth=0.0)).scene_lines()[-1]


def test_unknown_words_and_too_many_sounds_are_errors(source):
    with pytest.raises(OptionError, match="no sound for 'unicorn'"):
        composed(SceneEvent("unicorn"))
    with pytest.raises(OptionError, match="at most 64"):
        composed(*[SceneEvent("click", count=12)] * 6)
    with pytest.raises(OptionError, match="at most 1,200 s"):
        composed(SceneEvent("rain"), seconds=2000.0, loop=True)


def test_the_document_is_a_scene_file(source):
    scene = composed(
        SceneEvent("rain", around=True), SceneEvent("car", trajectory=ORBIT, along_sphere=True)
    )
    text = scene_text(scene.document)
    assert json.loads(text) == scene.document
    assert len(scene.scene.sources) == 7
    assert {entry["file"] for entry in entries(scene)} == scene.stems.keys() == scene.origins.keys()
