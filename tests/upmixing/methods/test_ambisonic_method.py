import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut, decibels, song
from soundstage.errors import WeightsError
from soundstage.networks.models.ambisonic_vae import AmbisonicVAE, AmbisonicVAEConfig
from soundstage.upmixing import UpmixMethod, make_side, upmix_blocks
from soundstage.upmixing.methods.ambisonic import MAX_EXCERPTS, Ambisonic, load
from soundstage.upmixing.song_pass import fit_to_song
from soundstage.upmixing.sound_field import FieldMethod
from soundstage.weights.model import save_model
from tiny import AMBISONIC as BANDS
from tiny import save_regression

RATE = 44_100
SAMPLES = AmbisonicVAEConfig(
    channels=(4, 6, 8), ratios=(5, 8), recurrent_layers=1, depth=1, heads=2, latent_dim=4
)
CONFIGS = pytest.mark.parametrize("config", [BANDS, SAMPLES], ids=["bands", "samples"])


def network(config: AmbisonicVAEConfig = BANDS) -> AmbisonicVAE:
    """Untrained, with latents that count."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = config.build().eval().requires_grad_(False)
        for parameter in model.parameters():
            parameter.mul_(2)
        return model


METHOD = Ambisonic(network())


@settings(max_examples=8)
@given(length=st.integers(0, 600_000), places=st.lists(st.integers(0, 600_000), max_size=4))
def test_blocks_of_any_size_give_the_same_sound(length: int, places: list[int]) -> None:
    sound = song(length)
    with torch.inference_mode():
        whole, stream = METHOD.stream([3]), METHOD.stream([3])
        expected = torch.cat([whole.push(sound), whole.finish()], dim=-1)
        parts = [*map(stream.push, cut(sound, places)), stream.finish()]
    assert expected.shape == (1, 1, length)
    assert torch.equal(torch.cat(parts, dim=-1), expected)


@CONFIGS
def test_takes_differ_and_each_is_the_same_alone(config: AmbisonicVAEConfig) -> None:
    method, sound = Ambisonic(network(config)), song(50_000)
    with torch.inference_mode():
        stream = method.stream([4, 5])
        takes = torch.cat([stream.push(sound), stream.finish()], dim=-1)
        alone = method.stream([5])
        again = torch.cat([alone.push(sound), alone.finish()], dim=-1)
    assert torch.equal(takes[1:], again)
    assert (takes[0] - takes[1]).norm() > 0.02 * takes[0].norm()


def test_windows_join_as_if_the_signal_were_one() -> None:
    """The context is longer than the receptive field."""
    sound = song(10 * RATE)
    with torch.inference_mode():
        stream = METHOD.stream([0])
        joined = torch.cat([stream.push(sound), stream.finish()], dim=-1)[0, 0]
        whole = METHOD.complete(sound, 0, 0)[1]
    assert decibels(joined - whole, whole) < -100


def test_the_microphones_of_a_song_have_the_nearest_levels() -> None:
    sound = song(5 * RATE)
    fitted = fit_to_song(METHOD, [sound.numpy()], RATE)
    assert isinstance(fitted, Ambisonic)
    with torch.inference_mode():
        left, right = fitted.azimuths(1)
        x, y = METHOD.complete(sound, 1, 0)
    assert left - right == 180

    def difference(azimuth: float) -> float:
        angle = np.radians(azimuth)
        side = np.cos(angle) * x + np.sin(angle) * y
        return abs(decibels(sound + side, sound - side))

    least = min(difference(azimuth) for azimuth in range(10, 180, 10))
    assert difference(left) < least + 0.3


def test_the_mono_sum_is_the_input_unless_the_decoder_mixes() -> None:
    sound = song(3 * RATE).numpy().astype(np.float64)
    for decoder, exact in (("prediction", True), ("mixing", False)):
        method: UpmixMethod = Ambisonic(network(), decoder=decoder)
        fitted = fit_to_song(method, [sound], RATE)
        takes = upmix_blocks([sound], fitted, RATE, seeds=[0])
        left, right = np.concatenate([each[0].left_right() for each in takes], axis=1)
        error = np.abs((left + right) / 2 - sound).max()
        assert (error < 1e-12) == exact


def test_a_field_has_the_side_in_y_and_nothing_above() -> None:
    sound = song(3 * RATE)
    fitted = fit_to_song(METHOD, [sound.numpy()], RATE)
    field = FieldMethod(fitted, 1)
    with torch.inference_mode():
        stream = field.stream([2])
        sides = torch.cat([stream.push(sound), stream.finish()], dim=-1)[0]
    assert sides.shape == (3, len(sound))
    torch.testing.assert_close(sides[:1], make_side(METHOD, sound, seed=2))
    assert not sides[1].any()
    with torch.inference_mode():
        x, y = METHOD.complete(sound, 2, 0)
    energy = (sides[0].square() + (sides[2] + sound).square()).sum()  # turning keeps it
    assert energy == pytest.approx(float((x.square() + y.square()).sum()), rel=1e-4)


def test_a_survey_keeps_excerpts_of_the_whole_song_in_bounded_memory() -> None:
    survey = METHOD.survey()
    for number in range(500):
        survey.push(torch.full((64,), float(number)))
    excerpts = survey.finish()._excerpts
    numbers = [int(each[0]) for each in excerpts]
    assert MAX_EXCERPTS // 2 <= len(numbers) <= MAX_EXCERPTS
    assert len({later - one for one, later in itertools.pairwise(numbers)}) == 1
    assert numbers[0] == 0
    assert numbers[-1] > 450


@CONFIGS
@pytest.mark.parametrize("length", [0, 1, 200])
def test_short_signals_and_silence(config: AmbisonicVAEConfig, length: int) -> None:
    method = Ambisonic(network(config))
    for sound in (song(length), torch.zeros(length)):
        assert make_side(method, sound).shape == (1, length)
    assert not make_side(METHOD, torch.zeros(5000)).any()


def test_weights_are_loaded_and_others_refused(tmp_path) -> None:
    path = tmp_path / "own.safetensors"
    save_model(path, BANDS, network().state_dict())
    assert load(str(path), decoder="mixing").n_outputs == 2
    save_regression(tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="'regression', not of 'ambisonic'"):
        load(str(tmp_path / "other.safetensors"))
