import numpy as np
import pytest
from scipy.signal import fftconvolve

from sounds import noise
from soundstage.binaural.render.partitioned_convolver import FixedFilter

BLOCK = 64


@pytest.mark.parametrize("taps", [1, 2, 63, 64, 65, 128, 500])
def test_it_is_a_convolution(taps: int) -> None:
    sound = noise(20 * BLOCK, seed=1).numpy()
    response = noise(2 * taps, seed=2, level=1.0).numpy().reshape(2, taps)
    made = FixedFilter(response, BLOCK)
    found = np.concatenate([made.push(block) for block in sound.reshape(-1, BLOCK)], axis=-1)
    wanted = fftconvolve(sound[None].astype(float), response.astype(float), axes=-1)
    np.testing.assert_allclose(found, wanted[:, : sound.size], atol=1e-5 * np.sqrt(taps))
