import numpy as np

from sounds import noise
from soundstage.binaural.render.crossfade_convolver import FadingFilter

BLOCK, TAPS, BLOCKS = 32, 21, 10
SOUND = noise(2 * BLOCK * BLOCKS, seed=1).numpy().reshape(2, -1)
FILTERS = noise((BLOCKS + 1) * 2 * TAPS, seed=2).numpy().reshape(BLOCKS + 1, 2, TAPS)


def rendered(filters: np.ndarray, per_push: int = BLOCKS) -> np.ndarray:
    made, parts = FadingFilter(2, TAPS, BLOCK), []
    spectra = made.spectra(filters)
    for start in range(0, BLOCKS, per_push):
        heard = made.heard(SOUND[:, start * BLOCK : (start + per_push) * BLOCK])
        now = slice(start, start + per_push)
        later = slice(start + 1, start + per_push + 1)
        parts.append(made.faded(heard * spectra[now], heard * spectra[later]))
    return np.concatenate(parts, axis=-1)


def through(filters: np.ndarray, block: int) -> np.ndarray:
    """The sound of one block after one filter for each ear."""
    whole = [np.convolve(*pair) for pair in zip(SOUND, filters, strict=True)]
    return np.stack(whole)[:, block * BLOCK : (block + 1) * BLOCK]


def test_it_fades_from_one_convolution_to_the_other() -> None:
    rise = (np.arange(BLOCK) + 1) / BLOCK
    wanted = [
        (1 - rise) * through(FILTERS[n], n) + rise * through(FILTERS[n + 1], n)
        for n in range(BLOCKS)
    ]
    np.testing.assert_allclose(rendered(FILTERS), np.concatenate(wanted, axis=-1), atol=1e-6)


def test_a_filter_that_stays_is_a_convolution() -> None:
    same = np.broadcast_to(FILTERS[0], FILTERS.shape)
    wanted = [through(FILTERS[0], n) for n in range(BLOCKS)]
    np.testing.assert_allclose(rendered(same), np.concatenate(wanted, axis=-1), atol=1e-6)


def test_it_takes_any_number_of_blocks_at_once() -> None:
    np.testing.assert_allclose(rendered(FILTERS, 1), rendered(FILTERS, 5), atol=1e-7)
