import json

import numpy as np
import pytest
import soundfile
import torch

from making_dualspec import SIZE, save_t5, save_vaes
from soundstage.errors import OptionError, WeightsError
from soundstage.networks.models.latent_unet import LATENTS, VAE_KINDS, LatentUNetConfig
from soundstage.training import train
from soundstage.training.recipes import load_recipe
from soundstage.training.tasks.dualspec import DualSpecTask
from soundstage.weights.model import load_model
from trainings import check_resuming, log_of, recipe_with

RATE = 16_000
CONTENT = {
    "family": "dualspec",
    "variant": "dualspec",
    "train_folds": [1, 2],
    "valid_clips": 1,
    "licenses": ["CC0"],
    "size": {**SIZE, "widths": [16, 24]},
    "direction_dropout": 0.1,
    "steps_per_epoch": 10,
    "loop": {"epochs": 2, "batch_size": 8, "learning_rate": 0.003, "warmup_steps": 4},
}
SHORT = {"loop": {"epochs": 1}, "steps_per_epoch": 2}


@pytest.fixture(scope="module")
def vaes(tmp_path_factory):
    return save_vaes(tmp_path_factory.mktemp("vaes"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.getbasetemp() / "dualspec-cache"  # shared by the tests of this file
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Two classes in two folds: a tone and noise."""
    folder = tmp_path_factory.mktemp("events")
    lines = ["file,fold,class,clip_licence,clip_author,clip_title,clip_url"]
    random = np.random.default_rng(0)
    for fold in (1, 2):
        for label in ("dog", "rain"):
            time = np.arange(round(1.2 * RATE)) / RATE
            tone = 0.2 * np.sin(2 * np.pi * 440 * time)
            sound = tone if label == "dog" else 0.1 * random.standard_normal(len(time))
            name = f"{fold}-{label}.wav"
            soundfile.write(folder / name, sound, RATE)
            lines.append(f"{name},{fold},{label},CC0,Ann,{name},http://x/{name}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def recipe(vaes):
    def make(variant="dualspec", **changes):
        places = {kind: str(vaes[VAE_KINDS[kind]]) for kind in LATENTS[variant]}
        return recipe_with(CONTENT, variant=variant, vaes=places, **changes)

    return make


@pytest.mark.slow
def test_training_lowers_the_error_and_writes_weights_with_their_vaes(
    recipe, events, vaes, tmp_path
):
    result = train(recipe(loop={"epochs": 8}), events, tmp_path / "mine.safetensors", device="cpu")
    losses = [float(row["loss"]) for row in log_of(result)]
    assert losses[-1] < 0.8 * losses[0]
    config = load_model(result.weights, LatentUNetConfig).config
    assert config.classes == ("dog", "rain")
    assert config.shapes == [(2, 16, 80), (2, 32, 40)]
    assert config.vaes == (str(vaes["mel"]), str(vaes["stft"]))
    assert {"event", "doa", "90", "rear", "clock"} < set(config.vocabulary)
    card = json.loads(result.card.read_text())
    assert card["validation"]["diffusion_mse"] > 0
    assert card["licenses"] == {"CC0": 3}
    assert len(card["credits"]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("variant", sorted(LATENTS))
def test_every_variant_trains(variant, recipe, events, tmp_path):
    result = train(recipe(variant, **SHORT), events, tmp_path / "a.safetensors", device="cpu")
    assert load_model(result.weights, LatentUNetConfig).config.variant == variant


def test_a_resumed_diffusion_training_writes_the_same_file(recipe, events, tmp_path):
    check_resuming(recipe(steps_per_epoch=2), events, tmp_path, step=3)


def test_weights_follow_the_signal_to_noise_ratio(recipe, events):
    times = torch.tensor([1.0, 300.0, 700.0, 1000.0])
    for target in ("noise", "v"):
        task = DualSpecTask.open(recipe(target=target, snr_gamma=5.0), events)
        level = task.config.schedule.level(times)
        ratio = (level.alpha / level.sigma).square().float()
        limited = ratio.clamp(max=5.0)
        expected = limited / ratio if target == "noise" else limited / (ratio + 1)
        assert torch.allclose(task._weights(times), expected, rtol=1e-4)
    plain = DualSpecTask.open(recipe(target="noise", snr_gamma=0), events)
    assert torch.equal(plain._weights(times), torch.ones(4))


def test_the_fingerprint_depends_on_the_vaes(recipe, events, vaes, tmp_path):
    one = DualSpecTask.open(recipe(), events).fingerprint()
    moved = save_vaes(tmp_path)  # the same VAEs elsewhere, then another one
    content = bytearray(moved["mel"].read_bytes())
    content[-1] ^= 1
    moved["mel"].write_bytes(content)
    places = {"mel": str(moved["mel"]), "stft": str(vaes["stft"])}
    other = recipe_with(CONTENT, variant="dualspec", vaes=places)
    assert DualSpecTask.open(other, events).fingerprint() != one


def test_a_variant_starts_from_another_one(recipe, events, tmp_path):
    """The shared latent is denoised as before, whatever the new one is."""
    first = train(recipe("mel-base", **SHORT), events, tmp_path / "a.safetensors", device="cpu")
    mel_base = load_model(first.weights, LatentUNetConfig)
    task = DualSpecTask.open(recipe("dualspec", start_from=str(first.weights)), events)
    model = task.model.eval()
    mel, stft = torch.randn(1, 2, 16, 80), torch.randn(1, 2, 32, 40)
    times = torch.tensor([0.5])
    with torch.no_grad():
        text, used = model.prompt_encoder(model.prompt_encoder.token_ids(["EVENT: dog"]))
        whole = model(task.config.fold([mel, stft]), times, text, used)
        alone = mel_base.network(mel_base.config.fold([mel]), times, text, used)
    ours, new = task.config.unfold(whole)
    assert alone.any()
    assert torch.allclose(ours, mel_base.config.unfold(alone)[0], atol=1e-4)
    assert not new.any()


def test_a_network_of_another_size_is_no_start(recipe, events, tmp_path):
    first = train(recipe("mel-base", **SHORT), events, tmp_path / "a.safetensors", device="cpu")
    other = recipe("dualspec", start_from=str(first.weights), size={**SIZE, "widths": [24, 24]})
    with pytest.raises(OptionError, match="a network of another size"):
        DualSpecTask.open(other, events)


def test_latents_have_weights_of_their_own(recipe, events):
    losses = []
    for weights in ((), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)):
        task = DualSpecTask.open(recipe(latent_weights=weights), events)
        losses.append(task.loss(*task.batch(0)).item())
    plain, equal, mel, stft = losses
    assert equal == pytest.approx(plain, rel=1e-4)  # both latents have as many elements
    assert (mel + stft) / 2 == pytest.approx(plain, rel=1e-4)
    assert mel != pytest.approx(stft, rel=1e-3)


def test_a_missing_vae_is_a_sentence(events, tmp_path):
    missing = recipe_with(CONTENT, vaes={"mel": str(tmp_path / "none.safetensors")})
    with pytest.raises(WeightsError, match="no weights at"):
        DualSpecTask.open(missing, events)


@pytest.mark.parametrize("variant", sorted(LATENTS))
def test_recipes_of_a_variant_differ_in_size_only(variant):
    small, paper = load_recipe(variant), load_recipe(f"{variant}-paper")
    assert small.variant == paper.variant == variant
    assert small.licenses == paper.licenses
    assert small.size == load_recipe("dualspec").size  # tables compare equal networks
    assert paper.size.widths == (320, 640, 1280, 1280)
    assert paper.size.text_dim == 1024
    assert paper.text_encoder == "hub:google/flan-t5-large"
    assert set(paper.vaes) == set(LATENTS[variant])


@pytest.mark.slow
def test_a_model_trains_on_the_text_of_an_outside_encoder(recipe, events, tmp_path):
    pytest.importorskip("transformers")
    t5 = save_t5(tmp_path, 16)
    result = train(
        recipe(text_encoder=str(t5), **SHORT), events, tmp_path / "a.safetensors", device="cpu"
    )
    config = load_model(result.weights, LatentUNetConfig).config
    assert config.vocabulary == ()
    assert config.text_encoder == str(t5)


@pytest.mark.slow
def test_the_recipe_of_the_paper_trains_three_steps(events, vaes, tmp_path):
    """The whole network and its loss; AdamW and the average would take 10 GB more."""
    pytest.importorskip("transformers")
    paper = load_recipe("dualspec-paper")
    places = {"mel": str(vaes["mel"]), "stft": str(vaes["stft"])}
    changes = {
        "vaes": places,
        "text_encoder": str(save_t5(tmp_path, 1024)),
        "train_folds": (1, 2),
        "valid_clips": 0,
        "loop": paper.loop.model_copy(update={"batch_size": 1}),
    }
    task = DualSpecTask.open(paper.model_copy(update=changes), events)
    assert 450e6 < sum(each.numel() for each in task.model.parameters()) < 600e6
    optimizer = torch.optim.SGD(task.model.parameters(), lr=0.01)
    for step in range(3):
        batch = task.batch(step)
        with torch.autocast("cpu", torch.bfloat16):
            loss = task.loss(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert torch.isfinite(loss)
        assert any(bool(each.grad.any()) for each in task.model.parameters())
