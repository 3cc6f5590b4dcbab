import json
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import torch

from sounds import RATE, cut, song, stereo_scene
from soundstage.errors import OptionError, OutputError
from soundstage.metrics import parameter_error
from soundstage.stereo import TRANSFORM, band_sums, encode_signal
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.upmixing import Controls, UpmixStream, upmix_file
from soundstage.upmixing.comparison import TakesMeter
from soundstage.upmixing.engine import MidSide, UpmixTakes
from soundstage.upmixing.jobs import by_source, plan_batch, plan_sheets
from soundstage.upmixing.upmix_files import MOST_TAKES, upmix_takes
from tiny import UPMIXERS

METHODS = UPMIXERS


def mono(seconds=2.0, rate=RATE, level=0.3):
    sound = song(int(seconds * rate), rate=rate).numpy()
    return level * sound / np.abs(sound).max()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "mono.wav"
    soundfile.write(path, mono(), RATE, subtype="PCM_16")
    return path


def targets(folder, seeds, suffix=".wav"):
    return {seed: folder / f"take-{seed}{suffix}" for seed in seeds}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_take_among_others_is_the_file_that_its_seed_makes_alone(tmp_path, source, name, suffix):
    made = targets(tmp_path, [5, 0, 7], suffix)
    takes = upmix_takes(source, made, METHODS[name], method=name)
    for (seed, target), report in zip(made.items(), takes.reports, strict=True):
        alone = tmp_path / f"alone{suffix}"
        single = upmix_file(source, alone, METHODS[name], method=name, seed=seed, overwrite=True)
        assert target.read_bytes() == alone.read_bytes()
        assert (report.seed, report.width, report.gain_db) == (seed, single.width, single.gain_db)
    contents = [target.read_bytes() for target in made.values()]
    assert all(one != other for one, other in pairwise(contents))


@pytest.mark.parametrize("name", ["masked", "decorrelate", "mixing"])
def test_float_takes_are_the_samples_of_each_alone_with_controls_at_any_rate(tmp_path, name):
    source, controls = tmp_path / "mono.wav", Controls(1.5, 120, 0.3)
    soundfile.write(source, mono(rate=48_000), 48_000, subtype="FLOAT")
    made = targets(tmp_path, [1, 2])
    upmix_takes(source, made, METHODS[name], controls=controls)
    for seed, target in made.items():
        alone = tmp_path / f"alone-{seed}.wav"
        upmix_file(source, alone, METHODS[name], controls=controls, seed=seed)
        assert np.array_equal(soundfile.read(target)[0], soundfile.read(alone)[0])


@pytest.mark.parametrize("name", METHODS)
def test_any_cut_gives_the_same_takes_as_streams_of_their_own(name):
    sound, seeds = mono().astype(np.float32), [3, 4]
    stream = UpmixTakes(METHODS[name], RATE, seeds=seeds)
    parts = [stream.push(block) for block in cut(sound, [10, 70_000, 70_001])]
    parts.append(stream.finish())
    for take, seed in enumerate(seeds):
        alone = UpmixStream(METHODS[name], RATE, seed=seed)
        wanted = np.concatenate([alone.push(sound).side, alone.finish().side])
        assert np.array_equal(np.concatenate([part[take].side for part in parts]), wanted)


def test_each_take_is_turned_down_by_its_own_gain(tmp_path):
    source = tmp_path / "loud.wav"
    soundfile.write(source, mono(level=0.99), RATE, subtype="PCM_16")
    takes = upmix_takes(source, targets(tmp_path, range(3)), METHODS["masked"])
    gains = {report.gain_db for report in takes.reports}
    assert len(gains) == 3
    assert max(gains) < 0


@pytest.mark.parametrize("depth", ["16", "float"])
def test_an_existing_target_costs_no_file(tmp_path, source, depth):
    made = targets(tmp_path, range(3))
    made[2].write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists"):
        upmix_takes(source, made, METHODS["nearest"], bit_depth=depth)
    assert names(tmp_path) == ["mono.wav", "take-2.wav"]
    assert made[2].read_bytes() == b"precious"


