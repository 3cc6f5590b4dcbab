import pytest
import torch

from soundstage.spectra import STFT
from soundstage.spectra.cached_tensors import cached_tensor
from soundstage.spectra.dual_spectra import log_mel, spectrogram


def test_a_constant_that_inference_asked_for_first_serves_training() -> None:
    @cached_tensor
    def doubled(value: float) -> torch.Tensor:
        return torch.tensor([2 * value])

    with torch.inference_mode():
        first = doubled(3.0)
    factor = torch.ones(1, requires_grad=True)
    (factor * doubled(3.0)).sum().backward()
    assert first is doubled(3.0)
    assert factor.grad is not None
    assert factor.grad.item() == 6.0


@pytest.mark.parametrize("of_sound", [STFT(28, 7).analyze, lambda x: log_mel(spectrogram(x))])
def test_a_spectrum_can_be_learned_from_after_it_was_used_for_inference(of_sound) -> None:
    sound = torch.linspace(-1, 1, 4000)
    with torch.inference_mode():
        expected = of_sound(sound).abs()
    learned = of_sound(sound.requires_grad_()).abs()
    learned.sum().backward()
    assert sound.grad is not None
    assert sound.grad.isfinite().all()
    torch.testing.assert_close(learned.detach(), expected)
