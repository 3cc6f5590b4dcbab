"""Levels of known sources in both ears."""

import math

import pytest
import torch

import sounds
from soundstage.corpora.placed_mixes import place_sources
from soundstage.metrics.ear_levels import ear_levels

LENGTH = 44_100


@pytest.fixture
def sources():
    return torch.stack([sounds.noise(LENGTH, seed=seed) for seed in (1, 2, 3)])


def test_places_of_a_mix_are_found(sources):
    mix = place_sources(sources, [9.0, 0.0, -12.0])
    assert ear_levels(mix, sources) == pytest.approx([9.0, 0.0, -12.0], abs=0.01)
    assert ear_levels(mix, 0.1 * sources) == pytest.approx([9.0, 0.0, -12.0], abs=0.01)


def test_hard_panned_sources_are_far_out_and_silent_ones_nowhere(sources):
    mix = torch.stack([2 * sources[0], 2 * sources[1]])
    left, right, absent = ear_levels(mix, sources)
    assert left > 40
    assert right < -40
    assert abs(absent) < 60  # what chance gives
    quiet = ear_levels(mix, torch.cat([sources[:2], torch.zeros(1, LENGTH)]))
    assert math.isnan(quiet[2])


def test_a_source_that_is_left_in_the_treble_alone_counts_by_its_energy(sources):
    source = sources[:1]
    spectrum = torch.fft.rfft(source)
    spectrum[:, : LENGTH // 4] = 0
    treble = torch.fft.irfft(spectrum, LENGTH)
    mix = torch.cat([source + treble, source - treble])
    left, right = mix.square().sum(dim=1).tolist()
    (level,) = ear_levels(mix, source)
    assert level == pytest.approx(10 * math.log10(left / right), abs=0.3)
