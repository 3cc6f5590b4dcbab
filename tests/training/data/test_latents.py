import pytest
import torch

from making_dualspec import SHAPES, save_vaes
from soundstage.corpora.spatial_events import horizontal_hrirs
from soundstage.errors import WeightsError
from soundstage.spectra.dual_spectra import N_SAMPLES
from soundstage.training.data import latents
from soundstage.training.data.latents import (
    PEAK,
    clip_latents,
    encode,
    load_vae,
    takes_of,
)

RATE = 16_000


@pytest.fixture(scope="module")
def vaes(tmp_path_factory):
    return save_vaes(tmp_path_factory.mktemp("vaes"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "soundstage" / "latents"


def sound(seed=0, seconds=2.0):
    return torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def made(kind, path, sounds, **changes):
    fields = {"takes": 1, "hrtf": "kemar", "digest": "aa", **changes}
    return clip_latents(kind, str(path), sounds, **fields)


@pytest.mark.parametrize(
    ("kind", "vae"),
    [
        ("mono", "mono-mel"),
        ("mel", "mel"),
        ("ears", "mono-mel"),
        ("stft", "stft"),
        ("dual", "dual"),
    ],
)
def test_every_kind_has_latents_of_all_azimuths(kind, vae, vaes):
    hrirs = None if kind == "mono" else horizontal_hrirs("kemar")
    encoded = encode(kind, load_vae(kind, str(vaes[vae])), sound(seconds=5.104), hrirs)
    assert encoded.shape == (1 if kind == "mono" else 12, *SHAPES[kind])
    assert encoded.dtype == torch.float16
    assert torch.isfinite(encoded).all()


def test_ears_are_encoded_each_by_itself(vaes):
    """At 0° and 180° of a symmetric head both ears are alike; at 90° they are not."""
    model = load_vae("ears", str(vaes["mono-mel"]))
    example = torch.nn.functional.pad(sound(), (0, N_SAMPLES - 2 * RATE))
    encoded = encode("ears", model, example, horizontal_hrirs("kemar")).float()
    difference = (encoded[:, 0] - encoded[:, 1]).abs().mean(dim=(1, 2))
    assert difference[0] < 0.2 * difference[3]


def test_a_vae_of_another_kind_is_refused(vaes):
    with pytest.raises(WeightsError, match="'mel'; latents 'stft' need 'stft'"):
        load_vae("stft", str(vaes["mel"]))


def test_the_first_take_is_the_whole_clip_and_others_begin_later():
    clip = sound(seconds=3.0)
    first, second, third = takes_of(clip, 3, 0)
    assert len(first) == N_SAMPLES
    assert first.abs().max() == pytest.approx(PEAK)
    scaled = clip * (PEAK / clip.abs().max())
    assert torch.equal(first[: len(clip)], scaled)
    assert not first[len(clip) :].any()
    for later in (second, third):
        start = int((scaled == later[0]).nonzero()[0])
        assert 0 < start <= RATE
        assert torch.equal(later[: len(clip) - start], scaled[start:])


def test_a_short_clip_has_equal_takes():
    first, second = takes_of(sound(seconds=1.0), 2, 0)
    assert torch.equal(first, second)


def test_latents_are_made_once(cache, vaes, monkeypatch):
    sounds = [sound(0), sound(1)]
    first = made("mono", vaes["mono-mel"], sounds)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(latents, "load_model", None)  # no VAE is needed any more
    assert torch.equal(first, made("mono", vaes["mono-mel"], sounds))


def test_the_cache_depends_on_everything_that_the_latents_do(cache, vaes):
    made("mono", vaes["mono-mel"], [sound(0)])
    made("mono", vaes["mono-mel"], [sound(1)])
    made("mono", vaes["mono-mel"], [sound(0)], digest="bb")
    made("mono", vaes["mono-mel"], [sound(0)], takes=2)
    assert len(list(cache.iterdir())) == 4
    made("mono", vaes["mono-mel"], [sound(0)], hrtf="ku100")  # has no responses
    assert len(list(cache.iterdir())) == 4


def test_damaged_latents_are_made_again(cache, vaes):
    first = made("mono", vaes["mono-mel"], [sound(0)])
    path = next(cache.iterdir())
    path.write_bytes(path.read_bytes()[:200])
    assert torch.equal(first, made("mono", vaes["mono-mel"], [sound(0)]))
