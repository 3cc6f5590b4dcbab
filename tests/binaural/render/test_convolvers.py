import numpy as np
import pytest
from scipy.signal import fftconvolve

from sounds import noise
from soundstage.binaural.render.convolvers import CrossfadeConvolver, PartitionedConvolver

BLOCK, TAPS, BLOCKS = 32, 21, 10
SOUND = noise(2 * BLOCK * BLOCKS, seed=1).numpy().reshape(2, -1)
FILTERS = noise((BLOCKS + 1) * 2 * TAPS, seed=2).numpy().reshape(BLOCKS + 1, 2, TAPS)


def crossfaded(filters: np.ndarray, per_push: int = BLOCKS) -> np.ndarray:
    convolver, parts = CrossfadeConvolver(2, TAPS, BLOCK), []
    spectra = convolver.filter_spectra(filters)
    for start in range(0, BLOCKS, per_push):
        blocks = convolver.block_spectra(SOUND[:, start * BLOCK : (start + per_push) * BLOCK])
        now = slice(start, start + per_push)
        later = slice(start + 1, start + per_push + 1)
        parts.append(convolver.crossfade(blocks * spectra[now], blocks * spectra[later]))
    return np.concatenate(parts, axis=-1)


def convolved(filters: np.ndarray, block: int) -> np.ndarray:
    """One block of the sound, with one filter for each ear."""
    whole = [np.convolve(*pair) for pair in zip(SOUND, filters, strict=True)]
    return np.stack(whole)[:, block * BLOCK : (block + 1) * BLOCK]


def test_a_block_fades_linearly_from_one_convolution_to_the_next() -> None:
    rise = (np.arange(BLOCK) + 1) / BLOCK
    expected = [
        (1 - rise) * convolved(FILTERS[n], n) + rise * convolved(FILTERS[n + 1], n)
        for n in range(BLOCKS)
    ]
    np.testing.assert_allclose(crossfaded(FILTERS), np.concatenate(expected, axis=-1), atol=1e-6)


def test_a_constant_filter_is_a_convolution() -> None:
    constant = np.broadcast_to(FILTERS[0], FILTERS.shape)
    expected = [convolved(FILTERS[0], n) for n in range(BLOCKS)]
    np.testing.assert_allclose(crossfaded(constant), np.concatenate(expected, axis=-1), atol=1e-6)


def test_the_number_of_blocks_in_a_push_does_not_matter() -> None:
    np.testing.assert_allclose(crossfaded(FILTERS, 1), crossfaded(FILTERS, 5), atol=1e-7)


@pytest.mark.parametrize("taps", [1, 63, 64, 65, 500])
def test_the_partitioned_convolver_convolves_with_any_length(taps: int) -> None:
    block = 64
    sound = noise(20 * block, seed=1).numpy()
    response = noise(2 * taps, seed=2, level=1.0).numpy().reshape(2, taps)
    convolver = PartitionedConvolver(response, block)
    found = np.concatenate([convolver.push(each) for each in sound.reshape(-1, block)], axis=-1)
    expected = fftconvolve(sound[None].astype(float), response.astype(float), axes=-1)
    np.testing.assert_allclose(found, expected[:, : sound.size], atol=1e-5 * np.sqrt(taps))
