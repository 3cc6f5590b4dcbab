import math

import pytest
import torch
from torch import Tensor

from sounds import RATE, drums, noise, tone
from soundstage.corpora.placed_mixes import place_sources
from soundstage.metrics.placement import (
    Placement,
    placement_consistency,
    source_energies,
)
from soundstage.stereo import BANDS, FRAME_RATE, Parameters, encode_signal

SECONDS = 30
LENGTH = SECONDS * RATE
FRAMES = round(SECONDS * FRAME_RATE)
PLACES = [0.0, 10.0, -10.0]


def placement(iid: Tensor, energies: Tensor) -> Placement:
    return placement_consistency(Parameters(iid, torch.ones_like(iid)), energies)


def alone() -> Tensor:
    """One source that sounds everywhere, equally loud."""
    return torch.ones(1, BANDS, FRAMES)


def moved(after: float = 15.0) -> Tensor:
    """From −8 to +8 dB."""
    iid = torch.full((BANDS, FRAMES), -8.0)
    iid[:, round(after * FRAME_RATE) :] = 8.0
    return iid


def band() -> Tensor:
    """Notes, drums and hiss that take turns and overlap, 12 s."""
    length = 12 * RATE
    notes = sum(tone(length, hz=hz) for hz in (220.0, 440.0, 660.0, 1320.0))
    notes = notes * ((torch.arange(length) // (RATE // 3)) % 3 > 0)
    hiss = noise(length, seed=5, level=0.05) * ((torch.arange(length) // RATE) % 2)
    return torch.stack([notes, drums(length), hiss])


@pytest.fixture(scope="module")
def energies() -> Tensor:
    return source_energies(band())


@pytest.fixture(scope="module")
def rendered() -> Parameters:
    return encode_signal(place_sources(band(), PLACES))


def test_rendered_sources_stay_in_their_places(rendered: Parameters, energies: Tensor) -> None:
    found = placement_consistency(rendered, energies)
    # Not 0: a tile counts as one source's with 2 % of another's energy in it
    assert found.over_bands < 0.3
    assert found.over_time < 0.15
    assert [source.iid_db for source in found.sources] == pytest.approx(PLACES, abs=0.4)


def test_mono_is_all_in_one_place(energies: Tensor) -> None:
    found = placement(torch.zeros(energies.shape[1:]), energies)
    assert (found.over_bands, found.over_time) == (0, 0)


def test_source_split_band_by_band_has_half_the_distance_over_bands() -> None:
    split = torch.where(torch.arange(BANDS) % 2 == 0, 8.0, -8.0)[:, None].expand(BANDS, FRAMES)
    found = placement(split, alone())
    assert found.over_bands == pytest.approx(8, abs=1e-6)
    assert found.over_time == pytest.approx(0, abs=1e-6)


def test_source_that_moves_late_is_seen_over_time_and_not_over_bands() -> None:
    found = placement(moved(), alone())
    assert found.over_time == pytest.approx(8, rel=0.01)
    assert found.over_bands == pytest.approx(0, abs=1e-3)


def test_modulation_within_a_window_is_not_movement() -> None:
    flutter = 8 * torch.sin(2 * torch.pi * 4 * torch.arange(FRAMES) / FRAME_RATE)
    found = placement(flutter.expand(BANDS, FRAMES), alone())
    assert found.over_time < 0.3  # of its rms of 5.7, since windows hold no whole number of turns


def melody() -> Tensor:
    """Energy of a source that plays low at first, both low and high later, then high."""
    notes = torch.zeros(1, BANDS, FRAMES)
    notes[:, : BANDS // 2, : 2 * FRAMES // 3] = 1
    notes[:, BANDS // 2 :, FRAMES // 3 :] = 1
    return notes


def test_change_of_spectrum_is_not_movement() -> None:
    split = torch.where(torch.arange(BANDS) < BANDS // 2, 8.0, -8.0)[:, None]
    found = placement(split.expand(BANDS, FRAMES), melody())
    assert found.over_time == pytest.approx(0, abs=1e-4)


def test_movement_is_seen_in_full_under_a_change_of_spectrum() -> None:
    split = torch.where(torch.arange(BANDS) < BANDS // 2, 4.0, -4.0)[:, None]
    steady = placement(moved(), melody()).over_time
    assert steady > 7
    assert placement(moved() + split, melody()).over_time == pytest.approx(steady, rel=1e-3)


def test_movement_into_other_bands_is_not_counted() -> None:
    energy = torch.zeros(1, BANDS, FRAMES)
    energy[:, :10, : round(15 * FRAME_RATE)] = 1
    energy[:, 10:, round(15 * FRAME_RATE) :] = 1
    assert placement(moved(), energy).over_time < 1e-3


def test_level_differences_beyond_20_db_count_as_20() -> None:
    far = 20 * moved()
    assert placement(far, alone()).over_time == pytest.approx(20, rel=0.01)


def test_tiles_shared_by_sources_do_not_count() -> None:
    energies = torch.stack([torch.ones(BANDS, FRAMES), torch.zeros(BANDS, FRAMES)])
    energies[1, :10] = 0.1  # 9 % of the tile
    iid = torch.zeros(BANDS, FRAMES)
    iid[:10] = 15.0
    assert placement(iid, energies).over_bands == 0


def test_mirrored_channels_are_equally_consistent(rendered: Parameters, energies: Tensor) -> None:
    one, other = placement(rendered.iid, energies), placement(-rendered.iid, energies)
    assert other.over_bands == pytest.approx(one.over_bands)
    assert other.over_time == pytest.approx(one.over_time)
    assert [s.iid_db for s in other.sources] == pytest.approx([-s.iid_db for s in one.sources])


def test_silent_source_is_nan_and_ignored(rendered: Parameters, energies: Tensor) -> None:
    silent = torch.cat([energies, torch.zeros_like(energies[:1])])
    found = placement(rendered.iid, silent)
    assert all(math.isnan(value) for value in found.sources[-1])
    assert found[:2] == pytest.approx(placement(rendered.iid, energies)[:2])


def test_silent_mix_and_no_source_have_no_placement() -> None:
    for energies in (torch.zeros(2, BANDS, FRAMES), torch.zeros(0, BANDS, FRAMES)):
        found = placement(torch.zeros(BANDS, FRAMES), energies)
        assert math.isnan(found.over_bands)
        assert math.isnan(found.over_time)


def test_source_active_in_one_window_has_no_placement_over_time() -> None:
    energy = torch.zeros(1, BANDS, FRAMES)
    energy[..., :100] = 1
    found = placement(moved(), energy)
    assert math.isnan(found.over_time)
    assert found.over_bands == 0


def test_mean_over_sources_follows_their_energy() -> None:
    iid = torch.zeros(BANDS, FRAMES)
    iid[:10:2], iid[1:10:2] = 6.0, -6.0
    energies = torch.zeros(2, BANDS, FRAMES)
    energies[0, :10] = 1  # split by ±6 dB
    energies[1, 10:] = 1
    assert placement(iid, energies).over_bands == pytest.approx(6 * 10 / BANDS)


def test_loud_bass_does_not_dominate() -> None:
    energy = torch.ones(1, BANDS, FRAMES)
    energy[:, : BANDS // 2] = 1000.0
    iid = torch.where(torch.arange(BANDS) < BANDS // 2, 6.0, -6.0)[:, None].expand(BANDS, FRAMES)
    bass = 1000**0.3 / (1000**0.3 + 1)
    found = placement(iid, energy)
    assert found.over_bands == pytest.approx(12 * math.sqrt(bass * (1 - bass)))


def test_energies_are_those_of_the_coder() -> None:
    found = source_energies(torch.stack([tone(RATE, hz=1000.0, level=1.0), torch.zeros(RATE)]))
    assert found.shape == (2, BANDS, 45)
    assert float(found[0, :, 20].sum()) == pytest.approx(2048**2 * 0.375, rel=0.01)
    assert not found[1].any()


def test_frames_must_agree(energies: Tensor) -> None:
    with pytest.raises(ValueError, match="differ in bands or frames"):
        placement(torch.zeros(BANDS, 7), energies)
