"""Methods from outside the package: a function, a class, a plug-in, and what they may do wrong."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import soundstage
from sounds import RATE, decibels, song
from soundstage.errors import MethodError, OptionError
from soundstage.upmixing import METHODS, find_method, load_method, make_side, plugins
from soundstage.upmixing.jobs import Job, Take, UpmixWork
from soundstage.upmixing.own_methods import own_method

MONO = song(RATE).numpy()
AS_IT_IS = {"width": 1, "spread_noise": True}
FILE = '''
import numpy as np

class Wide:
    """The side is a delayed mono; its gain depends on the seed."""
    returns = "side"

    def __call__(self, mono, rate, seed=0):
        return (0.2 + 0.1 * seed) * np.roll(mono, 40)

def haas(mono, rate):
    return mono, np.roll(mono, rate // 100)

def broken(mono, rate):
    raise ValueError("no such layer. Ask the author")

def short(mono, rate):
    return mono[:-1], mono[:-1]

def stop(mono, rate):
    raise SystemExit(3)
'''


def wide(mono, rate, seed=0):
    return 0.5 * mono[::-1]


wide.returns = "side"


class Streaming:
    """A side of 0.3 times the mid."""

    rate, n_outputs = 22_050, 1

    def stream(self, seeds):
        return StreamingSide(len(seeds))


class StreamingSide:
    def __init__(self, takes):
        self.takes = takes

    def push(self, mid):
        return 0.3 * mid.expand(self.takes, 1, -1)

    def finish(self):
        return torch.zeros(self.takes, 1, 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(FILE)
    return tmp_path / "mine.py"


@pytest.fixture
def registered():
    before = dict(METHODS.registered)
    yield soundstage.register_method
    METHODS.registered.clear()
    METHODS.registered.update(before)


def test_a_function_that_returns_a_side_folds_down_exactly() -> None:
    stereo = soundstage.upmix((MONO, RATE), method=wide, **AS_IT_IS).samples
    assert decibels((stereo[0] + stereo[1]) / 2 - MONO, MONO) < -140
    np.testing.assert_allclose((stereo[0] - stereo[1]) / 2, 0.5 * MONO[::-1], atol=1e-6)


def test_a_function_that_returns_stereo_is_used_as_it_is(file: Path) -> None:
    stereo = soundstage.upmix((MONO, RATE), method=f"{file}:haas", **AS_IT_IS).samples
    np.testing.assert_allclose(stereo, [MONO, np.roll(MONO, 441)], atol=1e-6)


def test_a_streaming_class_works_at_every_rate() -> None:
    stereo = soundstage.upmix((MONO, 48_000), method=Streaming, **AS_IT_IS).samples
    mid, side = (stereo[0] + stereo[1]) / 2, (stereo[0] - stereo[1]) / 2
    assert decibels(mid - MONO, MONO) < -140
    low = np.fft.rfft(side)[:5000] / np.fft.rfft(MONO)[:5000]
    assert np.median(np.abs(low)) == pytest.approx(0.3, rel=0.01)


def test_takes_of_a_class_differ_by_seed_and_those_of_a_plain_function_do_not(file: Path) -> None:
    one, other = soundstage.upmix((MONO, RATE), method=f"{file}:Wide", seed=[0, 1])
    assert one != other
    assert load_method(f"{file}:Wide").has_takes
    assert not load_method(f"{file}:haas").has_takes
    one, other = soundstage.upmix((MONO, RATE), method=f"{file}:haas", seed=[0, 1])
    assert one == other


def test_a_registered_method_is_known_by_its_name(registered, tmp_path: Path) -> None:
    assert registered("mine", wide, summary="half of it, backwards") is wide
    assert METHODS["mine"].summary == "half of it, backwards"
    assert list(METHODS)[-1] == "mine"
    target = tmp_path / "a.wav"
    report = soundstage.upmix_file((MONO, RATE), target, method="mine", bit_depth="16")
    assert report.method == "mine"
    pcm = soundfile.read(target, dtype="int16")[0].astype(int)
    assert np.all(pcm.sum(axis=1) % 2 == 0)


def test_register_method_is_a_decorator(registered) -> None:
    @registered("narrow")
    def narrow(mono, rate):
        return mono, mono

    assert METHODS["narrow"].import_factory() is narrow


@pytest.mark.parametrize("name", ["masked", "diffstereo", "", "a/b", "two words"])
def test_a_name_of_the_package_or_one_for_no_file_is_refused(registered, name: str) -> None:
    with pytest.raises(OptionError, match=r"choose another name|cannot be named"):
        registered(name, wide)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("broken", r"The method broken failed: ValueError: no such layer \(mine.py, line 15\)\."),
        ("short", r"returned the shape \(2, 44099\) for a sound of 44100 samples"),
        ("stop", "The method stop failed: SystemExit: 3"),
        ("nobody", "mine.py has no class or function 'nobody'"),
    ],
)
def test_an_error_of_foreign_code_is_a_sentence(file: Path, name: str, sentence: str) -> None:
    with pytest.raises(MethodError, match=sentence):
        soundstage.upmix((MONO, RATE), method=f"{file}:{name}")


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda mono: mono, "has to be called with"),
        (3, "is no method"),
        (lambda mono, rate: mono * np.nan, "shape"),
        (lambda mono, rate: [mono, mono * np.nan], "not finite"),
        (lambda: 1 / 0, "cannot be made: ZeroDivisionError"),
    ],
)
def test_what_is_no_method_is_refused(made, sentence: str) -> None:
    with pytest.raises(MethodError, match=sentence):
        make_side(own_method(made, "mine"), torch.from_numpy(MONO))


@pytest.mark.parametrize(
    ("attribute", "value", "sentence"),
    [
        ("rate", 44.1, "no `rate`"),
        ("n_outputs", 3, "no `n_outputs`"),
        ("stream", lambda self, seeds: None, "AttributeError"),
        ("stream", lambda self, seeds: StreamingSide(2), "returned the shape"),
    ],
)
def test_a_streaming_method_is_checked(monkeypatch, attribute, value, sentence: str) -> None:
    monkeypatch.setattr(Streaming, attribute, value)
    with pytest.raises(MethodError, match=sentence):
        make_side(own_method(Streaming, "mine"), torch.from_numpy(MONO))


def test_a_method_that_loses_samples_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(StreamingSide, "push", lambda self, mid: mid[None, None, 1:])
    with pytest.raises(MethodError, match="returned 44099 samples for 44100"):
        make_side(own_method(Streaming, "mine"), torch.from_numpy(MONO))


def test_a_missing_file_and_a_file_that_fails_are_named(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"none\.py: there is no such file"):
        load_method(f"{tmp_path / 'none.py'}:Wide")
    (tmp_path / "bad.py").write_text("\nimport no_such_package_at_all\n")
    with pytest.raises(MethodError, match=r"cannot be imported: ModuleNotFound.*bad\.py, line 2"):
        load_method(f"{tmp_path / 'bad.py'}:Wide")


def test_own_methods_take_no_weights_style_or_decoder(file: Path) -> None:
    for options in ({"weights": "a.safetensors"}, {"style": "wide"}, {"decoder": "mixing"}):
        with pytest.raises(OptionError):
            load_method(f"{file}:Wide", **options)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch):
    """An installed package with two plug-ins, one of which fails to import."""
    points = "good = own_package_of_a_test:Wide\nbad = no_such_package_at_all:Wide\n"
    points += "comb = own_package_of_a_test:Wide\n"
    install(tmp_path, "own_package_of_a_test", FILE, "[soundstage.methods]\n" + points, monkeypatch)


def install(folder: Path, module: str, code: str, points: str, monkeypatch) -> None:
    """Put a module with entry points on the path, as pip does."""
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    meta = folder / f"{module}-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, module, raising=False)
    plugins.plugin_references.cache_clear()


@pytest.fixture(autouse=True)
def no_plug_ins_stay():
    yield
    plugins.plugin_references.cache_clear()


@pytest.mark.usefixtures("installed")
def test_plug_ins_of_installed_packages_are_methods() -> None:
    assert list(METHODS)[-2:] == ["good", "bad"]
    assert "own_package_of_a_test" not in sys.modules
    assert find_method("good").reference == "own_package_of_a_test:Wide"
    assert soundstage.upmix((MONO, RATE), method="good").channels == 2


@pytest.mark.usefixtures("installed")
def test_a_plug_in_that_fails_to_import_disturbs_nobody_else() -> None:
    assert load_method("comb").n_outputs == 1  # the one of the package
    assert METHODS["comb"].module == "comb"
    with pytest.raises(MethodError, match="no_such_package_at_all:Wide cannot be imported"):
        load_method("bad")


def test_a_registered_method_of_a_module_goes_to_workers_and_another_does_not(
    registered, tmp_path: Path
) -> None:
    registered("mine", wide)
    work = UpmixWork(method="mine")
    assert work.registered.__getstate__()["factory"] is wide
    METHODS.registered.clear()
    job = Job(tmp_path / "a.wav", "mine", (Take(0, tmp_path / "b.wav"),))
    soundfile.write(job.source, MONO, RATE)
    work.load()(job)  # as a worker does, where nothing is registered yet
    assert job.takes[0].target.exists()
    registered("local", lambda mono, rate: (mono, mono))
    with pytest.raises(MethodError, match="set `jobs` to 1"):
        UpmixWork(method="local").registered.__getstate__()


def test_the_plug_in_of_the_docs_works(tmp_path: Path, monkeypatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "own-methods.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n# my_method\.py\n(.*?)```", page, re.DOTALL)[1]
    group, points = re.search(r'entry-points\."(.*?)"\]\n(.*?)```', page, re.DOTALL).groups()
    install(tmp_path, "my_method", code, f"[{group}]\n" + points.replace('"', ""), monkeypatch)
    stereo = soundstage.upmix((MONO, RATE), method="wide", **AS_IT_IS).samples
    assert decibels((stereo[0] + stereo[1]) / 2 - MONO, MONO) < -140
    assert decibels(stereo[0] - stereo[1], MONO) > -20
