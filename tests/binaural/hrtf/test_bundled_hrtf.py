import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from soundstage.binaural import HrtfInterpolator, HrtfSet, equalized, list_hrtf_sets, load_hrtf
from soundstage.binaural.hrtf.bundled import FAMILY, read_bundled, write_bundled
from soundstage.binaural.hrtf.equalization import sphere_shares
from soundstage.binaural.hrtf.onsets import onset_delays
from soundstage.errors import InputError, WeightsError
from soundstage.weights import list_models
from soundstage.weights.cards import FOLDER
from soundstage.weights.model import save_weights
from spheres import directions, grid, sphere_head, write_sofa

sys.path.insert(0, str(Path(__file__).parents[3] / "recipes"))

import kemar

KEMAR = load_hrtf()
SIZE = 8192
FREQUENCIES = np.fft.rfftfreq(SIZE, 1 / KEMAR.rate)
POWER = np.abs(np.fft.rfft(KEMAR.responses.astype(float), SIZE)) ** 2
ONSETS = onset_delays(KEMAR.responses, KEMAR.rate) / KEMAR.rate
LEFT = KEMAR.nearest(directions(90, 0)[None])[0]
MIRRORED = KEMAR.nearest(KEMAR.directions * [1, -1, 1])


def level(power: np.ndarray, frequency: float) -> np.ndarray:
    """Of a third of an octave, in dB."""
    third = np.abs(np.log2(np.maximum(FREQUENCIES, 1) / frequency)) <= 1 / 6
    return 10 * np.log10(power[..., third].mean(axis=-1))


def test_the_bundled_set_is_complete() -> None:
    assert (len(KEMAR.directions), KEMAR.taps, KEMAR.rate) == (710, 256, 44_100)
    np.testing.assert_allclose(KEMAR.distances, 1.4, rtol=1e-6)
    assert "KEMAR" in KEMAR.name
    assert "Gardner and Martin" in KEMAR.license
    assert not KEMAR.delays.any()


def test_left_and_right_are_mirror_images() -> None:
    np.testing.assert_allclose(KEMAR.directions[MIRRORED], KEMAR.directions * [1, -1, 1], atol=1e-6)
    np.testing.assert_array_equal(KEMAR.responses[MIRRORED, ::-1], KEMAR.responses)


def test_both_ears_are_equal_in_the_median_plane() -> None:
    median = np.abs(KEMAR.directions[:, 1]) < 1e-6
    assert median.sum() > 20
    np.testing.assert_array_equal(KEMAR.responses[median, 0], KEMAR.responses[median, 1])


def test_itd_and_ild_of_a_lateral_source_are_plausible() -> None:
    assert 0.60e-3 < ONSETS[LEFT, 1] - ONSETS[LEFT, 0] < 0.75e-3
    difference = {each: np.subtract(*level(POWER[LEFT], each)) for each in (100, 500, 5000)}
    assert abs(difference[100]) < 1
    assert 3 < difference[500] < 8
    assert 10 < difference[5000] < 20


def test_itds_follow_woodworths_sphere() -> None:
    horizontal = np.abs(KEMAR.directions[:, 2]) < 1e-6
    angle = np.arcsin(KEMAR.directions[horizontal, 1].clip(-1, 1))
    woodworth = 0.0875 / 343 * (angle + np.sin(angle))
    found = np.subtract(*ONSETS[horizontal, ::-1].T)
    assert np.abs(found - woodworth).max() < 60e-6


def test_the_gain_is_one_at_low_frequencies() -> None:
    np.testing.assert_allclose(KEMAR.responses.sum(axis=-1), 1, atol=2e-3)
    assert np.abs(level(POWER, 50)).max() < 1  # dB


def test_the_diffuse_field_is_flat() -> None:
    mean = sphere_shares(KEMAR) @ POWER.mean(axis=1)
    levels = [level(mean, each) for each in 50 * 2 ** (np.arange(25) / 3)]  # to 12.8 kHz
    assert np.abs(levels).max() < 1  # dB


def test_measured_directions_return_the_measured_responses() -> None:
    interpolator = HrtfInterpolator(KEMAR)
    some = np.arange(0, len(KEMAR.directions), 7)
    found = interpolator.responses(KEMAR.directions[some])
    expected = np.pad(KEMAR.responses[some], ((0, 0), (0, 0), (0, interpolator.taps - KEMAR.taps)))
    assert ((found - expected) ** 2).sum() < 1e-12 * (expected**2).sum()


