"""A program's own settings of torch, and its random state, change no result and are left alone."""

import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import torch

import soundstage
from making import music, read_all
from soundstage.precision import in_single_precision, single_precision
from soundstage.upmixing import Upmixer
from tiny import UPMIXERS

RATE = 44_100
SOUND = (0.4 * music(1, 9_000)[0].astype(np.float32), RATE)
RAW = {"width": 1.0, "spread_noise": True}  # without a look at the content, which a stream has not


@pytest.fixture
def doubles():
    """A program that computes in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    assert torch.get_default_dtype() == torch.float64
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", UPMIXERS)
def test_a_double_default_changes_no_upmix(tmp_path, doubles, name):
    """`masked` failed: a network in single precision was given doubles."""
    with single_precision():
        expected = Upmixer(UPMIXERS[name])(SOUND, seed=1, **RAW)
    upmixer = Upmixer(UPMIXERS[name])
    assert upmixer(SOUND, seed=1, **RAW) == expected
    upmixer.file(SOUND, tmp_path / "a.wav", seed=1, **RAW)
    assert np.array_equal(read_all(tmp_path / "a.wav"), expected.samples)
    stream = upmixer.stream(RATE, seed=1, width=1)
    parts = [stream.push(SOUND[0][:4_444]), stream.push(SOUND[0][4_444:]), stream.finish()]
    assert np.array_equal(np.concatenate(parts, axis=1), expected.samples)


def test_a_double_default_changes_no_other_entry_point(doubles):
    stereo = (np.stack([SOUND[0], SOUND[0][::-1]]), RATE)
    with single_precision():
        analyzed = soundstage.analyze(stereo)
        heard = soundstage.binauralize(SOUND, azimuth=30)
    assert soundstage.analyze(stereo).as_dict() == analyzed.as_dict()
    assert soundstage.binauralize(SOUND, azimuth=30) == heard


def test_the_process_is_left_as_it_was_found(tmp_path):
    def state():
        return (
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002 - that it does not change
            random.getstate(),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            np.geterr(),
        )

    before = state()
    for name in ("comb", "masked", "diffusion"):
        Upmixer(UPMIXERS[name]).file(SOUND, tmp_path / f"{name}.flac", seed=3)
    soundstage.binauralize(SOUND, azimuth=30)
    soundstage.analyze(SOUND)
    assert state() == before


def test_calls_that_overlap_restore_the_default_once(doubles):
    inside, leave = threading.Barrier(3), threading.Event()

    @in_single_precision
    def call(waits):
        inside.wait(5)
        if waits:
            leave.wait(5)
        return torch.zeros(1).dtype

    with ThreadPoolExecutor(2) as pool:
        long, short = pool.submit(call, True), pool.submit(call, False)
        inside.wait(5)
        assert short.result() == torch.float32
        assert torch.get_default_dtype() == torch.float32  # the long call still runs
        leave.set()
        assert long.result() == torch.float32
    assert torch.get_default_dtype() == torch.float64


def test_the_default_is_restored_after_an_error(doubles):
    with pytest.raises(ZeroDivisionError):
        in_single_precision(lambda: 1 / 0)()


CONSTANTS = """
import importlib, pkgutil, sys, torch
torch.set_default_dtype(torch.float64)
import soundstage
for module in pkgutil.walk_packages(soundstage.__path__, "soundstage."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
def tensors(value, depth=0):
    if isinstance(value, torch.Tensor):
        yield value
    elif depth < 3:
        inner = value if isinstance(value, (list, tuple)) else ()
        inner = value.values() if isinstance(value, dict) else inner
        if type(value).__module__.startswith("soundstage") and hasattr(value, "__dict__"):
            inner = vars(value).values()
        for each in inner:
            yield from tensors(each, depth + 1)
for name, module in list(sys.modules.items()):
    if name.startswith("soundstage"):
        for constant, value in vars(module).items():
            if any(each.dtype == torch.float64 for each in tensors(value)):
                print(name, constant)
"""


@pytest.mark.slow
def test_constants_of_modules_are_single_precision_whatever_the_default():
    done = subprocess.run(
        [sys.executable, "-c", CONSTANTS], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def test_every_kind_of_samples_is_one_sound(tmp_path):
    """Scalars of NumPy, integers, both layouts, masks, tensors, other byte orders and strides."""
    steps = np.rint(SOUND[0] * 2**15).astype(np.int16)
    samples = steps.astype(np.float32) / 2**15
    upmixer = Upmixer(UPMIXERS["comb"])
    expected = upmixer((samples, RATE), width=1)
    kinds = [
        (samples.astype(np.float64), np.int64(RATE)),
        (samples.tolist(), float(RATE)),
        (steps, np.float32(RATE)),
        (steps[None], RATE),
        (steps[:, None], RATE),
        (np.ma.array(steps), RATE),
        (torch.from_numpy(steps), RATE),
        (steps.astype(">i2"), RATE),
        (np.repeat(steps, 2)[::2], RATE),
        (steps.astype(np.int32) << 16, RATE),
        ((steps.astype(np.int32) + 2**15).astype(np.uint16), RATE),
        (np.stack([steps, steps], axis=1), RATE),
        soundstage.Audio(steps, RATE),
        soundstage.Audio(np.stack([steps, steps]), RATE),
    ]
    soundfile.write(tmp_path / "a.wav", steps, RATE, subtype="PCM_16")
    for source in [*kinds, tmp_path / "a.wav", str(tmp_path / "a.wav")]:
        assert upmixer(source, seed=np.int64(0), width=np.float32(1)) == expected
    assert repr(soundstage.analyze((steps, RATE)).as_dict()) == repr(
        soundstage.analyze((samples, RATE)).as_dict()
    )


def test_every_kind_of_block_is_one_channel():
    steps = np.rint(SOUND[0] * 2**15).astype(np.int16)

    def streamed(block):
        stream = Upmixer(UPMIXERS["comb"]).stream(RATE)
        return np.concatenate([stream.push(block), stream.finish()], axis=1)

    expected = streamed(steps.astype(np.float32) / 2**15)
    for block in (steps, steps[None], steps[:, None], np.ma.array(steps), torch.from_numpy(steps)):
        assert np.array_equal(streamed(block), expected)
    assert streamed(steps / 2.0**15).dtype == np.float64
    for wrong, reason in (
        (np.stack([steps, steps]), "one channel"),
        (np.array([0.0, np.nan]), "not finite"),
        (np.array([0.0, 1e11]), "200 dB"),
        (["a"], "real numbers"),
    ):
        with pytest.raises(soundstage.InputError, match=reason):
            streamed(wrong)
