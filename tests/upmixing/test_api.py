import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import soundstage
from sounds import cut, song, stereo_scene
from soundstage.audio import Audio
from soundstage.errors import InputError, OptionError, WeightsError
from soundstage.metrics import fold_down_error, normalized_width
from soundstage.upmixing import Style, Upmixer, upmix, upmix_file, upmix_stream
from tiny import EXACT, UPMIXERS, save_generative

RATE = 48_000
NEAREST = Upmixer(UPMIXERS["nearest"], name="nearest")


def mono(seconds: float = 1.9) -> np.ndarray:
    return song(int(seconds * RATE), rate=RATE).numpy()


@pytest.mark.parametrize("name", EXACT)
def test_the_fold_down_returns_the_source(name: str) -> None:
    stereo = upmix((mono(), RATE), method=UPMIXERS[name])
    assert stereo.rate == RATE
    assert stereo.samples.shape == (2, mono().size)
    assert stereo.samples.dtype == np.float32
    assert fold_down_error(torch.tensor(stereo.samples), torch.tensor(mono())) < -120
    assert normalized_width(torch.tensor(stereo.samples)) > 0.3


def test_every_kind_of_source_gives_the_same_samples(tmp_path: Path) -> None:
    path = tmp_path / "mono.wav"
    soundfile.write(path, mono(), RATE, subtype="FLOAT")
    sources = [
        path,
        str(path),
        io.BytesIO(path.read_bytes()),
        Audio(mono()[None], RATE),
        (mono(), RATE),
        (mono()[:, None], RATE),
        (torch.from_numpy(mono()), np.int64(RATE)),
    ]
    first, *others = [NEAREST(source).samples for source in sources]
    assert all(np.array_equal(first, other) for other in others)


def test_integers_have_the_full_scale_of_their_type() -> None:
    integers = (np.float32(0.5) * mono() * 2**15).astype(np.int16)
    found = NEAREST((integers, RATE))
    assert found == NEAREST((integers.astype(np.float32) / 2**15, RATE))


def test_several_seeds_give_a_list_of_takes(tmp_path: Path) -> None:
    source, seeds = (mono(), RATE), [0, np.int64(3)]
    takes = NEAREST(source, seed=seeds)
    assert takes == [NEAREST(source, seed=seed) for seed in seeds]
    assert takes[0] != takes[1]
    targets = [tmp_path / "one.wav", str(tmp_path / "two.wav")]
    reports = NEAREST.file(source, targets, seed=seeds, bit_depth="float")
    assert [report.seed for report in reports] == [0, 3]
    assert [Audio.read(target) for target in targets] == takes
    with pytest.raises(OptionError, match="2 seeds, but 1 targets"):
        NEAREST.file(source, targets[0], seed=seeds)


def test_a_stream_gives_the_samples_of_the_whole() -> None:
    plain = {"width": 0.5, "spread_noise": True}  # without what only a whole sound shows
    blocks = list(upmix_stream(cut(mono(), [7, 30_000]), RATE, method=NEAREST, seed=3, width=0.5))
    whole = NEAREST((mono(), RATE), seed=3, **plain)
    assert np.array_equal(np.concatenate(blocks, axis=1), whole.samples)
    stream = NEAREST.stream(RATE, seed=[3, 4])
    parts = [stream.push(mono()), stream.finish()]
    takes = [np.concatenate(take, axis=1) for take in zip(*parts, strict=True)]
    expected = NEAREST((mono(), RATE), seed=[3, 4], **plain | {"width": 1})
    assert all(np.array_equal(*each) for each in zip(takes, map(np.asarray, expected), strict=True))


@pytest.mark.parametrize("control", [{"bass_mono": 200}, {"center_focus": 1.0}, {"width": 0.5}])
def test_controls_reduce_the_width(control: dict[str, float]) -> None:
    control = {"width": 1.0, **control}
    plain, changed = NEAREST((mono(), RATE), width=1), NEAREST((mono(), RATE), **control)
    assert normalized_width(changed.to_tensor()) < normalized_width(plain.to_tensor())
    assert changed == upmix((mono(), RATE), method=NEAREST, **control)


def test_dual_mono_is_upmixed_as_mono() -> None:
    twice = np.stack([mono(), mono()])
    assert NEAREST((twice, RATE)) == NEAREST((mono(), RATE))


def test_stereo_is_folded_down_on_request(tmp_path: Path) -> None:
    scene = stereo_scene(20_000).numpy()
    path = tmp_path / "stereo.wav"
    soundfile.write(path, scene.T, RATE, subtype="FLOAT")
    for source in ((scene, RATE), path):
        with pytest.raises(InputError, match="stereo already"):
            NEAREST(source)
        folded = NEAREST(source, downmix=True)
        expected = torch.tensor((scene[0] + scene[1]) / 2)
        assert fold_down_error(folded.to_tensor(), expected) < -120


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((3, 100), np.float32), "3 channels"),
        (np.zeros((1, 0), np.float32), "empty"),
        (np.full(100, np.nan, np.float32), "not finite"),
    ],
)
def test_an_unusable_sound_is_refused(samples: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NEAREST((samples, RATE))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 7}, "width"),
        ({"seed": -1}, "seed"),
        ({"method": "magic"}, "magic"),
        ({"method": "comb", "style": "wide"}, "takes no style"),
        ({"style": "wyde"}, "wyde"),
        ({"method": NEAREST, "style": "wide"}, "need a method by name"),
    ],
)
def test_options_are_checked_before_the_source_is_read(options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        upmix("missing.wav", **options)


def test_the_source_is_checked_before_weights_are_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.wav"):
        upmix(tmp_path / "missing.wav", weights=tmp_path / "missing.safetensors")
    with pytest.raises(WeightsError, match=r"missing\.safetensors"):
        Upmixer.from_pretrained(weights=tmp_path / "missing.safetensors")


def test_from_pretrained_loads_weights_style_decoder_and_device(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_generative(path, "masked")
    options = {"weights": path, "decoder": "mixing", "device": "cpu"}
    upmixer = Upmixer.from_pretrained("masked", style=Style(width=1.2), **options)
    assert (upmixer.name, upmixer.style, upmixer.method.n_outputs) == ("masked", "width=1.2", 2)
    stereo = upmixer((mono(0.5), RATE))
    assert stereo == upmix((mono(0.5), RATE), style="width=1.2", **options)
    assert stereo != upmix((mono(0.5), RATE), **options)
    report = upmix_file((mono(0.5), RATE), tmp_path / "a.wav", style="width=1.2", **options)
    assert (report.method, report.style, report.exact_fold_down) == ("masked", "width=1.2", False)
    with pytest.raises(OptionError, match="device"):
        Upmixer.from_pretrained("masked", weights=path, device="abacus")


def test_upmixer_is_public_and_its_table_needs_no_torch() -> None:
    assert soundstage.Upmixer is Upmixer
    code = (
        "import sys, soundstage.upmixing.registry, soundstage.upmixing.jobs, soundstage\n"
        "soundstage.METHODS, soundstage.Controls(), soundstage.Style(width=1)\n"
        "soundstage.upmixing.jobs.UpmixWork(style='wide')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_source_is_unchanged() -> None:
    samples = mono(0.5)
    NEAREST((samples, RATE), width=2)
    assert np.array_equal(samples, mono(0.5))
