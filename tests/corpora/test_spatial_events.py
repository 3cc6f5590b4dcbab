"""Clips of sound events from 12 directions."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from soundstage.corpora.events import EventClip
from soundstage.corpora.spatial_events import (
    AZIMUTHS,
    LEAD,
    RATE,
    event_sound,
    five_seconds,
    horizontal_hrirs,
    spatialize,
)
from soundstage.metrics.interaural import interaural_time_difference
from spheres import grid, sphere_head, write_sofa


@pytest.fixture(scope="module")
def kemar():
    return horizontal_hrirs("kemar")


def clip(path: Path) -> EventClip:
    return EventClip(path, 1, "dog", "CC0", {})


def levels(responses):
    """Level of the left over the right ear in dB."""
    energy = responses.square().sum(dim=-1)
    return 10 * torch.log10(energy[:, 0] / energy[:, 1])


def test_azimuths_count_counterclockwise(kemar):
    ild = dict(zip(AZIMUTHS, levels(kemar).tolist(), strict=True))
    assert ild[90] > 6
    assert ild[270] < -6
    assert abs(ild[0]) < 0.1
    assert abs(ild[180]) < 0.1
    assert all(ild[30 * k] > 3 for k in range(1, 6))


def test_mean_energy_is_one_and_the_first_response_begins_at_once(kemar):
    assert kemar.square().sum(dim=-1).mean().item() == pytest.approx(1)
    begins = kemar.abs().amax(dim=(0, 1)) > 0.01 * kemar.abs().max()
    assert begins.int().argmax() <= round(LEAD * RATE)
    assert kemar.shape[-1] < 0.01 * RATE


def test_a_sofa_file_of_any_rate_gives_the_same_directions(tmp_path):
    path = write_sofa(tmp_path / "sphere.sofa", sphere_head(grid(30)))
    own = horizontal_hrirs(path)
    assert own.shape[:2] == (12, 2)
    assert (levels(own)[1:6] > 1).all()
    assert (levels(own)[7:] < -1).all()


def test_a_clip_on_the_left_reaches_the_left_ear_first(kemar):
    noise = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    both = spatialize(noise, kemar)
    assert both.shape == (12, 2, RATE)
    itd = interaural_time_difference(both[3], RATE)
    assert itd.median().item() == pytest.approx(700, abs=120)  # µs
    assert interaural_time_difference(both[9], RATE).median().item() < -580


def test_spatialize_is_a_causal_convolution(kemar):
    sound = torch.zeros(1000)
    sound[300] = 2.0
    made = spatialize(sound, kemar[4])
    assert made[:, :300].abs().max() < 1e-6
    torch.testing.assert_close(made[:, 300 : 300 + kemar.shape[-1]], 2 * kemar[4])
    end = torch.zeros(1000)
    end[-1] = 1.0
    assert spatialize(end, kemar[4])[:, :-1].abs().max() < 1e-6


def test_five_seconds_are_cut_or_padded():
    sound = torch.arange(100_000.0)
    assert torch.equal(five_seconds(sound, 15_000), sound[15_000:95_000])
    short = five_seconds(sound[:20_000].expand(3, -1), 10_000)
    assert short.shape == (3, 80_000)
    assert torch.equal(short[1, :10_000], sound[10_000:20_000])
    assert not short[:, 10_000:].any()


def test_clips_shorter_than_a_second_are_not_used(tmp_path):
    sound = 0.1 * np.ones(44_100)
    soundfile.write(tmp_path / "whole.wav", sound, 44_100)
    soundfile.write(tmp_path / "short.wav", sound[:43_000], 44_100)
    whole = event_sound(clip(tmp_path / "whole.wav"))
    assert whole is not None
    assert whole.shape == (RATE,)
    assert event_sound(clip(tmp_path / "short.wav")) is None
