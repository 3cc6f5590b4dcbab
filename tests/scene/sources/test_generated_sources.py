import numpy as np
import pytest
import torch

from making_dualspec import save_unet, save_vocoder
from soundstage.errors import OptionError
from soundstage.scene.sources.registry import load_source
from soundstage.scene.sources.source import SourceOptions
from soundstage.spectra.dual_spectra import N_SAMPLES

RATE = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    save_unet(folder, "dualspec")
    save_unet(folder, "mono-mel")
    save_vocoder(folder)
    return folder


@pytest.fixture(scope="module")
def source(folder):
    def load(name, weights, **changes):
        options = SourceOptions(
            weights=str(folder / f"{weights}.safetensors"),
            vocoder=str(folder / "vocoder.safetensors"),
            steps=1,
            **changes,
        )
        return load_source(name, options)

    return load


@pytest.fixture(scope="module")
def binaural(source):
    return source("dualspec", "dualspec")


@pytest.fixture(scope="module")
def mono(source):
    return source("mono", "mono-mel")


def test_words_are_matched_with_the_classes_of_the_model(binaural):
    ears, rate = binaural.binaural("a puppy woofing", 90, seed=3)
    same, _ = binaural.binaural("dog", 90, seed=3)
    assert rate == RATE
    assert ears.shape[0] == 2
    assert ears.dtype == np.float32
    assert np.array_equal(ears, same)
    assert binaural.label("a puppy woofing") == "dog"


def test_the_nearest_of_twelve_azimuths_is_used(binaural):
    assert len(binaural.azimuths) == 12
    near, _ = binaural.binaural("dog", 350, seed=0)
    ahead, _ = binaural.binaural("dog", 0, seed=0)
    left, _ = binaural.binaural("dog", 90, seed=0)
    assert np.array_equal(near, ahead)
    assert not np.array_equal(near, left)


def test_silence_around_a_binaural_sound_is_cut_from_both_ears_alike(binaural, monkeypatch):
    sound = torch.zeros(1, 2, N_SAMPLES)
    sound[0, 0, 20_000:30_000] = 0.1
    sound[0, 1, 20_010:30_010] = 0.05
    monkeypatch.setattr(type(binaural._model), "generate", lambda *_, **__: sound)
    ears, _ = binaural.binaural("dog", 90, seed=0)
    assert 10_000 < ears.shape[1] < 16_000
    onsets = np.abs(ears).argmax(axis=1)
    assert np.diff([np.flatnonzero(ear)[0] for ear in ears]) == 10
    assert (onsets > 0).all()


def test_takes_of_mono_differ_and_repeat(mono):
    first, again, other = (mono.sound("dog", seconds=None, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.samples, again.samples)
    assert len(other.samples) != len(first.samples) or not np.array_equal(
        first.samples, other.samples
    )
    assert first.rate == RATE
    assert first.bandwidth == RATE / 2
    assert first.label == "dog"
    assert not first.loopable


def test_textures_are_continued_and_events_keep_their_length(mono):
    rain = mono.sound("heavy rain", seconds=12.0, seed=0)
    assert rain.loopable
    assert len(rain.samples) == 12 * RATE
    assert np.abs(rain.samples[-RATE:]).max() > 0
    dog = mono.sound("dog", seconds=12.0, seed=0)
    assert len(dog.samples) <= N_SAMPLES
    assert len(mono.sound("dog", seconds=0.5, seed=0).samples) == RATE // 2


def test_words_of_no_class_are_refused_with_the_nearest(mono, binaural):
    with pytest.raises(OptionError, match="The source mono has no sound for 'harpsichord'"):
        mono.sound("harpsichord", seconds=None, seed=0)
    with pytest.raises(OptionError, match="The source dualspec has no sound"):
        binaural.binaural("harpsichord", 0, seed=0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 601.0, float("nan")])
def test_lengths_out_of_range_are_refused(mono, seconds):
    with pytest.raises(OptionError, match="cannot last"):
        mono.sound("rain", seconds=seconds, seed=0)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_out_of_range_are_refused(mono, binaural, seed):
    with pytest.raises(OptionError, match="A seed is"):
        mono.sound("rain", seconds=None, seed=seed)
    with pytest.raises(OptionError, match="A seed is"):
        binaural.binaural("rain", 0, seed=seed)


def test_an_azimuth_that_is_no_angle_is_refused(binaural):
    with pytest.raises(OptionError, match="no angle"):
        binaural.binaural("rain", float("nan"), seed=0)


def test_weights_of_the_other_kind_are_refused(source):
    with pytest.raises(OptionError, match="its source is dualspec"):
        source("mono", "dualspec")
    with pytest.raises(OptionError, match="its source is mono"):
        source("dualspec", "mono-mel")


def test_guidance_out_of_range_is_refused(source):
    with pytest.raises(OptionError, match="`guidance` is from 0"):
        source("dualspec", "dualspec", guidance=99.0)
