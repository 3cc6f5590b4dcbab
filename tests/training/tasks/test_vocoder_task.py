import json

import numpy as np
import pytest
import soundfile
import torch

from network_checks import noise
from soundstage.networks.models.vocoder import Vocoder
from soundstage.scene.vocoders import load_vocoder
from soundstage.spectra.dual_spectra import HOP, log_mel, spectrogram
from soundstage.training import train
from soundstage.training.data.vocoder_batches import VocoderBatches
from soundstage.training.recipes import load_recipe, parse_recipe
from soundstage.training.tasks.vocoder import VocoderTask
from soundstage.training.tasks.vocoding_measures import vocoding_measures
from trainings import check_resuming, recipe_with, scores_of

RATE = 16_000
CONTENT = {
    "family": "vocoder",
    "train_folds": [1],
    "valid_folds": [2],
    "test_folds": [4],
    "licenses": ["CC0"],
    "depth": 1,
    "dim": 16,
    "mlp_ratio": 1,
    "corrections": 1,
    "training_corrections": 1,
    "frames": 24,
    "windows": [256, 512],
    "discriminator_channels": [8, 8],
    "adversarial_start": 2,
    "loop": {
        "epochs": 3,
        "batch_size": 4,
        "learning_rate": 0.002,
        "warmup_steps": 2,
        "ema_decay": 0.5,
        "validate_every": 1,
    },
}


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


def test_training_writes_the_vocoder_alone_and_its_measures(events, tmp_path):
    result = train(recipe_with(CONTENT), events, tmp_path / "mine.safetensors", device="cpu")
    card = json.loads(result.card.read_text())
    measures = card["test"]["vocoder"]
    assert measures.keys() == card["test"]["griffin_lim"].keys()
    assert measures["mel_error_db"] < 6
    assert measures["frechet_audio_distance"] > 0
    assert card["validation"]["recordings"] == 8
    assert len(scores_of(result)) == 3
    assert load_vocoder(str(result.weights)).sound(torch.zeros(1, 64, 9)).shape == (1, 8 * HOP)


def test_a_resumed_training_writes_the_same_file(events, tmp_path):
    """Through the step at which the discriminator begins."""
    short = recipe_with(CONTENT, loop={"epochs": 2}, steps_per_epoch=2, test_folds=[])
    check_resuming(short, events, tmp_path, step=3)


def test_a_training_starts_from_weights_of_the_vocoder_alone(events, tmp_path):
    first = train(recipe_with(CONTENT, test_folds=[]), events, tmp_path / "a.safetensors")
    further = recipe_with(
        CONTENT,
        loop={"init_from": str(first.weights), "epochs": 1, "learning_rate": 1e-9},
        test_folds=[],
    )
    second = train(further, events, tmp_path / "b.safetensors")
    assert scores_of(second)[0] == pytest.approx(scores_of(first)[-1], rel=0.01)


def test_the_discriminator_does_nothing_before_its_step(events):
    task = VocoderTask.open(recipe_with(CONTENT), events)
    for step, trained in ((1, False), (2, True)):
        task.model.zero_grad()
        torch.manual_seed(0)
        task.loss(*task.batch(step)).backward()
        gradients = [each.grad for each in task.model.discriminator.parameters()]
        assert any(each is not None and each.any() for each in gradients) == trained


def batches(**changes):
    settings = {
        "sounds": [noise(20_000, seed=seed) for seed in range(5)],
        "hrirs": torch.zeros(1, 2, 8),
        "frames": 16,
        "batch_size": 2,
        "gain_db": 0.0,
        "ear_prob": 0.0,
        "adversarial_start": 0,
        "seed": 0,
    }
    return VocoderBatches(**{**settings, **changes})


def test_mel_bands_of_a_segment_are_those_of_the_whole_sound_around_it():
    sound, mels, _ = batches().draw(0)
    assert sound.shape == (2, 15 * HOP)
    assert mels.shape == (2, 64, 16)
    own = log_mel(spectrogram(sound))
    assert torch.allclose(mels[..., 1:-1], own[..., 1:-1], atol=1e-4)
    assert (mels[..., 0] - own[..., 0]).mean() > 0.1  # no silence before its start


def test_a_step_has_the_same_batch_in_every_call_and_others_differ():
    one, again, other = (batches(gain_db=6.0).draw(step)[0] for step in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)


def test_ears_are_taken_with_their_probability():
    hrirs = torch.zeros(1, 2, 8)
    hrirs[..., 0] = 2.0
    plain, doubled = (batches(ear_prob=p, hrirs=hrirs).draw(0)[0] for p in (0.0, 1.0))
    assert plain.abs().max() < 0.31
    assert 0.3 < doubled.abs().max() <= 0.61


def test_short_sounds_are_padded():
    assert batches(sounds=[noise(500)] * 2).draw(0)[0].shape == (2, 15 * HOP)


def test_measures_prefer_the_sound_itself():
    sounds = [noise(30_000, seed=seed) * torch.linspace(0.2, 0.01, 30_000) for seed in range(3)]
    vocoder = load_vocoder().network
    assert isinstance(vocoder, Vocoder)
    rows = vocoding_measures(vocoder, sounds, ["rain"] * 3)
    assert rows["vocoder"]["mel_error_db"] < 2
    assert 0 <= rows["clips_themselves"]["tagger_accuracy"] <= 1


@pytest.mark.slow
def test_the_recipe_of_the_paper_runs(events, tmp_path):
    paper = load_recipe("vocoder-paper").model_dump()
    loop = {**paper["loop"], "epochs": 1, "batch_size": 1}
    small = {"train_folds": [1], "test_folds": [], "steps_per_epoch": 3, "adversarial_start": 1}
    recipe = parse_recipe({**paper, **small, "loop": loop}, source="paper")
    result = train(recipe, events, tmp_path / "paper.safetensors", device="cpu")
    assert 13e6 < json.loads(result.card.read_text())["parameters"] < 15e6
