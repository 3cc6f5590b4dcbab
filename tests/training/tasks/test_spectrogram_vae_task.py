import json

import numpy as np
import pytest
import soundfile
import torch

from network_checks import noise
from soundstage.corpora.spatial_events import horizontal_hrirs, spatialize
from soundstage.errors import InputError, OptionError
from soundstage.networks.models.spectrogram_vae import SpectrogramVAEConfig
from soundstage.spectra.dual_spectra import N_SAMPLES, spectrogram
from soundstage.training import train
from soundstage.training.data.spatial_batches import SpatialBatches
from soundstage.training.recipes import load_recipe, parse_recipe
from soundstage.training.tasks.spectrogram_losses import error_measures
from soundstage.training.tasks.spectrogram_vae import SpectrogramVAETask, config_of
from soundstage.weights.model import load_model
from trainings import check_resuming, log_of, recipe_with, scores_of

RATE = 16_000
CONTENT = {
    "family": "spectrogram-vae",
    "kind": "stft",
    "ears": "interaural",
    "train_folds": [1],
    "test_folds": [4],
    "licenses": ["CC0"],
    "latent_channels": 4,
    "channels": [16],
    "strides": [[8, 8]],
    "depth": 1,
    "frames": 24,
    "discriminator_channels": [8, 8],
    "adversarial_start": 3,
    "loop": {
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 0.003,
        "warmup_steps": 2,
        "ema_decay": 0.5,
    },
}
KINDS = {
    "mel": {"kind": "mel", "ears": "channels", "strides": [[4, 4]]},
    "mono-mel": {"kind": "mono-mel", "ears": "channels", "strides": [[4, 4]]},
    "stft": {},
    "channels": {"ears": "channels"},
    "dual": {"kind": "dual", "strides": [[2, 8]]},
}
PAPER = ["mel-vae", "mono-mel-vae", "stft-vae", "dual-vae"]


