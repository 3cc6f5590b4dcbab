"""What is compared: our methods and the baselines."""

from dataclasses import replace

import pytest
import torch
from soundstage.upmixing.diffstereo_weights import DiffStereoConfig, network_tensors

from sounds import RATE, stereo_scene
from soundstage.errors import OptionError, WeightsError
from soundstage.evaluation.results import TRUTH
from soundstage.evaluation.systems import BASELINES, System, find_systems
from soundstage.metrics import fold_down_error, normalized_width
from soundstage.stereo import to_mid_side
from soundstage.upmixing import READY_METHODS
from soundstage.upmixing.methods.masked import MaskedDecoding
from soundstage.weights.model import save_weights
from tiny import regression_tensors

SCENE = stereo_scene(3 * RATE)
MID = to_mid_side(*SCENE)[0]


@pytest.mark.parametrize("name", [TRUTH, *BASELINES, *READY_METHODS])
def test_every_system_makes_stereo_of_the_length_of_the_mono(name: str) -> None:
    made = System(name).make(MID, SCENE, seed=0)
    assert made.shape == SCENE.shape
    assert made.isfinite().all()
    assert torch.equal(made, System(name).make(MID, SCENE, seed=0))


@pytest.mark.parametrize("name", [TRUTH, "mono", "coder", *READY_METHODS])
def test_what_is_made_by_mid_and_side_folds_down_to_the_mono(name: str) -> None:
    assert fold_down_error(System(name).make(MID, SCENE, seed=0), MID) < -120


def test_mono_has_no_width_and_the_truth_its_own() -> None:
    assert normalized_width(System("mono").make(MID, None, seed=0)) == 0
    assert torch.equal(System(TRUTH).make(MID, SCENE, seed=0), SCENE)


@pytest.mark.parametrize("name", ["ffmpeg-haas", "ffmpeg-adecorrelate", *READY_METHODS])
def test_baselines_and_methods_need_no_truth(name: str) -> None:
    assert normalized_width(System(name).make(MID, None, seed=0)) > 0.05


def test_only_methods_have_takes_and_a_seed_gives_another_one() -> None:
    assert not System("coder").has_takes
    nearest = System("nearest")
    assert nearest.has_takes
    assert not torch.equal(nearest.make(MID, None, seed=1), nearest.make(MID, None, seed=2))


def test_every_clip_has_a_draw_of_its_own_where_a_method_draws() -> None:
    masked = System("masked")
    seeds = {masked.seed(clip, seed) for clip in ("a", "b") for seed in (0, 1)}
    assert len(seeds) == 4
    assert 0 not in seeds  # whose take is no draw but the likeliest
    assert masked.seed("a", 0) == masked.seed("a", 0)
    assert System("nearest").seed("a", 3) == System("mono").seed("b", 3) == 3


def test_the_fingerprint_of_a_method_is_that_of_its_weights() -> None:
    assert System("nearest").fingerprint() != System("comb").fingerprint()
    assert System("decorrelate").fingerprint().split()[1] == System("comb").fingerprint().split()[1]


def test_the_fingerprint_of_a_method_that_draws_changes_with_its_settings(monkeypatch) -> None:
    before = System("masked").fingerprint()
    other = replace(READY_METHODS["masked"], settings=MaskedDecoding(temperature=0.9))
    monkeypatch.setitem(READY_METHODS, "masked", other)
    assert System("masked").fingerprint() != before


def test_truth_and_mono_are_always_there_and_first() -> None:
    names = [system.name for system in find_systems(("comb", "coder"), reference_free=False)]
    assert names == [TRUTH, "mono", "coder", "comb"]


def test_without_a_reference_what_needs_one_is_left_out_or_refused() -> None:
    names = [system.name for system in find_systems(("comb",), reference_free=True)]
    assert names == ["mono", "comb"]
    with pytest.raises(OptionError, match="coder needs true stereo"):
        find_systems(("coder",), reference_free=True)


def test_an_unknown_name_is_one_sentence_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"no system 'psx'; choose among mono, .*nearest"):
        find_systems(("psx",), reference_free=False)


@pytest.fixture
def own(tmp_path) -> dict[str, str]:
    """Files of weights by method."""
    save_weights(tmp_path / "mine.safetensors", "regression", regression_tensors())
    shape = DiffStereoConfig(
        blocks=1, width=24, heads=2, expansion=2, patch_frames=1, patch_bins=3, frames=40,
        steps=60, axial=1,
    )  # fmt: skip
    tensors = network_tensors(shape, shape.network().state_dict())
    save_weights(tmp_path / "diffstereo.safetensors", "diffstereo", tensors)
    return {
        "regression": str(tmp_path / "mine.safetensors"),
        "diffstereo": str(tmp_path / "diffstereo.safetensors"),
    }


def test_weights_of_ones_own_make_a_system_with_the_name_of_their_file(own) -> None:
    asked = ("regression", f"regression={own['regression']}", f"diffstereo={own['diffstereo']}")
    systems = find_systems(asked, reference_free=False)
    assert [each.name for each in systems] == [TRUTH, "mono", "regression", "mine", "diffstereo"]
    shipped, mine, diffstereo = systems[2:]
    assert len({each.fingerprint() for each in systems}) == 5
    assert mine.has_takes
    assert not diffstereo.has_takes
    assert diffstereo.seed("a", 0) != diffstereo.seed("b", 0)
    made = [each.make(MID, None, seed=1) for each in (shipped, mine)]
    assert not torch.equal(*made)
    assert fold_down_error(made[1], MID) < -120


def test_a_method_at_another_rate_is_brought_to_that_of_the_clips(own) -> None:
    system = find_systems((f"diffstereo={own['diffstereo']}",), reference_free=False)[-1]
    made = system.make(MID[:RATE], None, seed=1)
    assert made.shape == (2, RATE)
    assert made.isfinite().all()


def test_a_name_that_is_taken_and_a_file_that_is_not_there_are_refused(own) -> None:
    twice = (f"regression={own['regression']}",) * 2
    with pytest.raises(OptionError, match="a system 'mine' already; rename the file"):
        find_systems(twice, reference_free=False)
    with pytest.raises(WeightsError, match="no weights"):
        find_systems(("masked=nothing.safetensors",), reference_free=False)
    with pytest.raises(OptionError, match="There is no method 'psx'"):
        find_systems((f"psx={own['regression']}",), reference_free=False)
