"""Demucs: networks in segments whose sources add up, from files that can run nothing.

A package `demucs` with one small network stands in for the real one, which is tried where it is
installed.
"""

import json
import sys
from fractions import Fraction

import pytest
import torch
from safetensors.torch import save_file

import soundstage
from soundstage.errors import OptionError, WeightsError
from soundstage.separation.demucs import STEP, load
from soundstage.separation.demucs_models import CLASSES, load_bag

SEGMENT, RATE = 1000, 8000
NETWORK = """
import torch
from torch import nn

class {name}(nn.Module):
    audio_channels = 2

    def __init__(self, sources, samplerate=8000, segment=0.125):
        super().__init__()
        self.sources, self.samplerate, self.segment = sources, samplerate, segment
        self.gains = nn.Parameter(torch.zeros(len(sources)))

    def valid_length(self, length):
        return length + 7

    def forward(self, mix):
        assert mix.shape[1] == 2
        return self.gains[None, :, None, None] * mix[:, None]
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package demucs whose networks multiply by a gain for each source."""
    folder = tmp_path / "site" / "demucs"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    for name, module in CLASSES.items():
        text = NETWORK.format(name=name.rpartition(".")[2])
        (folder / f"{module.rpartition('.')[2]}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "site")
    before = {name for name in sys.modules if name.split(".")[0] == "demucs"}
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "demucs"]:
        del sys.modules[name]


def write_network(path, gains, *, klass="demucs.htdemucs.HTDemucs", sources=None, **options):
    sources = sources or ["drums", "bass", "other", "vocals"]
    header = {"klass": klass, "args": json.dumps([sources]), "kwargs": json.dumps(options)}
    save_file({"gains": torch.tensor(gains)}, path, metadata=header)
    return path


def write_bag(folder, text, **networks):
    folder.mkdir(exist_ok=True)
    for signature, gains in networks.items():
        write_network(folder / f"{signature}.safetensors", gains)
    (folder / "bag.yaml").write_text(text)
    return folder


def noise(frames, seed=0):
    return torch.randn(frames, generator=torch.Generator().manual_seed(seed)) * 0.1


def separated(separator, mono, size):
    stream = separator.stream()
    parts = [stream.push(each) for each in mono.split(size)]
    return torch.cat([*parts, stream.finish()], dim=-1)


@pytest.mark.parametrize("frames", [0, 1, 749, 750, 751, 1000, 1001, 5555])
@torch.inference_mode()
def test_segments_join_without_a_seam_and_sources_add_up(package, tmp_path, frames):
    path = write_network(tmp_path / "one.safetensors", [0.25, 0.5, 0.1, -0.125])
    separator, mono = load(str(path)), noise(frames)
    assert [info.kind for info in separator.sources] == ["drums", "bass", "residual", "lead"]
    made = separated(separator, mono, 333)
    assert made.shape == (4, frames)
    for k, gain in ((0, 0.25), (1, 0.5), (3, -0.125)):
        assert torch.allclose(made[k], gain * mono, atol=1e-6)
    assert torch.allclose(made.sum(dim=0), mono, atol=1e-6)


@torch.inference_mode()
def test_segments_overlap_by_a_quarter(package, tmp_path):
    calls = []
    separator = load(str(write_network(tmp_path / "one.safetensors", [1.0, 0, 0, 0])))
    (network,) = separator._bag.networks
    network.register_forward_hook(lambda module, args, out: calls.append(args[0].shape))
    separated(separator, noise(10 * SEGMENT), 4000)
    assert len(calls) == round(10 / STEP + 0.5)
    assert set(calls) == {(1, 2, SEGMENT + 7)}


@torch.inference_mode()
def test_networks_of_a_bag_count_by_source(package, tmp_path):
    text = "models: [aa, bb]\nweights: [[1, 0, 1, 3], [0, 2, 1, 1]]\n"
    folder = write_bag(tmp_path / "bag", text, aa=[0.1, 0.2, 0.3, 0.4], bb=[0.5, 0.6, 0.7, 0.8])
    mono = noise(3000)
    drums, bass, _, vocals = separated(load(str(folder)), mono, 700)
    for source, gain in ((drums, 0.1), (bass, 0.6), (vocals, (3 * 0.4 + 0.8) / 4)):
        assert torch.allclose(source, gain * mono, atol=1e-6)


