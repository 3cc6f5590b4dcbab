import math
from contextlib import suppress
from dataclasses import asdict, astuple, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from soundstage.binaural.render.neural_weights import (
    STEPS,
    BinauralWaveNetConfig,
    Calibration,
    GradShape,
    LoadedNetwork,
    Shape,
    WarpNetShape,
    load_network,
    network_tensors,
)
from soundstage.networks.models.binaural_grad_frames import BinauralGradFrames

from soundstage.diffusion import Parametrization
from soundstage.errors import WeightsError
from soundstage.networks.models.binaural_grad import BinauralGrad, Stage, StepEmbedding
from soundstage.weights.model import save_weights

CALIBRATION = Calibration(scale=12.5, loudness=0.4, nearest=0.3, farthest=2.5)
WAVENET = BinauralWaveNetConfig(view=0, blocks=1, layers=2, channels=4, kernel=2)
WARPNET = WarpNetShape(
    view=1, blocks=1, layers=2, channels=4, kernel=2, rank=2, warp_layers=1, warp_channels=4
)
FRAMES = GradShape(
    view=1, blocks=1, layers=2, channels=4, kernel=3, stage=1, frame=16, separable=1, condition=4,
    taps=5, rank=2, step=8, flow=1,
)  # fmt: skip
PAPER = replace(FRAMES, view=0, stage=0, frame=0, separable=0, taps=0, rank=0, flow=0)
SHAPES: list[Shape] = [WAVENET, WARPNET, FRAMES, PAPER]


def load(path: Path, shape: Shape) -> LoadedNetwork[Any]:
    return load_network(str(path), type(shape))


def state_of(shape: Shape) -> dict[str, torch.Tensor]:
    """Of a network that makes some sound, before training too."""
    torch.manual_seed(0)
    return {
        name: value + 0.1 * torch.randn_like(value)
        for name, value in shape.network().state_dict().items()
    }


def tensors(shape: Shape) -> dict[str, torch.Tensor]:
    return network_tensors(shape, CALIBRATION, state_of(shape))


def write(path: Path, shape: Shape, /, **changes: torch.Tensor) -> Path:
    save_weights(path, shape.family, {**tensors(shape), **changes})
    return path


def numbers(shape: Shape) -> torch.Tensor:
    return torch.tensor(astuple(shape), dtype=torch.int64)


def calibrated(**changes: float) -> torch.Tensor:
    return torch.tensor(list({**asdict(CALIBRATION), **changes}.values()), dtype=torch.float64)


def refused(path: Path, shape: Shape, says: str) -> None:
    with pytest.raises(WeightsError, match=says) as caught:
        load(path, shape)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert path.name in message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own.safetensors"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.family}-{shape.view}")
def test_what_was_saved_is_loaded(path: Path, shape: Shape) -> None:
    found = load(write(path, shape), shape)
    assert found.shape == shape
    assert found.calibration == CALIBRATION
    wanted = state_of(shape)
    assert {*found.network.state_dict()} == {*wanted}
    for name, value in found.network.state_dict().items():
        assert value.dtype == torch.float32
        if not name.endswith(".step.weight"):  # which are stored as factors
            assert torch.equal(value, wanted[name].half().float())


@pytest.mark.parametrize("shape", [FRAMES, PAPER])
def test_layers_are_told_the_step_as_before_by_factors(path: Path, shape: GradShape) -> None:
    stored = tensors(shape)
    found = load(write(path, shape), shape).network.state_dict()
    names = [name for name in found if name.endswith(".step.weight")]
    assert names == [f"stack.layers.{layer}.step.weight" for layer in range(shape.layers)]
    assert not {*names} & {*stored}
    encoding = StepEmbedding(shape.step)
    encoding.load_state_dict({name: found[f"step.{name}"] for name in encoding.state_dict()})
    steps = encoding(torch.linspace(0, STEPS, 77)).detach()
    for name in names:
        wanted = steps @ state_of(shape)[name].T
        error = steps @ found[name].T - wanted
        assert float(error.square().mean()) < 3e-4 * float(wanted.square().mean())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.family}-{shape.view}")
def test_a_loaded_network_is_ready_to_be_run(path: Path, shape: Shape) -> None:
    network = load(write(path, shape), shape).network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    stage = shape.of_stage if isinstance(shape, GradShape) else Stage.SINGLE
    mono, view = torch.randn(1, 800), torch.randn(1, shape.numbers, 3)
    noisy, signals = torch.randn(1, stage.channels, 800), torch.randn(1, stage.signals, 800)
    told = {
        "wavenet": [mono, view],
        "warpnet": [mono, view, torch.full((1, 2, 800), 20.0)],
        "binauralgrad": [noisy, torch.ones(1), signals, view],
    }
    made = network(*told[shape.family])
    assert made.shape == (1, stage.channels, 800)
    assert bool(made.isfinite().all())
    assert bool(made.any())


