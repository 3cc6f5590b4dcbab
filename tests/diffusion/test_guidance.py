import pytest
import torch

from gaussians import drawn
from soundstage.diffusion import Denoiser, FlowSchedule, Parametrization
from soundstage.diffusion.guidance import CFGDenoiser

TEXT, EMPTY = drawn(3, 4), drawn(1, 4, seed=1)
MID = drawn(3, 4, seed=2)


class Model:
    """Says something of all it hears, and counts."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, state, times, *, text, mid):
        self.batches.append(len(state))
        return torch.tanh(state * text + mid - times[:, None])


def denoiser(kind=Parametrization.V, text=TEXT, at_once=None) -> Denoiser:
    return Denoiser(Model(), kind, FlowSchedule(), {"text": text, "mid": MID}, at_once)


def guided(scale: float, rescale: float = 0.0, **more) -> CFGDenoiser:
    return CFGDenoiser(denoiser(**more), {"text": EMPTY}, scale, rescale)


def test_a_scale_of_one_is_no_guidance_and_asks_no_more() -> None:
    plain = denoiser()
    made = CFGDenoiser(plain, {"text": EMPTY}, 1.0)(drawn(3, 4), 0.4)
    assert torch.equal(made, plain(drawn(3, 4), 0.4))
    assert plain.model.batches == [3, 3]


def test_a_scale_of_zero_ignores_the_condition() -> None:
    made = guided(0.0)(drawn(3, 4), 0.4)
    torch.testing.assert_close(made, denoiser(text=EMPTY.expand(3, 4))(drawn(3, 4), 0.4))


def test_both_come_from_one_batch() -> None:
    each = denoiser()
    CFGDenoiser(each, {"text": EMPTY}, 3.0)(drawn(3, 4), 0.4)
    assert each.model.batches == [6]


def test_the_limit_on_examples_at_once_holds_under_guidance() -> None:
    each = denoiser(at_once=4)
    made = CFGDenoiser(each, {"text": EMPTY}, 3.0)(drawn(3, 4), 0.4)
    assert each.model.batches == [4, 2]
    torch.testing.assert_close(made, guided(3.0)(drawn(3, 4), 0.4))


@pytest.mark.parametrize("kind", list(Parametrization))
def test_guidance_is_the_same_in_terms_of_what_the_model_says(kind: Parametrization) -> None:
    state, time, scale = drawn(3, 4), 0.4, 2.5
    times = torch.full((3,), time)
    told = Model()(state, times, text=TEXT, mid=MID)
    untold = Model()(state, times, text=EMPTY, mid=MID)
    wanted = kind.clean(state, untold + scale * (told - untold), 1 - time, time)
    made = guided(scale, kind=kind)(state, time)
    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-5)


def test_a_full_rescale_gives_every_example_the_deviation_it_had() -> None:
    state = drawn(3, 4)
    made, plain, bare = (
        guided(5.0, 1.0)(state, 0.4),
        denoiser()(state, 0.4),
        guided(5.0)(state, 0.4),
    )
    torch.testing.assert_close(made.std(dim=1), plain.std(dim=1))
    torch.testing.assert_close(made / bare, (made / bare)[:, :1].expand(3, 4))


def test_a_partial_rescale_lies_between() -> None:
    state = drawn(3, 4)
    ends = [guided(5.0, rescale)(state, 0.4) for rescale in (0.0, 1.0)]
    torch.testing.assert_close(guided(5.0, 0.7)(state, 0.4), torch.lerp(*ends, 0.7))


def test_the_schedule_is_that_of_the_denoiser() -> None:
    each = denoiser()
    assert CFGDenoiser(each, {}, 2.0).schedule is each.schedule


@pytest.mark.parametrize("rescale", [-0.1, 1.1])
def test_a_rescale_out_of_its_range_is_refused(rescale: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        guided(2.0, rescale)


def test_a_name_that_the_condition_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="no txt"):
        CFGDenoiser(denoiser(), {"txt": EMPTY}, 2.0)