def test_each_set_has_a_card_that_matches_its_file() -> None:
    folder = FOLDER / "hrtf"
    assert {path.stem for path in folder.glob("*.json")} == set(list_hrtf_sets())
    content = (folder / "kemar.safetensors").read_bytes()
    card = json.loads((folder / "kemar.json").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["bytes"] == len(content) < 500_000
    assert (card["directions"], card["taps"], card["rate"]) == (710, 256, 44_100)
    assert {"paper", "credits", "license", "data", "derived", "limits"} <= set(card)
    assert card["storage_error_db"] < -70


def test_hrtf_sets_are_not_listed_as_models() -> None:
    assert not set(list_hrtf_sets()) & set(list_models())


def test_a_sofa_file_is_not_equalized(tmp_path: Path) -> None:
    mine = sphere_head(grid(45), taps=64)
    path = write_sofa(tmp_path / "mine.sofa", mine)
    for source in (path, str(path)):
        np.testing.assert_array_equal(load_hrtf(source).responses, mine.responses)
    with pytest.raises(InputError, match="file not found"):
        load_hrtf("none.sofa")


@pytest.mark.parametrize("name", ["nobody", "../autoregressive"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(WeightsError, match=r"kemar.*\.sofa"):
        load_hrtf(name)


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, HrtfSet]:
    hrtf = equalized(sphere_head(grid(30)), taps=64)
    hrtf = replace(hrtf, responses=symmetric(hrtf))
    path = tmp_path / "mine.safetensors"
    write_bundled(path, hrtf)
    path.with_suffix(".json").write_text(json.dumps({"title": "me", "license": "CC0"}))
    return path, hrtf


def symmetric(hrtf: HrtfSet) -> np.ndarray:
    mirrored = hrtf.nearest(hrtf.directions * [1, -1, 1])
    return 0.5 * (hrtf.responses + hrtf.responses[mirrored, ::-1])


def test_a_written_set_is_read_back(stored: tuple[Path, HrtfSet]) -> None:
    path, hrtf = stored
    found = read_bundled(path)
    assert (found.name, found.license, found.rate) == ("me", "CC0", hrtf.rate)
    np.testing.assert_allclose(found.responses, hrtf.responses, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.directions, hrtf.directions, atol=1e-7)
    np.testing.assert_allclose(found.distances, hrtf.distances)


def test_an_asymmetric_set_is_not_written(tmp_path: Path) -> None:
    hrtf = sphere_head(grid(30))
    uneven = replace(hrtf, responses=hrtf.responses * [[1.0], [1.1]])
    one_sided = sphere_head(directions(np.arange(0, 180, 20.0), np.zeros(9)))
    delayed = replace(hrtf, delays=hrtf.delays + 1)
    for wrong in (uneven, one_sided, delayed):
        with pytest.raises(ValueError, match="mirror"):
            write_bundled(tmp_path / "wrong.safetensors", wrong)


def valid_tensors() -> dict[str, torch.Tensor]:
    hrtf = sphere_head(grid(45), taps=64)
    return {
        "responses": torch.tensor(hrtf.responses[:, 0]).half(),
        "directions": torch.tensor(hrtf.directions).float(),
        "distances": torch.tensor(hrtf.distances).float(),
        "rate": torch.tensor([hrtf.rate], dtype=torch.int32),
    }


def with_nan(tensor: torch.Tensor) -> torch.Tensor:
    changed = tensor.clone()
    changed[0] = float("nan")
    return changed


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("responses", with_nan),
        ("responses", lambda tensor: tensor.float()),
        ("responses", lambda tensor: tensor[:-1]),
        ("responses", lambda tensor: 0 * tensor),
        ("responses", lambda tensor: torch.ones(len(tensor), 5000).half()),
        ("directions", lambda tensor: 2 * tensor),
        ("directions", lambda tensor: torch.nn.functional.normalize(tensor + 0.1)),
        ("distances", lambda tensor: 1e9 * tensor),
        ("rate", lambda tensor: 0 * tensor),
    ],
)
def test_an_invalid_file_is_refused(tmp_path: Path, name: str, change) -> None:
    path = tmp_path / "wrong.safetensors"
    path.with_suffix(".json").write_text('{"title": "me", "license": "CC0"}')
    save_weights(path, FAMILY, valid_tensors())
    read_bundled(path)
    save_weights(path, FAMILY, valid_tensors() | {name: change(valid_tensors()[name]).contiguous()})
    with pytest.raises(WeightsError, match=str(path)):
        read_bundled(path)


@pytest.mark.parametrize("card", [None, "", "{}", "\ud800"])
def test_a_missing_or_damaged_card_is_refused(tmp_path: Path, card: str | None) -> None:
    path = tmp_path / "wrong.safetensors"
    save_weights(path, FAMILY, valid_tensors())
    if card is not None:
        path.with_suffix(".json").write_bytes(card.encode(errors="surrogatepass"))
    with pytest.raises(WeightsError, match="card"):
        read_bundled(path)


def test_weights_of_another_family_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    save_weights(path, "nearest", valid_tensors())
    with pytest.raises(WeightsError, match="nearest"):
        read_bundled(path)


def test_the_recipe_derives_a_set_and_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hrtf = sphere_head(grid(30))
    sofa = write_sofa(tmp_path / "mine.sofa", replace(hrtf, responses=symmetric(hrtf)))
    output = tmp_path / "out.safetensors"
    monkeypatch.setattr(sys, "argv", ["kemar.py", str(sofa), "--output", str(output)])
    kemar.main()
    card = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert card == json.loads(capsys.readouterr().out)
    assert card["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    found = read_bundled(output)
    expected = equalized(replace(hrtf, responses=symmetric(hrtf))).responses
    assert ((found.responses - expected) ** 2).sum() < 10**-6.5 * (expected**2).sum()