def recipe(kind: str = "stft", **changes):
    return recipe_with(CONTENT, **{**KINDS[kind], **changes})


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Decaying tones and noises of 0.8 s in three folds."""
    folder = tmp_path_factory.mktemp("events")
    lines = ["file,fold,class,clip_license,clip_author,clip_title,clip_url"]
    time = np.arange(round(0.8 * RATE)) / RATE
    for fold in (1, 2, 4):
        for index in range(8):
            random = np.random.default_rng(100 * fold + index)
            tone = np.sin(2 * np.pi * random.uniform(300, 3000) * time)
            sound = tone if index % 2 else random.standard_normal(len(time)) / 4
            name = f"{fold}-{index}.wav"
            soundfile.write(folder / name, 0.4 * sound * np.exp(-3 * time), RATE)
            label = "siren" if index % 2 else "rain"
            lines.append(f"{name},{fold},{label},CC0,Ann,Take {index},http://x/{fold}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_training_writes_the_same_file(kind, events, tmp_path):
    made = recipe(kind, loop={"epochs": 2}, steps_per_epoch=3, test_folds=[])
    check_resuming(made, events, tmp_path, step=4)  # after the start of the discriminator


@pytest.mark.slow
def test_reconstructions_improve(events, tmp_path):
    loop = {"epochs": 8, "validate_every": 1, "learning_rate": 0.01}
    made = recipe(loop=loop, valid_folds=[2], steps_per_epoch=4, adversarial_start=1000)
    result = train(made, events, tmp_path / "vae.safetensors", device="cpu")
    scores = scores_of(result)
    assert scores[-1] > 0.85 * scores[0]  # negative errors
    card = json.loads(result.card.read_text())
    assert card["validation"]["reconstruction_error"] == pytest.approx(-max(scores), abs=1e-4)
    assert card["test"]["clips"] == 8
    assert card["test"].keys() >= {"level_error_db", "ild_error_db", "ipd_error_degrees"}


def test_saved_latents_of_training_clips_are_normalized(events, tmp_path):
    made = recipe("mel", loop={"epochs": 3})
    result = train(made, events, tmp_path / "vae.safetensors", device="cpu")
    vae = load_model(result.weights, SpectrogramVAEConfig).network
    batches = SpectrogramVAETask.open(made, events)._batches
    assert isinstance(batches, SpatialBatches)
    latents = [vae.encode(vae.features(batches.draw(step)[0])).mean for step in range(40)]
    deviation, mean = torch.std_mean(torch.cat(latents), dim=(0, 2, 3))
    assert torch.allclose(mean, torch.zeros(4), atol=0.02)
    assert torch.allclose(deviation, torch.ones(4), atol=0.02)


def test_the_weights_of_a_training_initialize_another(events, tmp_path):
    made = recipe(loop={"epochs": 1}, test_folds=[])
    result = train(made, events, tmp_path / "one.safetensors", device="cpu")
    loop = {"epochs": 1, "init_from": str(result.weights), "learning_rate": 1e-9}
    made = recipe(loop=loop, test_folds=[])
    other = train(made, events, tmp_path / "two.safetensors", device="cpu")
    first, second = (
        load_model(each.weights, SpectrogramVAEConfig).network.encoder.head.weight
        for each in (result, other)
    )
    assert torch.allclose(first, second, atol=1e-6)


def test_the_discriminator_joins_at_its_step(events, tmp_path):
    plain = recipe(loop={"epochs": 1}, steps_per_epoch=4, adversarial_start=100, test_folds=[])
    opposed = plain.model_copy(update={"adversarial_start": 0})
    losses = [
        float(
            log_of(train(each, events, tmp_path / f"{number}.safetensors", device="cpu"))[0]["loss"]
        )
        for number, each in enumerate((plain, opposed))
    ]
    assert losses[1] > losses[0] + 0.5  # the hinge loss starts at 2


def test_strides_that_miss_the_compression_are_refused_in_a_sentence(events):
    with pytest.raises(OptionError, match="strides of stft multiply to 8 and 8"):
        SpectrogramVAETask.open(recipe(strides=[[4, 4]]), events)


def test_a_folder_without_events_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.csv"):
        train(recipe(), tmp_path, tmp_path / "vae.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER)
def test_the_recipe_of_the_paper_runs(name, events, tmp_path):
    paper = load_recipe(f"{name}-paper").model_dump()
    loop = {**paper["loop"], "epochs": 1, "batch_size": 1}
    small = {"train_folds": [1], "test_folds": [], "steps_per_epoch": 3, "adversarial_start": 1}
    made = parse_recipe({**paper, **small, "frames": 16, "loop": loop}, source="paper")
    result = train(made, events, tmp_path / "paper.safetensors", device="cpu")
    assert 25e6 < json.loads(result.card.read_text())["parameters"] < 60e6


@pytest.mark.parametrize("name", PAPER)
def test_the_pretrained_network_is_that_of_its_recipe(name):
    loaded = load_model(name, SpectrogramVAEConfig)
    assert loaded.config == config_of(load_recipe(name))
    assert (loaded.network.latent_deviation > 0.01).all()
    assert sum(each.numel() for each in loaded.network.parameters()) < 400_000


@pytest.mark.parametrize("name", PAPER)
def test_a_pretrained_network_returns_levels_and_direction(name):
    """Of noise that decays, at the left."""
    network = load_model(name, SpectrogramVAEConfig).network
    time = torch.arange(N_SAMPLES) / RATE
    sound = 0.3 * noise(N_SAMPLES) * torch.exp(-time)
    ears = spatialize(sound, horizontal_hrirs("kemar", azimuths=(90,)))
    spectrum = spectrogram(ears)[:, : network.config.n_ears]
    features = network.features(spectrum)
    output = network.decode(network.encode(features).mean)
    if network.config.kind != "stft":
        assert (network.mel(output) - network.mel(features)).abs().mean() < 0.25  # 5 dB
    if network.config.spectral_channels:
        measures = error_measures(network.spectrum(output), spectrum)
        assert measures["ipd_error_degrees"] < 25
        assert measures["level_error_db"] < 10