@pytest.mark.parametrize("kind", [BinauralWaveNetConfig, WarpNetShape, GradShape])
def test_every_number_of_a_shape_has_a_least_and_a_most(kind: type[Shape]) -> None:
    assert len(kind.least) == len(kind.most) == len(fields(kind))
    assert all(low < high for low, high in zip(kind.least, kind.most, strict=True))


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        (WAVENET, {"view": 2}),
        (WAVENET, {"view": -1}),
        (WAVENET, {"view": 1}),  # its pose has more numbers than the tensors have
        (WAVENET, {"blocks": 0}),
        (WAVENET, {"blocks": 2}),
        (WAVENET, {"layers": 17}),
        (WAVENET, {"layers": 1 << 40}),
        (WAVENET, {"channels": 1 << 62}),
        (WAVENET, {"kernel": 10}),
        (WARPNET, {"rank": 0}),
        (WARPNET, {"rank": 1024}),
        (WARPNET, {"warp_layers": 17}),
        (WARPNET, {"warp_channels": 1 << 40}),
        (FRAMES, {"blocks": 4, "layers": 16, "channels": 1024, "kernel": 9, "taps": 1025}),
        (FRAMES, {"kernel": 2}),
        (FRAMES, {"stage": 3}),
        (FRAMES, {"stage": 0}),
        (FRAMES, {"frame": 15}),
        (FRAMES, {"frame": 1 << 40}),
        (FRAMES, {"frame": 0}),
        (FRAMES, {"separable": 2}),
        (FRAMES, {"separable": 0}),
        (FRAMES, {"condition": 0}),
        (FRAMES, {"taps": 4}),
        (FRAMES, {"taps": 0}),
        (FRAMES, {"rank": 0}),
        (FRAMES, {"rank": -1}),
        (FRAMES, {"step": 0}),
        (FRAMES, {"step": 7}),
        (FRAMES, {"flow": 2}),
        (PAPER, {"kernel": 2}),
        (PAPER, {"frame": 16}),
        (PAPER, {"step": 9}),
    ],
)
def test_shapes_that_the_tensors_do_not_have_are_refused(
    path: Path, shape: Shape, changes: dict[str, int]
) -> None:
    claimed = type(shape)(**{**asdict(shape), **changes})
    write(path, shape, shape=numbers(claimed))
    refused(path, shape, "own")


def test_a_step_of_an_odd_number_of_waves_is_refused_though_its_tensors_are_there(
    path: Path,
) -> None:
    odd = torch.zeros(512, 9, dtype=torch.float16)
    name = "step.layers.0.weight"
    assert name in tensors(FRAMES)
    write(path, FRAMES, shape=numbers(replace(FRAMES, step=9)), **{name: odd})
    refused(path, FRAMES, "even number")


@st.composite
def claims(draw: st.DrawFn, kind: type[Shape]) -> list[int]:
    return [
        draw(st.integers(low, high) | st.sampled_from([low - 1, low, low + 1, high, high + 1]))
        for low, high in zip(kind.least, kind.most, strict=True)
    ]


@pytest.mark.parametrize("shape", [WAVENET, WARPNET, FRAMES])
@given(data=st.data())
def test_whatever_a_file_claims_is_a_network_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, shape: Shape, data: st.DataObject
) -> None:
    claimed = torch.tensor(data.draw(claims(type(shape))))
    path = write(tmp_path_factory.mktemp("own") / "own.safetensors", shape, shape=claimed)
    with suppress(WeightsError):
        assert numbers(load(path, shape).shape).tolist() == claimed.tolist()


