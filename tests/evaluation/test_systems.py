"""Methods and baselines as systems of an evaluation."""

from dataclasses import replace

import pytest
import torch

from sounds import RATE, stereo_scene
from soundstage.errors import OptionError, WeightsError
from soundstage.evaluation import systems
from soundstage.evaluation.own_systems import find_systems
from soundstage.evaluation.results import TRUTH
from soundstage.evaluation.systems import BASELINES, System
from soundstage.metrics import fold_down_error, normalized_width
from soundstage.networks.models.stereo_diffusion import StereoDiffusionConfig
from soundstage.stereo import to_mid_side
from soundstage.upmixing import READY_METHODS
from soundstage.upmixing.methods import masked as masked_method
from soundstage.weights.model import save_model
from tiny import save_regression

SCENE = stereo_scene(3 * RATE)
MID = to_mid_side(*SCENE)[0]


@pytest.mark.parametrize("name", [TRUTH, *BASELINES, "comb", "masked", "diffusion"])
def test_every_system_is_deterministic_and_keeps_the_length(name: str) -> None:
    made = System(name).upmix(MID, SCENE, seed=0)
    assert made.shape == SCENE.shape
    assert made.isfinite().all()
    assert torch.equal(made, System(name).upmix(MID, SCENE, seed=0))


@pytest.mark.parametrize("name", [TRUTH, "mono", "coder", "nearest", "masked"])
def test_systems_with_an_exact_mid_fold_down_to_the_mono(name: str) -> None:
    assert fold_down_error(System(name).upmix(MID, SCENE, seed=0), MID) < -120


def test_mono_has_no_width_and_the_truth_its_own() -> None:
    assert normalized_width(System("mono").upmix(MID, None, seed=0)) == 0
    assert torch.equal(System(TRUTH).upmix(MID, SCENE, seed=0), SCENE)


@pytest.mark.parametrize("name", ["ffmpeg-haas", "nearest"])
def test_methods_and_filters_need_no_truth(name: str) -> None:
    assert normalized_width(System(name).upmix(MID, None, seed=0)) > 0.05


def test_only_methods_have_takes_and_a_seed_gives_another_one() -> None:
    assert not System("coder").has_takes
    nearest = System("nearest")
    assert nearest.has_takes
    assert not torch.equal(nearest.upmix(MID, None, seed=1), nearest.upmix(MID, None, seed=2))


@pytest.mark.parametrize("name", ["masked", "placed", "ambisonic"])
def test_generative_methods_have_another_seed_for_each_clip(name: str) -> None:
    system = System(name)
    seeds = {system.seed(clip, seed) for clip in ("a", "b") for seed in (0, 1)}
    assert len(seeds) == 4
    assert 0 not in seeds  # the most likely style
    assert system.seed("a", 0) == system.seed("a", 0)


def test_methods_that_draw_nothing_for_a_song_have_one_seed_for_all_clips() -> None:
    assert System("nearest").seed("a", 3) == System("mono").seed("b", 3) == 3


def test_the_fingerprint_depends_on_method_and_weights() -> None:
    assert System("nearest").fingerprint() != System("comb").fingerprint()
    assert System("decorrelate").fingerprint().split()[1] == System("comb").fingerprint().split()[1]


def test_the_fingerprint_depends_on_the_weights_of_the_separator(monkeypatch) -> None:
    one, other = (
        replace(READY_METHODS["decorrelate"], separator=name) for name in ("hpss", "nearest")
    )
    monkeypatch.setitem(systems.READY_METHODS, "decorrelate", one)
    without = System("decorrelate").fingerprint()
    monkeypatch.setitem(systems.READY_METHODS, "decorrelate", other)
    assert System("decorrelate").fingerprint() != without
    assert System("decorrelate").fingerprint().startswith(without)


def test_a_method_that_places_sources_has_other_seeds_for_other_clips(monkeypatch) -> None:
    placing = replace(READY_METHODS["decorrelate"], separator="hpss")
    monkeypatch.setitem(systems.READY_METHODS, "decorrelate", placing)
    assert System("decorrelate").seed("a", 0) != System("decorrelate").seed("b", 0)


def test_the_fingerprint_of_a_generative_method_depends_on_its_settings(monkeypatch) -> None:
    before = System("masked").fingerprint()
    changed = replace(masked_method.SETTINGS, temperature=0.9)
    monkeypatch.setattr(masked_method, "SETTINGS", changed)
    assert System("masked").fingerprint() != before


def test_truth_and_mono_are_always_first() -> None:
    names = [system.name for system in find_systems(("comb", "coder"), reference_free=False)]
    assert names == [TRUTH, "mono", "coder", "comb"]


def test_systems_that_require_truth_are_omitted_or_refused_without_it() -> None:
    names = [system.name for system in find_systems(("comb",), reference_free=True)]
    assert names == ["mono", "comb"]
    with pytest.raises(OptionError, match="coder requires true stereo"):
        find_systems(("coder",), reference_free=True)


def test_an_unknown_system_is_refused_with_the_known_names() -> None:
    with pytest.raises(OptionError, match=r"Unknown system 'psx'; choose from mono, .*nearest"):
        find_systems(("psx",), reference_free=False)


@pytest.fixture
def own(tmp_path) -> dict[str, str]:
    """Files of weights by method."""
    save_regression(tmp_path / "mine.safetensors")
    torch.manual_seed(0)
    config = StereoDiffusionConfig(
        depth=1, dim=24, heads=2, mlp_ratio=2, patch_size=(1, 3), context_frames=40,
        diffusion_steps=60, attention="axial",
    )  # fmt: skip
    save_model(tmp_path / "diffstereo.safetensors", config, config.build().state_dict())
    return {
        "regression": str(tmp_path / "mine.safetensors"),
        "diffstereo": str(tmp_path / "diffstereo.safetensors"),
    }


def test_own_weights_make_a_system_named_after_their_file(own) -> None:
    names = ("regression", f"regression={own['regression']}", f"diffstereo={own['diffstereo']}")
    systems = find_systems(names, reference_free=False)
    assert [each.name for each in systems] == [TRUTH, "mono", "regression", "mine", "diffstereo"]
    pretrained, mine, diffstereo = systems[2:]
    assert len({each.fingerprint() for each in systems}) == 5
    assert mine.has_takes
    assert not diffstereo.has_takes
    assert diffstereo.seed("a", 0) != diffstereo.seed("b", 0)
    made = [each.upmix(MID, None, seed=1) for each in (pretrained, mine)]
    assert not torch.equal(*made)
    assert fold_down_error(made[1], MID) < -120


def test_a_method_with_another_rate_is_resampled(own) -> None:
    system = find_systems((f"diffstereo={own['diffstereo']}",), reference_free=False)[-1]
    made = system.upmix(MID[:RATE], None, seed=1)
    assert made.shape == (2, RATE)
    assert made.isfinite().all()


def test_duplicate_names_and_missing_files_are_refused(own) -> None:
    twice = (f"regression={own['regression']}",) * 2
    with pytest.raises(OptionError, match="another system 'mine'; rename the file"):
        find_systems(twice, reference_free=False)
    with pytest.raises(WeightsError, match="no weights"):
        find_systems(("masked=nothing.safetensors",), reference_free=False)
    with pytest.raises(OptionError, match="There is no method 'psx'"):
        find_systems((f"psx={own['regression']}",), reference_free=False)
