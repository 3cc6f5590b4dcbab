import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from making_embeddings import NAMES, SIZE, WIDTH, WINDOW, save_clap, sounds_of
from sounds import noise, tone
from soundstage.metrics.embeddings.built_in import BandEmbedding
from soundstage.metrics.embeddings.clap import ClapEmbedding
from soundstage.metrics.embeddings.embedding import embed_windows, load_embedding, windows
from soundstage.metrics.embeddings.published import log_mel_patches, log_mel_spectrogram
from soundstage.networks.models.panns import Cnn14
from soundstage.networks.models.vggish import VGGish
from soundstage.spectra.filterbanks import htk_mel_filters, slaney_mel_filters


@pytest.mark.parametrize("name", NAMES)
def test_an_embedding_says_its_name_and_size(name: str, embeddings) -> None:
    assert embeddings[name].name == name
    assert embeddings[name].size == SIZE[name]


@pytest.mark.parametrize("name", NAMES)
def test_windows_overlap_by_half_and_only_whole_ones_count(name: str, embeddings) -> None:
    embedding = embeddings[name]
    for length, count in ((1.49, 1), (2, 3)):
        points = embedding.embed(sounds_of(name, length))
        assert points.shape == (2, count, embedding.size)
        assert points.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_a_point_is_that_of_its_window_alone(name: str, embeddings) -> None:
    sound, window = sounds_of(name), WINDOW[name]
    points = embeddings[name].embed(sound)
    second = embeddings[name].embed(sound[:, window // 2 : window // 2 + window])
    torch.testing.assert_close(points[:, 1:2], second, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_points_do_not_depend_on_the_rest_of_the_batch(name: str, embeddings) -> None:
    sound = sounds_of(name)
    together = embeddings[name].embed(sound)
    alone = torch.cat([embeddings[name].embed(one[None]) for one in sound])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_sound_gives_the_same_points(name: str, embeddings) -> None:
    sound = sounds_of(name, 1.5)
    assert torch.equal(embeddings[name].embed(sound), embeddings[name].embed(sound.clone()))


@pytest.mark.parametrize("name", NAMES)
def test_short_sound_is_padded_with_silence(name: str, embeddings) -> None:
    short = sounds_of(name, 0.3)
    padded = torch.nn.functional.pad(short, (0, WINDOW[name] - short.shape[1]))
    points = embeddings[name].embed(short)
    assert torch.equal(points, embeddings[name].embed(padded))


@pytest.mark.parametrize("name", NAMES)
def test_silence_is_one_finite_point_and_so_is_no_sound(name: str, embeddings) -> None:
    silent = embeddings[name].embed(torch.zeros(1, 2 * WINDOW[name]))
    assert bool(silent.isfinite().all())
    torch.testing.assert_close(silent, silent[:, :1].expand_as(silent), atol=1e-6, rtol=1e-5)
    nothing = embeddings[name].embed(torch.zeros(1, 0))
    torch.testing.assert_close(nothing, silent[:, :1], atol=1e-6, rtol=1e-5)


@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 20))
def test_windows_are_the_pieces_that_fit(frames: int, length: int, step: int) -> None:
    sound = torch.arange(1.0, frames + 1)
    padded = [*sound.tolist(), *[0.0] * (length - frames)]
    starts = range(0, len(padded) - length + 1, step)
    assert windows(sound, length, step).tolist() == [padded[k : k + length] for k in starts]


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 100])
def test_windows_embedded_some_at_a_time_stay_in_order(at_once: int) -> None:
    cut = noise(2 * 7 * 5).reshape(2, 7, 5)
    sizes = []

    def network(some: Tensor) -> Tensor:
        sizes.append(len(some))
        return torch.stack([some.sum(-1), some[:, 0], some[:, -1]], dim=-1)

    found = embed_windows(network, cut, at_once)
    assert torch.equal(found, torch.stack([cut.sum(-1), cut[..., 0], cut[..., -1]], dim=-1))
    assert max(sizes) <= max(at_once, 2)  # two sounds, so two windows at the least


def test_bands_are_mean_and_deviation_of_the_level_in_db() -> None:
    sound = noise(2 * WINDOW["bands"], level=0.2)
    quieter = BandEmbedding().embed(sound[None] / 10)
    points = BandEmbedding().embed(sound[None])
    louder = points[..., :34] - quieter[..., :34]
    torch.testing.assert_close(louder, torch.full((1, 3, 34), 20.0), atol=0.1, rtol=0)  # the floor
    torch.testing.assert_close(points[..., 34:], quieter[..., 34:], atol=0.1, rtol=0)


def test_bands_put_a_steady_tone_into_its_band_and_silence_on_the_floor() -> None:
    point = BandEmbedding().embed(tone(WINDOW["bands"], hz=1000, level=1.0)[None])[0, 0]
    assert 60 < point[:34].max().item() < 62
    assert point[34:].max().item() < 0.5
    silent = BandEmbedding().embed(torch.zeros(1, 1))[0, 0]
    torch.testing.assert_close(silent[:34], torch.full((34,), -20.0))
    assert silent[34:].tolist() == [0] * 34


def test_bands_of_a_long_sound_are_those_of_its_windows() -> None:
    length, step = WINDOW["bands"], WINDOW["bands"] // 2
    fading = noise(16 * length) * torch.linspace(1, 0.01, 16 * length)
    points = BandEmbedding().embed(fading[None])[0]
    assert points.shape == (31, 68)
    pieces = torch.stack([fading[k * step : k * step + length] for k in range(31)])
    torch.testing.assert_close(points, BandEmbedding().embed(pieces)[:, 0], atol=1e-3, rtol=1e-4)