@pytest.mark.parametrize(
    "wrong",
    [
        numbers(FRAMES)[:-1],
        torch.cat([numbers(FRAMES), torch.zeros(1, dtype=torch.int64)]),
        numbers(FRAMES)[None],
        numbers(FRAMES).float(),
        numbers(FRAMES).int(),
        numbers(WARPNET),
    ],
)
def test_a_shape_of_other_numbers_is_refused(path: Path, wrong: torch.Tensor) -> None:
    refused(write(path, FRAMES, shape=wrong), FRAMES, "shape")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scale": math.nan}, "no number"),
        ({"scale": math.inf}, "no number"),
        ({"scale": 0.0}, "scale"),
        ({"scale": -1.0}, "scale"),
        ({"scale": 1e9}, "scale"),
        ({"loudness": 0.0}, "loudness"),
        ({"loudness": 1e-9}, "loudness"),
        ({"nearest": 0.05}, "0.05 to 2.5 m"),
        ({"nearest": 3.0}, "3 to 2.5 m"),
        ({"farthest": 2000.0}, "0.3 to 2000 m"),
        ({"nearest": -0.3}, "nearest"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(
    path: Path, changes: dict[str, float], says: str
) -> None:
    refused(write(path, WAVENET, calibration=calibrated(**changes)), WAVENET, says)


@pytest.mark.parametrize("wrong", [calibrated()[:-1], calibrated().float(), calibrated()[None]])
def test_a_calibration_of_other_numbers_is_refused(path: Path, wrong: torch.Tensor) -> None:
    refused(write(path, WAVENET, calibration=wrong), WAVENET, "calibration")


def test_a_network_may_have_learned_from_one_distance_alone(path: Path) -> None:
    one = calibrated(nearest=1.0, farthest=1.0)
    found = load(write(path, WAVENET, calibration=one), WAVENET).calibration
    assert found.held(np.array([[0.2, 0.0, 0.0], [0.0, 9.0, 0.0]])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(4, 1, 1),
        torch.zeros(4, 1, 2, dtype=torch.float16),
        torch.full((4, 1, 1), math.nan, dtype=torch.float16),
        torch.full((4, 1, 1), math.inf, dtype=torch.float16),
    ],
)
def test_tensors_that_do_not_fit_are_refused(path: Path, wrong: torch.Tensor) -> None:
    refused(write(path, WAVENET, **{"first.weight": wrong}), WAVENET, r"first\.weight")


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(48, 511, dtype=torch.float16),
        torch.zeros(47, 512, dtype=torch.float16),
        torch.full((48, 512), math.nan, dtype=torch.float16),
        torch.zeros(48, 512, 1, dtype=torch.float16),
    ],
)
def test_factors_that_do_not_fit_are_refused(path: Path, wrong: torch.Tensor) -> None:
    refused(write(path, FRAMES, right=wrong), FRAMES, r"step\.weight")


@pytest.mark.parametrize("name", ["shape", "calibration", "first.weight", "last.bias"])
def test_a_missing_tensor_is_named(path: Path, name: str) -> None:
    kept = {each: value for each, value in tensors(WAVENET).items() if each != name}
    save_weights(path, "wavenet", kept)
    refused(path, WAVENET, f"no tensor '{name}'")


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_of_another_family_are_refused(path: Path, shape: Shape) -> None:
    save_weights(path, "regression", tensors(shape))
    refused(path, shape, "not weights for")


@pytest.mark.parametrize("length", [0, 7, 300, -1])
def test_a_file_that_ends_early_is_refused(path: Path, length: int) -> None:
    write(path, WAVENET)
    path.write_bytes(path.read_bytes()[:length])
    refused(path, WAVENET, "cannot be read")


def test_missing_weights_are_refused(path: Path) -> None:
    refused(path, WAVENET, "no weights")


def test_positions_are_held_to_the_distances_that_were_learned_from() -> None:
    places = np.array([[[0.1, 0, 0], [0, 0.3, 0.4]], [[0, -2.5, 0], [30, 0, 40]]])
    np.testing.assert_allclose(CALIBRATION.held(places), [[0.3, 0.5], [2.5, 2.5]])


def test_our_view_goes_with_the_law_of_distance_and_the_published_one_without() -> None:
    assert (WAVENET.view_name, WAVENET.leveled, WAVENET.numbers) == ("published", False, 7)
    assert (WARPNET.view_name, WARPNET.leveled, WARPNET.numbers) == ("directions", True, 10)


def test_a_network_of_frames_tells_clean_sound_and_the_paper_s_the_noise() -> None:
    assert isinstance(FRAMES.network(), BinauralGradFrames)
    assert isinstance(PAPER.network(), BinauralGrad)
    assert FRAMES.parametrization() is Parametrization.CLEAN
    assert PAPER.parametrization() is Parametrization.NOISE
    assert (FRAMES.of_stage, PAPER.of_stage) == (Stage.SPECIFIC, Stage.COMMON)


@pytest.mark.parametrize("shape", [FRAMES, PAPER])
def test_either_network_is_told_times_up_to_the_steps_of_the_paper(shape: GradShape) -> None:
    assert shape.schedule().end * shape.time_factor == STEPS
