import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.spectra import SampleQueue


@given(
    pushed=st.lists(st.integers(0, 20), min_size=1, max_size=10),
    popped=st.lists(st.integers(0, 30), max_size=10),
)
def test_samples_come_out_in_the_order_they_went_in(pushed: list[int], popped: list[int]) -> None:
    queue, total = SampleQueue((2,)), sum(pushed)
    samples = torch.arange(2.0 * total).reshape(2, total)
    for block in samples.split(pushed, dim=-1):
        queue.push(block)
    taken = []
    for count in popped:
        taken.append(queue.pop(min(count, len(queue))))
        assert len(queue) == total - sum(block.shape[-1] for block in taken)
    taken.append(queue.pop(len(queue)))
    assert torch.equal(torch.cat(taken, dim=-1), samples)


def test_more_than_is_held_cannot_be_taken() -> None:
    queue = SampleQueue()
    queue.push(torch.zeros(3))
    with pytest.raises(ValueError, match="asked for 4 samples of 3"):
        queue.pop(4)
    assert len(queue) == 3


def test_a_queue_knows_its_shape_before_and_after_it_holds_anything() -> None:
    queue = SampleQueue((2,))
    assert queue.pop(0).shape == (2, 0)
    queue.push(torch.zeros(2, 3))
    queue.pop(3)
    assert queue.pop(0).shape == (2, 0)
    with pytest.raises(ValueError, match="of 0"):
        queue.pop(1)
