"""The page that plays a result beside its original."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile

import sounds
from sounds import RATE
from soundstage.audio import Audio
from soundstage.errors import InputError, OptionError, OutputError
from soundstage.listening import before_after, write_listening_page

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

NASTY = "</script><b>\"&'$x$"
SECONDS = 1


def noise(seconds, *, seed=0):
    return sounds.noise(seconds * RATE, seed=seed).numpy()


def stereo_scene(seconds, *, seed=0):
    return sounds.stereo_scene(seconds * RATE, seed=seed).numpy()


def sounds_of(page):
    """The decoded sounds of a page, and their gains."""
    found = re.findall(r'class="sound" data-gain="([\d.]+)">([^<]*)<', page)
    decoded = [soundfile.read(io.BytesIO(base64.b64decode(mp3)))[0] for _, mp3 in found]
    return decoded, [float(gain) for gain, _ in found]


def write(path, after=None, before=None, **options):
    mono = noise(SECONDS)[None] * 0.1 if before is None else before
    after = {"after": stereo_scene(SECONDS) * 0.1} if after is None else after
    after = {name: Audio(samples, RATE) for name, samples in after.items()}
    write_listening_page(Audio(mono, RATE), after, path, title="song.wav", **options)
    return path.read_text()


def test_versions_have_one_length_and_their_own_sound(tmp_path):
    mono = sounds.song(SECONDS * RATE).numpy()
    side = sounds.chord(SECONDS * RATE).numpy()
    page = write(tmp_path / "page.html", {"a": np.stack([mono + side, mono - side])}, mono[None])
    (before, after), _ = sounds_of(page)
    assert len(before) == len(after) == SECONDS * RATE
    for kept, decoded in ((mono, before), (mono + side, after[:, 0]), (mono - side, after[:, 1])):
        assert np.square(decoded - kept).mean() < 0.1 * np.square(kept).mean()


def test_gains_bring_every_version_to_the_loudness_of_the_quietest(tmp_path):
    scene = stereo_scene(SECONDS) * 0.1
    page = write(tmp_path / "page.html", {"a": scene, "b": 2 * scene}, scene / 4)
    _, gains = sounds_of(page)
    assert gains == pytest.approx([1, 1 / 4, 1 / 8], rel=0.01)


def test_silence_keeps_a_gain_of_one(tmp_path):
    _, gains = sounds_of(write(tmp_path / "page.html", before=np.zeros((1, RATE))))
    assert gains == [1.0, 1.0]


def test_a_long_sound_is_represented_by_sections_in_their_places(tmp_path, monkeypatch):
    monkeypatch.setattr(before_after, "longest", lambda versions: 2.0)
    monkeypatch.setattr(before_after, "SHORTEST_SECTION", 0.5)
    time = np.arange(8 * RATE) / RATE
    rising = 0.02 * (1 + np.floor(time))[None] * np.sin(2 * np.pi * 440 * time)
    page = write(tmp_path / "page.html", {"after": np.repeat(rising, 2, axis=0)}, rising)
    found, _ = sounds_of(page)
    assert "The sound lasts 0:08" in page
    assert [len(sound) / RATE for sound in found] == [0.5] * 8  # two versions of four sections
    levels = [np.abs(sound).max() for sound in found[::2]]
    # The middles of the quarters lie at 1, 3, 5 and 7 s, each on a step of the level
    assert levels == pytest.approx([0.04, 0.08, 0.12, 0.16], rel=0.1)


def test_rates_may_differ(tmp_path):
    after = {"after": Audio(np.repeat(noise(SECONDS)[None], 2, axis=0)[:, :24_000], 24_000)}
    write_listening_page((noise(SECONDS)[None], RATE), after, tmp_path / "p.html", title="x")
    found, _ = sounds_of((tmp_path / "p.html").read_text())
    assert [len(sound) for sound in found] == [48_000, 48_000]


def test_names_and_facts_are_escaped_and_shown(tmp_path):
    page = write(
        tmp_path / "page.html", {NASTY: stereo_scene(SECONDS)}, facts={NASTY: {"width": NASTY}}
    )
    assert NASTY not in page
    assert page.count("&lt;/script&gt;&lt;b&gt;") >= 3


@pytest.mark.parametrize("after", [{}, {"before": 0}, {str(i): 0 for i in range(33)}])
def test_a_wrong_number_of_results_or_a_taken_name_is_refused(tmp_path, after):
    with pytest.raises(OptionError):
        write_listening_page(
            "in.wav", dict.fromkeys(after, "out.wav"), tmp_path / "x.html", title="x"
        )


def test_more_than_two_channels_and_other_targets_are_refused(tmp_path):
    with pytest.raises(InputError, match="4 channels"):
        write(tmp_path / "page.html", {"after": np.zeros((4, RATE))})
    with pytest.raises(OptionError, match="HTML"):
        write(tmp_path / "page.wav")
    (tmp_path / "page.html").write_text("kept")
    with pytest.raises(OutputError, match="exists"):
        write(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "kept"


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_plays_in_a_browser(tmp_path, open_page, width):
    names = {f"take {i}, seed {i}": stereo_scene(3, seed=i) * 0.1 for i in range(3)}
    write(tmp_path / "page.html", names, noise(3)[None] * 0.1, facts={"take 0, seed 0": {"w": "1"}})
    page = open_page((tmp_path / "page.html").as_uri(), width=width)
    page.locator(".play").click()
    page.wait_for_function("() => soundstagePlayers[0].state().position > 0.1")
    page.keyboard.press("3")
    page.wait_for_function("() => soundstagePlayers[0].state().gains[2] > 0.99")
    state = page.evaluate("soundstagePlayers[0].state()")
    assert len(set(state["lengths"])) == 1
    assert state["labels"] == ["before", *names]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
