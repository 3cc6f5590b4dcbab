import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from making_stems import small_config, write_separator
from soundstage.errors import WeightsError
from soundstage.parallel import single_thread
from soundstage.separation.stage_balance import BALANCE_EDGES
from soundstage.separation.stems import PROTOTYPES, FittedStems, _Rows, load
from soundstage.stereo.encoding import RATE, TRANSFORM
from soundstage.stereo.fine_bands import FINE_BANDS
from soundstage.weights.model import save_model


@pytest.fixture(scope="module")
def separator(tmp_path_factory):
    return load(str(write_separator(tmp_path_factory.mktemp("stems") / "stems.safetensors")))


@pytest.fixture(autouse=True)
def _as_a_caller():
    with single_thread(), torch.inference_mode():
        yield


def noise(length, seed=0):
    return 0.1 * torch.randn(length, generator=torch.Generator().manual_seed(seed))


def fitted(separator, sound, block=65_536):
    survey = separator.survey()
    for part in sound.split(block):
        survey.push(part)
    return survey.finish()


def separated(separator, sound, block):
    stream = separator.stream()
    return torch.cat([*(stream.push(part) for part in sound.split(block)), stream.finish()], dim=-1)


@given(st.integers(1, 90_000), st.integers(500, 70_000))
def test_sources_add_up_and_are_the_same_for_any_block(separator, length, block):
    sound = noise(length)
    song = fitted(separator, sound)
    sources = separated(song, sound, block)
    assert sources.shape == (len(song.sources), length)
    assert (sources.sum(dim=0) - sound).abs().max() < 1e-7
    assert torch.equal(sources, separated(song, sound, length))


def test_masks_are_shares_of_one_and_one_for_every_frame(separator):
    sound = noise(14 * RATE)
    spectrogram = TRANSFORM.analyze(sound)
    song = fitted(separator, sound)
    stream = song.mask_stream()
    parts = [stream.push(part) for part in spectrogram.split(100, dim=1)]
    masks = torch.cat([*parts, stream.finish()], dim=-1)
    assert masks.shape == (len(song.sources), *spectrogram.shape)
    assert masks.min() >= 0
    assert torch.allclose(masks.sum(dim=0), torch.ones(spectrogram.shape), atol=1e-5)
    whole = song.mask_stream()
    at_once = torch.cat([whole.push(spectrogram), whole.finish()], dim=-1)
    assert torch.equal(masks, at_once)


def test_masks_do_not_depend_on_the_gain(separator):
    sound = noise(8 * RATE)
    song = fitted(separator, sound)
    quiet, loud = (separated(song, gain * sound, 65_536) / gain for gain in (0.05, 8.0))
    assert (quiet - loud).abs().max() < 1e-4


def test_borders_of_windows_cannot_be_seen(separator):
    """The masks of steady noise change no more at the borders of windows than elsewhere."""
    sound = noise(20 * RATE)
    stream = fitted(separator, sound).mask_stream()
    masks = torch.cat([stream.push(TRANSFORM.analyze(sound)), stream.finish()], dim=-1)
    change = masks.diff(dim=-1).abs().mean(dim=(0, 1))
    border = change[256 - 18 : 256 + 18].max()
    assert border < 2 * change[60:200].max()


def test_facts_of_the_sources_are_shares_and_frequencies(separator):
    song = fitted(separator, noise(9 * RATE))
    assert [source.name for source in song.sources][:5] == [
        "lead",
        "backing",
        "drums",
        "bass",
        "other-1",
    ]
    assert sum(source.energy for source in song.sources) == pytest.approx(1, abs=1e-3)
    assert all(0 < source.centroid < RATE / 2 for source in song.sources)
    assert all(0 <= source.activity <= 1 for source in song.sources)
    assert song.balance_energies.shape == (len(song.sources), len(BALANCE_EDGES) - 1)
    total = song.balance_energies.sum()
    shares = song.balance_energies.sum(axis=1) / total
    assert np.allclose(shares, [source.energy for source in song.sources], atol=0.3)


def test_silence_and_nothing_have_the_sources_of_the_prototypes(separator):
    for sound in (torch.zeros(3 * RATE), torch.zeros(0)):
        song = fitted(separator, sound)
        assert [source.kind for source in song.sources].count("object") == 3
        sources = separated(song, torch.zeros(2_000), 2_000)
        assert not sources.any()


def test_other_voices_are_the_lead_of_a_song_without_one(separator):
    energies = torch.ones(5, 3, FINE_BANDS)
    energies[0] *= 0.01
    kinds = [s.kind for s in FittedStems(separator, separator.prototypes[:1], energies).sources]
    assert kinds == ["lead", "lead", "drums", "bass", "object"]
    energies[0] = 1
    kinds = [s.kind for s in FittedStems(separator, separator.prototypes[:1], energies).sources]
    assert kinds == ["lead", "voice", "drums", "bass", "object"]


def test_missing_weights_are_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match="There are no weights at"):
        load(str(tmp_path / "none.safetensors"))


def test_a_survey_keeps_little_of_each_window(separator):
    """Two hours are 1,220 windows; with 60 kB each they stay far below 1 GB."""
    survey = separator.survey()
    kept = []
    for _ in range(2):
        for _ in range(6):
            survey.push(noise(RATE * 6))
        rows = [each for each in vars(survey).values() if isinstance(each, _Rows)]
        kept.append(sum(each.rows.numel() * each.rows.element_size() for each in rows))
    windows = 6 * 6 * RATE / (256 * TRANSFORM.hop)
    assert kept[1] - kept[0] < 60_000 * windows
    assert len(rows) == 6


def test_networks_of_other_bands_or_kinds_are_refused(tmp_path):
    for change, message in (
        ({"n_bands": 128}, "not one of 160 bands"),
        ({"kinds": ("lead", "rest")}, "the kinds lead, voice"),
    ):
        path = tmp_path / "other.safetensors"
        config = small_config(**change)
        save_model(path, config, config.build().state_dict(), {PROTOTYPES: torch.ones(1, 4)})
        with pytest.raises(WeightsError, match=message):
            load(str(path))