@pytest.mark.parametrize("depth", ["16", "float"])
def test_an_interrupt_leaves_nothing(tmp_path, source, depth):
    def stop(part):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upmix_takes(
            source, targets(tmp_path, range(3)), METHODS["nearest"], bit_depth=depth, progress=stop
        )
    assert names(tmp_path) == ["mono.wav"]


def test_takes_that_cannot_be_made_at_once_are_refused(tmp_path, source):
    for seeds in ([0], range(MOST_TAKES + 1)):
        with pytest.raises(OptionError, match="at once"):
            upmix_takes(source, targets(tmp_path, seeds), METHODS["comb"])
    with pytest.raises(OptionError, match="one format"):
        upmix_takes(source, {0: tmp_path / "a.wav", 1: tmp_path / "b.flac"}, METHODS["comb"])
    assert names(tmp_path) == ["mono.wav"]


def stage(stereo, *, rate=RATE, places=()):
    """A meter's comparison of a stereo signal, of its mirror image and of its mid alone."""
    left, right = stereo.numpy()
    mid, side = (left + right) / 2, (left - right) / 2
    meter = TakesMeter(rate, [1, 2, 3], shared_mid=True)
    for m, s in zip(cut(mid, places), cut(side, places), strict=True):
        meter.push([MidSide(m, s), MidSide(m, -s), MidSide(m, 0 * s)])
    meter.finish()
    return meter.comparison()


def test_what_is_measured_while_streaming_is_what_the_whole_sound_has():
    scene = stereo_scene(2 * RATE)
    found = stage(scene, places=[1, 3_000, 50_000])
    mid = band_sums(TRANSFORM.analyze(scene.mean(dim=0)).abs().square())
    wanted = descriptors(encode_signal(scene), mid)
    assert [*found.stages[0].descriptors] == list(DESCRIPTORS)
    assert list(found.stages[0].descriptors.values()) == pytest.approx(wanted.tolist(), abs=2e-3)
    mirrored = parameter_error(encode_signal(scene), encode_signal(scene.flip(0)))
    assert found.differences[0, 1] == pytest.approx(mirrored, abs=1e-4)
    assert found.differences[0, 0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("rate", [22_050, 48_000])
def test_other_rates_are_measured_at_the_coders(rate):
    left = 2 * mono(rate=rate).astype(np.float32)
    found = stage(torch.from_numpy(np.stack([left, 0.5 * left])), rate=rate)
    assert found.stages[0].descriptors["width"] == pytest.approx(2 / 3, abs=0.01)
    assert found.stages[0].descriptors["balance"] == pytest.approx(6.02, abs=0.05)
    assert found.stages[0].places.sum(axis=0).argmax() == 26  # 6 dB to the left of the middle
    assert found.stages[0].widths[3:20] == pytest.approx(2 / 3, abs=0.02)


def test_the_nearest_and_the_farthest_takes_are_named():
    found = stage(stereo_scene(RATE))
    assert found.most_different() == (0, 1)
    assert found.sentence().endswith(f"most different 1 and 2 ({found.differences[0, 1]:.2f}).")
    assert found.table().count("\n") == 4
    assert len({len(line) for line in found.table().splitlines()[:4]}) == 1  # aligned
    assert json.loads(json.dumps(found.as_dict()))["most_different"] == [1, 2]


def test_silence_has_a_comparison():
    found = stage(torch.zeros(2, 5_000))
    assert found.differences.max() == 0
    assert set(found.stages[0].descriptors.values()) == {0.0}


def test_sheets_of_files_that_differ_in_their_suffix_have_names_of_their_own(tmp_path):
    for name in ("a.wav", "a.flac", "b.wav"):
        soundfile.write(tmp_path / name, mono(0.1), RATE)
    jobs = plan_batch([tmp_path], None, method="comb", seeds=range(2))
    sources = by_source(jobs)
    assert [len(takes) for takes in sources] == [2, 2, 2]
    sheets = {path.name for path in plan_sheets(sources)}
    assert sheets == {"a.wav-takes.png", "a.flac-takes.png", "b-takes.png"}
