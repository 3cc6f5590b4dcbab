import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from sounds import chord, noise, tone
from soundstage.errors import OptionError, WeightsError
from soundstage.metrics.embeddings.bands import BandEmbedding
from soundstage.metrics.embeddings.clap import ClapEmbedding
from soundstage.metrics.embeddings.embedding import Embedding, load_embedding
from soundstage.metrics.embeddings.panns import log_mel_spectrogram
from soundstage.metrics.embeddings.vggish import log_mel_patches
from soundstage.metrics.embeddings.windows import embed_windows, windows
from soundstage.networks.panns import Cnn14
from soundstage.networks.vggish import VGGish
from soundstage.spectra.mel import htk_mel_filters, slaney_mel_filters

WIDTH = 4
NAMES = ["bands", "vggish", "panns", "clap"]
WINDOW = {"bands": 45_056, "vggish": 16_000, "panns": 32_000, "clap": 480_000}  # samples
SIZE = {"bands": 68, "vggish": 2 * WIDTH, "panns": 32 * WIDTH, "clap": 16}
HUB = "hub:somebody/something"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Sources for `load_embedding` of all networks, with tiny random weights."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    extra = {"pproc.pca_eigen_vectors": torch.eye(128), "pproc.pca_means": torch.zeros(128, 1)}
    save_file({**VGGish(WIDTH).state_dict(), **extra}, folder / "vggish.safetensors")
    extra = {
        "fc_audioset.weight": torch.zeros(527, 32 * WIDTH),
        "fc_audioset.bias": torch.zeros(527),
        "logmel_extractor.melW": torch.zeros(513, 64),
    }
    save_file({**lively(Cnn14(WIDTH)).state_dict(), **extra}, folder / "panns.safetensors")
    save_clap(folder / "clap", fused=False)
    return {
        "bands": "bands",
        "vggish": f"vggish={folder}/vggish.safetensors",
        "panns": f"panns={folder}/panns.safetensors",
        "clap": f"clap={folder}/clap",
    }


def lively(network: Cnn14) -> Cnn14:
    """With weights under which what goes in still matters to what comes out."""
    for value in network.parameters():
        if value.dim() == 4:
            torch.nn.init.kaiming_normal_(value)
    network.bn0.running_mean.fill_(-30)
    network.bn0.running_var.fill_(400)
    return network


def save_clap(folder: Path, *, fused: bool) -> None:
    """A whole CLAP model, both halves, of some 80,000 random numbers."""
    transformers = pytest.importorskip("transformers")
    text = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    audio = {
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 2, 2, 2],
        "hidden_size": 64,
        "enable_fusion": fused,
        "fusion_type": "aff_2d" if fused else None,
    }
    config = transformers.ClapConfig(
        text_config={**text, "intermediate_size": 8, "max_position_embeddings": 12},
        audio_config=audio,
        projection_dim=16,
    )
    transformers.ClapModel(config).save_pretrained(folder)
    truncation = "fusion" if fused else "rand_trunc"
    transformers.ClapFeatureExtractor(truncation=truncation).save_pretrained(folder)


@pytest.fixture(scope="module")
def embeddings(places: dict[str, str]) -> dict[str, Embedding]:
    return {name: load_embedding(source) for name, source in places.items()}


def sounds_of(name: str, lengths: float = 1.5) -> Tensor:
    """Two sounds of some windows' length."""
    length = round(lengths * WINDOW[name])
    return torch.stack([noise(length), chord(length) + noise(length, seed=1, level=0.01)])


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


def refused(source: str, *says: str, kind: type[Exception] = WeightsError) -> None:
    """Loading fails with one sentence that holds each of `says`."""
    with pytest.raises(kind) as caught:
        load_embedding(source)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    for part in says:
        assert part in message


def test_an_unknown_name_is_refused_and_the_known_ones_are_told() -> None:
    for source in ("", "openl3", "VGGish=a.safetensors"):
        refused(source, "tagger", "bands", "vggish=", "panns=", "clap=", kind=OptionError)


def test_a_name_with_no_weights_or_too_many_is_refused() -> None:
    refused("vggish", "'vggish'", "vggish=FILE.safetensors", kind=OptionError)
    refused("clap=", "'clap'", "clap=FOLDER", kind=OptionError)
    refused("bands=a.safetensors", "built in", kind=OptionError)


@pytest.mark.parametrize("name", ["vggish", "panns"])
def test_a_file_that_is_no_safetensors_is_refused_and_not_run(name: str, tmp_path: Path) -> None:
    refused(f"{name}={tmp_path}/none.safetensors", "There are no weights at")
    refused(f"{name}={tmp_path}", "There are no weights at")
    path = tmp_path / "wrong.safetensors"
    for content in (b"", b"RIFF....WAVE", pickle.dumps({"a": 1})):
        path.write_bytes(content)
        refused(f"{name}={path}", str(path), "no sound safetensors file")
    torch.save({"a": torch.zeros(1)}, path)
    refused(f"{name}={path}", "no sound safetensors file")
    checkpoint = path.rename(tmp_path / "Cnn14_mAP=0.431.pth")
    refused(f"{name}={checkpoint}", "Cnn14_mAP=0.431.pth", "docs/embeddings.md")


def first_of(name: str) -> str:
    return {"vggish": "features.3.weight", "panns": "conv_block2.conv1.weight"}[name]