def test_without_a_rest_there_is_one_more_source(package, tmp_path):
    path = write_network(tmp_path / "one.safetensors", [0.25, 0.5], sources=["vocals", "piano"])
    separator = load(str(path))
    assert [(s.name, s.kind) for s in separator.sources] == [
        ("vocals", "lead"),
        ("piano", "object"),
        ("residual", "residual"),
    ]
    mono = noise(20_000)
    made = soundstage.separate((mono.numpy(), 48_000), separator)
    assert torch.tensor(made["residual"].samples).shape == (1, 20_000)


def test_the_segment_of_a_bag_replaces_that_of_its_networks(package, tmp_path):
    text = "models: [aa]\nsegment: 0.05\n"
    separator = load(str(write_bag(tmp_path / "bag", text, aa=[0.1, 0.2, 0.3, 0.4])))
    assert separator.segments == [400]


def test_fractions_in_headers_are_understood(package, tmp_path):
    segment = {"_type": "fraction", "numerator": 39, "denominator": 5}
    path = write_network(tmp_path / "one.safetensors", [0.0] * 4, segment=segment)
    assert load_bag(str(path), "cpu").networks[0].segment == Fraction(39, 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"klass": "subprocess.Popen"}, "no network of demucs"),
        ({"klass": "demucs.htdemucs.torch"}, "no network of demucs"),
        ({"structure": "{}"}, "quantized"),
        ({"args": "[1, 2"}, "JSON"),
        ({"kwargs": '{"unknown": 1}'}, "no network of demucs"),
        ({"args": '[["one"]]'}, "no network of demucs"),
    ],
)
def test_headers_that_name_anything_else_are_refused(package, tmp_path, change, words):
    header = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": '[["drums", "vocals"]]',
        "kwargs": "{}",
    }
    path = tmp_path / "one.safetensors"
    save_file({"gains": torch.zeros(2)}, path, metadata=header | change)
    with pytest.raises(WeightsError, match=words):
        load(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: [../aa]", "signatures"),
        ("models: []", "signatures"),
        ("[1]", "signatures"),
        ("models: [cc]", "no weights at"),
        ("models: [aa]\nweights: [[1, 1]]", "4 numbers"),
        ("models: [aa]\nweights: [[1, 1, 0, 1]]", "positive"),
        ("models: [aa]\nsegment: long", "seconds"),
    ],
)
def test_bags_that_break_a_rule_are_refused(package, tmp_path, text, words):
    folder = write_bag(tmp_path / "bag", text, aa=[0.1, 0.2, 0.3, 0.4])
    with pytest.raises(WeightsError, match=words):
        load(str(folder))


def test_pickled_checkpoints_are_never_opened(package, tmp_path):
    path = tmp_path / "955717e8-8726e21a.th"
    path.write_bytes(b"anything")
    with pytest.raises(WeightsError, match="can run programs"):
        load(str(path))
    with pytest.raises(WeightsError, match="0 bags"):
        load(str(tmp_path))


def test_a_model_that_the_hub_does_not_give_is_a_sentence(package, monkeypatch):
    import huggingface_hub

    asked = []

    def download(repository, name):
        asked.append((repository, name))
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    for name in (None, "htdemucs_ft", "someone/mdx_extra"):
        with pytest.raises(WeightsError, match="cannot be downloaded"):
            load(name)
    assert asked == [
        ("adefossez/HTDemucs", "htdemucs.yaml"),
        ("adefossez/HTDemucs-ft", "htdemucs_ft.yaml"),
        ("someone/Demucs-mdx_extra", "mdx_extra.yaml"),
    ]


def test_without_the_package_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "demucs", None)
    with pytest.raises(OptionError, match="pip install demucs"):
        load(str(write_network(tmp_path / "one.safetensors", [0.0])))


@pytest.mark.slow
@torch.inference_mode()
def test_a_network_of_the_real_package(tmp_path):
    htdemucs = pytest.importorskip("demucs.htdemucs")
    sources = ["drums", "bass", "other", "vocals"]
    options = {"channels": 8, "t_layers": 1, "t_heads": 2, "depth": 4, "segment": 2}
    torch.manual_seed(0)
    network = htdemucs.HTDemucs(sources, **options).eval()
    header = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": json.dumps([sources]),
        "kwargs": json.dumps(options),
    }
    path = tmp_path / "tiny.safetensors"
    save_file(network.state_dict(), path, metadata=header)
    mono = noise(3 * 44_100)
    made = separated(load(str(path)), mono, 10_000)
    assert torch.allclose(made.sum(dim=0), mono, atol=1e-6)
    segment = network(mono[:88_200].expand(1, 2, -1))[0].mean(dim=1)
    inner = slice(0, int(STEP * 88_200))
    assert torch.allclose(made[[0, 1, 3], inner], segment[[0, 1, 3], inner], atol=1e-4)
