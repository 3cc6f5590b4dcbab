import pytest
import torch

from making_dualspec import save_unet, save_vocoder
from soundstage.errors import OptionError, WeightsError
from soundstage.scene.dualspec.model import load_dualspec
from soundstage.scene.dualspec.sampling import SamplingOptions
from soundstage.spectra.dual_spectra import N_SAMPLES

FAST = SamplingOptions(steps=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    save_unet(folder, "dualspec")
    save_unet(folder, "mono-mel")
    save_vocoder(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return load_dualspec(
        folder / "dualspec.safetensors", vocoder=str(folder / "vocoder.safetensors")
    )


@pytest.fixture(scope="module")
def mono(folder):
    return load_dualspec(
        folder / "mono-mel.safetensors", vocoder=str(folder / "vocoder.safetensors")
    )


def test_both_ears_of_five_seconds(model):
    sound = model.generate(["dog", "rain"], [90, 330], seeds=[0, 1], options=FAST)
    assert sound.shape == (2, 2, N_SAMPLES)
    assert sound.dtype == torch.float32
    assert torch.isfinite(sound).all()


def test_the_same_seed_gives_the_same_bytes_and_others_another_take(model):
    first, again, other = (
        model.generate(["dog"], [90], seeds=[seed], options=FAST) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-4)


def test_threads_change_nothing(model):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = model.generate(["dog"], [90], seeds=[0], options=FAST)
        torch.set_num_threads(2)
        two = model.generate(["dog"], [90], seeds=[0], options=FAST)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, two)


def test_a_batch_gives_the_same_sounds(model):
    both = model.generate(["dog", "rain"], [90, 30], seeds=[5, 6], options=FAST)
    alone = model.generate(["rain"], [30], seeds=[6], options=FAST)
    assert torch.allclose(both[1:], alone, atol=1e-4)


@pytest.mark.parametrize("location", ["clock", "general"])
def test_prompts_have_three_kinds_of_location(model, location):
    doa, other = (
        model.generate(["dog"], [90], seeds=[0], location=kind, options=FAST)
        for kind in ("doa", location)
    )
    assert not torch.equal(doa, other)


def test_whole_prompts_are_those_of_labels(model):
    one = model.generate(["dog"], [90], seeds=[0], options=FAST)
    other = model.generate_prompts(["EVENT: dog & LOCATION: DOA 90"], seeds=[0], options=FAST)
    assert torch.equal(one, other)


def test_the_mono_model_has_one_channel_and_no_azimuth(mono):
    assert mono.generate(["dog"], seeds=[0], options=FAST).shape == (1, 1, N_SAMPLES)
    with pytest.raises(OptionError, match="no azimuth"):
        mono.generate(["dog"], [90], seeds=[0])


def test_unknown_events_and_azimuths_are_refused(model):
    with pytest.raises(OptionError, match="has no event 'cat'"):
        model.generate(["cat"], [90], seeds=[0])
    with pytest.raises(OptionError, match="not 45"):
        model.generate(["dog"], [45], seeds=[0])
    with pytest.raises(OptionError, match="an azimuth for each event"):
        model.generate(["dog"], seeds=[0])


def test_parameters_count_the_network_and_its_vaes(model):
    own = sum(each.numel() for each in model.network.parameters())
    assert model.parameters > own


def test_another_vae_than_that_of_the_training_is_refused(tmp_path):
    path = save_unet(tmp_path, "dualspec")
    vae = tmp_path / "mel-vae.safetensors"
    content = bytearray(vae.read_bytes())
    content[-1] ^= 1
    vae.write_bytes(content)
    with pytest.raises(WeightsError, match="trained on the latents of another"):
        load_dualspec(path)


def test_missing_weights_are_a_sentence(tmp_path):
    with pytest.raises(WeightsError, match="no weights at"):
        load_dualspec(tmp_path / "none.safetensors")