@pytest.mark.parametrize("name", ["vggish", "panns"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensor: None, "no tensor"),
        (lambda tensor: tensor[1:], "should be"),
        (lambda tensor: tensor[None], "should be"),
        (lambda tensor: torch.full_like(tensor, math.nan), "no number"),
        (lambda tensor: tensor.to(torch.int32), "should be"),
    ],
)
def test_a_wrong_tensor_is_named(name: str, change, says: str, places, tmp_path: Path) -> None:
    tensors = load_file(places[name].removeprefix(f"{name}="))
    changed = change(tensors.pop(first_of(name)))
    if changed is not None:
        tensors[first_of(name)] = changed.contiguous()
    save_file(tensors, tmp_path / "changed.safetensors")
    refused(f"{name}={tmp_path}/changed.safetensors", repr(first_of(name)), says)


def test_one_networks_weights_are_not_anothers(places) -> None:
    refused(places["vggish"].replace("vggish=", "panns="), "no panns weights")
    refused(places["panns"].replace("panns=", "vggish="), "no vggish weights")


def test_weights_of_the_16_khz_network_are_refused(places, tmp_path: Path) -> None:
    tensors = load_file(places["panns"].removeprefix("panns="))
    tensors["logmel_extractor.melW"] = torch.zeros(257, 64)
    save_file(tensors, tmp_path / "16k.safetensors")
    refused(f"panns={tmp_path}/16k.safetensors", "'logmel_extractor.melW'", "513 × 64")


def test_weights_that_make_no_numbers_are_refused(places, tmp_path: Path) -> None:
    tensors = load_file(places["panns"].removeprefix("panns="))
    tensors["bn0.running_var"] = torch.full((64,), -1.0)
    save_file(tensors, tmp_path / "negative.safetensors")
    refused(f"panns={tmp_path}/negative.safetensors", "no number")


def test_weights_at_half_precision_are_welcome(places, embeddings, tmp_path: Path) -> None:
    tensors = load_file(places["vggish"].removeprefix("vggish="))
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    save_file(halves, tmp_path / "half.safetensors")
    found = load_embedding(f"vggish={tmp_path}/half.safetensors").embed(sounds_of("vggish"))
    torch.testing.assert_close(
        found, embeddings["vggish"].embed(sounds_of("vggish")), atol=1e-2, rtol=0.1
    )


def test_a_folder_that_holds_no_clap_model_is_refused(places, tmp_path: Path) -> None:
    refused(f"clap={tmp_path}/none", "no CLAP model", "config.json")
    refused(f"clap={tmp_path}", "no CLAP model", "config.json")
    save_clap(tmp_path / "clap", fused=False)
    weights = tmp_path / "clap" / "model.safetensors"
    tensors = load_file(weights)
    name = next(name for name in tensors if name.startswith("audio_projection"))
    save_file({k: v for k, v in tensors.items() if k != name}, weights)
    refused(f"clap={tmp_path}/clap", name)
    save_file({**tensors, name: tensors[name][None].clone()}, weights)
    refused(f"clap={tmp_path}/clap", name)
    save_file({**tensors, name: torch.full_like(tensors[name], math.nan)}, weights)
    refused(f"clap={tmp_path}/clap", "no number")
    weights.rename(weights.with_name("pytorch_model.bin"))
    refused(f"clap={tmp_path}/clap", "no CLAP model", "model.safetensors")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("preprocessor_config.json", "48000", "44100"),
        ("preprocessor_config.json", '"rand_trunc"', '"fusion"'),
        ("preprocessor_config.json", "{", "["),
        ("preprocessor_config.json", '"hop_length": 480', '"hop_length": 0'),
        ("config.json", '"depths"', '"depth"'),
        ("config.json", "{", "["),
    ],
)
def test_a_clap_model_with_other_settings_is_refused(
    file: str, old: str, new: str, tmp_path: Path
) -> None:
    save_clap(tmp_path, fused=False)
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new), encoding="utf-8")
    refused(f"clap={tmp_path}", str(tmp_path))


@pytest.mark.parametrize("place", ["hub:", "hub:a", "hub:a/b", "hub:a/b/c.txt", "hub:/b/c"])
def test_a_file_of_the_hub_has_an_owner_a_repository_and_a_name(place: str) -> None:
    refused(f"panns={place}", "hub:OWNER/REPOSITORY/FILE.safetensors", kind=OptionError)


def test_a_checkpoint_on_the_hub_is_not_even_fetched() -> None:
    refused(f"vggish={HUB}/vggish.pth", "docs/embeddings.md")


def test_a_file_comes_from_the_hub(places, embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    asked = []

    def fetch(repository: str, name: str) -> str:
        asked.append((repository, name))
        return places["vggish"].removeprefix("vggish=")

    monkeypatch.setattr(hub, "hf_hub_download", fetch)
    found = load_embedding(f"vggish={HUB}/folder/vggish.safetensors")
    assert asked == [("somebody/something", "folder/vggish.safetensors")]
    assert torch.equal(
        found.embed(sounds_of("vggish")), embeddings["vggish"].embed(sounds_of("vggish"))
    )


def test_without_a_network_the_hub_says_so_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    refused(f"vggish={HUB}/vggish.safetensors", "vggish.safetensors of somebody/something")
    refused(f"clap={HUB}", "somebody/something")
    with pytest.raises(WeightsError, match="somebody/something"):
        ClapEmbedding.load(HUB, local_files_only=True)


@pytest.mark.parametrize(
    ("library", "source"),
    [("huggingface_hub", f"vggish={HUB}/a.safetensors"), ("transformers", f"clap={HUB}")],
)
def test_a_missing_library_is_an_option_error_that_names_the_extra(
    library: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    refused(source, library, 'pip install "soundstage[embeddings]"', kind=OptionError)
