import math

import numpy as np
import pytest
import torch

from making_stems import write_collection
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.corpora.stem_cache import stem_rows
from soundstage.errors import InputError
from soundstage.training.data.ambisonic_mixes import (
    RATE,
    RMS,
    FieldMixes,
    in_room,
    open_songs,
    random_room,
)
from soundstage.training.field_recipes import FieldMixing

SAMPLES = 8192
STEMS = [("a", "bass", "bass", 110), ("a", "pad", "object", 880), ("a", "lead", "lead", 3000)]


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    return open_songs(stem_rows(write_collection(tmp_path_factory.mktemp("stems"), STEMS)))


def mixes(songs, *, batch_size=4, seed=0, **mixing):
    return FieldMixes(
        songs, batch_size=batch_size, samples=SAMPLES, mixing=FieldMixing(**mixing), seed=seed
    )


def test_a_batch_is_a_function_of_its_step(songs):
    one, again, other = (mixes(songs).draw(step) for step in (3, 3, 4))
    assert one.mid.shape == (4, SAMPLES)
    assert one.field.shape == (4, 2, SAMPLES)
    assert torch.equal(one.field, again.field)
    assert not torch.equal(one.field, other.field)


def test_turns_of_a_mix_have_one_mid_and_one_energy_in_every_direction(songs):
    batch = mixes(songs, turns=4).draw(0)
    for mid, field in zip(batch.mid[1:], batch.field[1:], strict=True):
        gain = float(mid.norm() / batch.mid[0].norm())
        torch.testing.assert_close(mid, gain * batch.mid[0], rtol=1e-4, atol=1e-4)
        assert field.square().sum() == pytest.approx(
            float(gain**2 * batch.field[0].square().sum()), rel=1e-3
        )
        assert not torch.allclose(field, gain * batch.field[0], atol=1e-3)


def test_levels_of_the_mid_are_in_range(songs):
    rms = mixes(songs, batch_size=8).draw(0).mid.square().mean(dim=1).sqrt()
    assert RMS[0] * 0.99 <= float(rms.min()) < float(rms.max()) <= RMS[1] * 1.01


def test_plane_waves_lie_on_the_unit_circle(songs):
    """Each band of a dry mix is one stem, in one direction."""
    batch = mixes(songs, dry_prob=1.0).draw(0)
    window = torch.hann_window(SAMPLES)
    mid = torch.fft.rfft(window * batch.mid)
    x, y = torch.fft.rfft(window * batch.field).unbind(dim=1)
    for *_, frequency in STEMS:
        place = round(frequency * SAMPLES / RATE)
        radius = (x[:, place] / mid[:, place]).abs() ** 2 + (y[:, place] / mid[:, place]).abs() ** 2
        assert torch.allclose(radius, torch.ones(4), atol=0.02)


def test_the_direct_sound_comes_first_and_from_the_source():
    room = ShoeBox((8.0, 6.0, 3.0), 0.3, (4.0, 3.0, 1.5))
    pulse = np.zeros(SAMPLES)
    pulse[0] = 1
    field = in_room([pulse], room, np.random.default_rng(1))
    assert field[0, 0] == pytest.approx(1, abs=0.01)
    assert np.hypot(*field[1:, 0]) == pytest.approx(1, abs=0.1)
    assert np.abs(field[0, 1:20]).max() < 0.1


def test_the_tail_is_diffuse_and_as_strong_as_absorption_lets_it_be():
    """W has three times the energy of X or Y, and none of their signal."""
    room = ShoeBox((8.0, 6.0, 3.0), 0.5, (4.0, 3.0, 1.5))
    pulse = np.zeros(RATE)
    pulse[0] = 1
    energies, products = [], []
    for seed in range(20):
        tail = in_room([pulse], room, np.random.default_rng(seed))[:, RATE // 20 :]
        energies.append(np.square(tail).sum(axis=1))
        products.append([tail[0] @ tail[1], tail[0] @ tail[2]])
    w, x, y = np.sum(energies, axis=0)
    assert w / x == pytest.approx(3, rel=0.2)
    assert w / y == pytest.approx(3, rel=0.2)
    assert np.abs(np.sum(products, axis=0)).max() < 0.1 * math.sqrt(w * x)


def test_rooms_can_be_made_for_any_seed():
    for seed in range(50):
        room = random_room(np.random.default_rng(seed))
        assert 0.05 < float(room.decay_times.mean()) < 3
        assert 0.1 < float(room.absorption.mean()) < 0.75


def test_silent_stems_give_silence(songs, tmp_path):
    silent = open_songs(
        stem_rows(write_collection(tmp_path, [("s", "a", "bass", 0), ("s", "b", "object", 0)]))
    )
    batch = mixes(silent).draw(0)
    assert not batch.mid.any()
    assert not batch.field.any()


def test_songs_that_are_too_short_are_refused(songs):
    with pytest.raises(InputError, match=r"No song has the 2\.3 s"):
        FieldMixes(songs, batch_size=1, samples=100_000, mixing=FieldMixing(), seed=0)