def spectrum(frame: np.ndarray, size: int) -> np.ndarray:
    """Magnitudes of one Hann windowed frame by the sum that defines them."""
    length = len(frame)
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * n / length) for n in range(length)]
    angles = 2 * math.pi * np.outer(np.arange(size // 2 + 1), np.arange(length)) / size
    weighted = frame * np.array(hann)
    return np.hypot(np.cos(angles) @ weighted, np.sin(angles) @ weighted)


@pytest.mark.parametrize("place", [0, 1, 50, 95])
def test_vggish_sees_the_patch_of_its_definition(place: int) -> None:
    sound = noise(16_000) + tone(16_000, hz=1000, rate=16_000)
    patch = log_mel_patches(sound[None])
    assert patch.shape == (1, 96, 64)
    filters = htk_mel_filters(64, 512, 16_000, 125, 7500).double().numpy()
    frame = sound[160 * place : 160 * place + 400].double().numpy()
    by_hand = np.log(filters @ spectrum(frame, 512) + 0.01)
    np.testing.assert_allclose(patch[0, place].numpy(), by_hand, atol=1e-4)


@pytest.mark.parametrize("place", [0, 1, 50, 100])
def test_panns_sees_the_spectrogram_of_its_definition(place: int) -> None:
    sound = noise(32_000) + tone(32_000, hz=1000, rate=32_000)
    spectrogram = log_mel_spectrogram(sound[None])
    assert spectrogram.shape == (1, 101, 64)
    filters = slaney_mel_filters(64, 1024, 32_000, 50, 14_000).double().numpy()
    mirrored = np.pad(sound.double().numpy(), 512, mode="reflect")
    power = spectrum(mirrored[320 * place : 320 * place + 1024], 1024) ** 2
    by_hand = 10 * np.log10(np.maximum(filters @ power, 1e-10))
    np.testing.assert_allclose(spectrogram[0, place].numpy(), by_hand, atol=1e-3)


def test_silence_is_the_floor_of_both_log_mels() -> None:
    assert torch.allclose(log_mel_patches(torch.zeros(1, 16_000)), torch.tensor(math.log(0.01)))
    assert torch.allclose(log_mel_spectrogram(torch.zeros(1, 32_000)), torch.tensor(-100.0))


def test_vggish_is_its_network_over_its_patches(places, embeddings) -> None:
    network = VGGish(WIDTH)
    given = load_file(places["vggish"].removeprefix("vggish="))
    network.load_state_dict({name: given[name] for name in network.state_dict()})
    sound = sounds_of("vggish", 1.5)
    wanted = [network(log_mel_patches(sound[:, k : k + 16_000])) for k in (0, 8000)]
    torch.testing.assert_close(
        embeddings["vggish"].embed(sound), torch.stack(wanted, dim=1), atol=1e-5, rtol=1e-4
    )


def test_panns_is_its_network_over_its_spectrograms(places, embeddings) -> None:
    network = Cnn14(WIDTH).eval()
    given = load_file(places["panns"].removeprefix("panns="))
    network.load_state_dict({name: given[name] for name in network.state_dict()})
    sound = sounds_of("panns", 1.5)
    wanted = [network(log_mel_spectrogram(sound[:, k : k + 32_000])) for k in (0, 16_000)]
    torch.testing.assert_close(
        embeddings["panns"].embed(sound), torch.stack(wanted, dim=1), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("fused", [False, True])
def test_clap_gives_the_audio_features_of_the_whole_model(fused: bool, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    save_clap(tmp_path, fused=fused)
    model = transformers.ClapModel.from_pretrained(tmp_path).eval()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(tmp_path)
    sound = noise(WINDOW["clap"])
    features = extractor(sound.numpy(), sampling_rate=48_000, return_tensors="pt")
    features["is_longer"] = torch.zeros(1, 1, dtype=torch.bool)
    with torch.inference_mode():
        wanted = model.get_audio_features(**features)
    wanted = getattr(wanted, "pooler_output", wanted)  # a bare tensor before transformers 5
    found = ClapEmbedding.load(str(tmp_path)).embed(sound[None])[0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert found.norm().item() == pytest.approx(1)


def test_fused_clap_draws_nothing(tmp_path: Path) -> None:
    save_clap(tmp_path, fused=True)
    embedding = ClapEmbedding.load(str(tmp_path))
    sound = torch.stack([noise(WINDOW["clap"], seed=seed) for seed in range(3)])
    np.random.seed(0)  # noqa: NPY002 - the generator that transformers draws from
    first = embedding.embed(sound)
    state = np.random.get_state()[2]  # noqa: NPY002
    assert torch.equal(first, embedding.embed(sound))
    assert np.random.get_state()[2] != state  # noqa: NPY002 - it did draw, to no effect


def test_clap_needs_no_other_sound_library(places, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("torchaudio", "librosa", "torchvision"):
        monkeypatch.setitem(sys.modules, library, None)
    load_embedding(places["clap"])


def test_nothing_is_loaded_that_was_not_asked_for() -> None:
    program = (
        "import sys, soundstage.metrics.embeddings as e; e.load_embedding('bands');"
        "sys.exit(bool({'transformers', 'huggingface_hub'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
