"""Scenes as ambisonic fields: `generate(..., ambix=1)`."""

import numpy as np
import pytest

import soundstage
import stand_in_sources
from soundstage.errors import OptionError, OutputError
from soundstage.scene import SceneDescription, SceneEvent
from soundstage.scene.options import GenerateOptions
from soundstage.scene.takes import plan_takes

SENTENCE = "a dog barking on the left"


@pytest.fixture(autouse=True)
def sources(monkeypatch):
    stand_in_sources.use(monkeypatch)


def intensity(field):
    """Direction of the energy of an AmbiX field, a unit vector (x, y, z)."""
    w, y, z, x = field[:4].astype(float)
    vector = np.array([w @ x, w @ y, w @ z])
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_events_come_from_where_the_words_say(order):
    audio = soundstage.generate(SENTENCE, rate=16_000, ambix=order)
    assert audio.samples.shape[0] == (order + 1) ** 2
    assert intensity(audio.samples) == pytest.approx([0, 1, 0], abs=0.02)
    behind = SceneDescription((SceneEvent("dog barking", azimuth=180.0, elevation=30.0),))
    audio = soundstage.generate(behind, rate=16_000, ambix=order)
    height = np.radians(30)
    assert intensity(audio.samples) == pytest.approx([-np.cos(height), 0, np.sin(height)], abs=0.02)


def test_names_of_takes_keep_the_label():
    takes = plan_takes("dog", None, takes=2, ambix=1)
    assert [take.target.name for take in takes] == ["dog-1.ambix1.wav", "dog-2.ambix1.wav"]
    takes = plan_takes("dog", "mine.wav", takes=2, ambix=1)
    assert [take.target.name for take in takes] == ["mine-1.wav", "mine-2.wav"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ambix": 4}, "order"),
        ({"ambix": 1, "convention": "acn"}, "acn"),
        ({"convention": "fuma"}, "`ambix`"),
        ({"ambix": 1, "source": "dualspec"}, "ear signals"),
        ({"ambix": 1, "hrtf": "kemar"}, "`hrtf`"),
    ],
)
def test_impossible_fields_are_refused(options, reason):
    with pytest.raises(OptionError, match=reason):
        GenerateOptions(**options)


def test_formats_without_so_many_channels_are_refused():
    with pytest.raises(OutputError, match="channels"):
        plan_takes("dog", "x.flac", ambix=3)
