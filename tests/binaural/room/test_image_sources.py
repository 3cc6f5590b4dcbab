import numpy as np
import pytest

from soundstage.binaural.room.image_sources import ImageSources, share_beyond
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.errors import OptionError

ROOM = ShoeBox((6.0, 4.0, 3.0), (0.6, 0.5, 0.4, 0.4, 0.4, 0.4, 0.3, 0.2), (2.2, 1.7, 1.1))
SOURCE = np.array([1.3, -0.9, 0.4])


def mirrored(room: ShoeBox, source: np.ndarray, order: int) -> dict[tuple, int]:
    """Images by repeated mirroring in each of the six walls."""
    found = {tuple(source.round(6)): 0}
    latest = [source]
    for reflections in range(1, order + 1):
        images = []
        for image in latest:
            for axis in range(3):
                for wall in room.walls[:, axis]:
                    twin = image.copy()
                    twin[axis] = 2 * wall - image[axis]
                    if tuple(twin.round(6)) not in found:
                        found[tuple(twin.round(6))] = reflections
                        images.append(twin)
        latest = images
    del found[tuple(source.round(6))]
    return found


@pytest.mark.parametrize("order", [0, 1, 3])
def test_images_are_mirror_images(order: int) -> None:
    images = ImageSources(ROOM, order)
    found = {
        tuple(position): count
        for position, count in zip(
            images.positions(SOURCE).round(6).tolist(), images.reflections.tolist(), strict=True
        )
    }
    assert found == mirrored(ROOM, SOURCE, order)
    assert len(images.reflections) == (4 * order**3 + 6 * order**2 + 8 * order) // 3
    assert (np.diff(images.reflections) >= 0).all()


def test_times_and_amplitudes_agree_with_pyroomacoustics() -> None:
    pra = pytest.importorskip("pyroomacoustics")
    listener = np.array(ROOM.listener)
    gains = ROOM.reflection_gains[0]
    walls = pra.Material(energy_absorption=1 - gains**2)
    theirs = pra.ShoeBox(list(ROOM.size), fs=16_000, materials=walls, max_order=6)
    theirs.add_source((SOURCE + listener).tolist())
    theirs.add_microphone(listener.tolist())
    theirs.image_source_model()
    far = np.linalg.norm(theirs.sources[0].images - listener[:, None], axis=0)
    expected = np.stack([far, theirs.sources[0].damping[0] / far])[:, theirs.sources[0].orders > 0]
    images = ImageSources(ROOM, 6)
    far = np.linalg.norm(images.positions(SOURCE), axis=1)
    found = np.stack([far, images.gains[:, 0] / far])
    for each in (found, expected):
        each[:] = each[:, np.lexsort(each.round(4))]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_positions_are_vectorized() -> None:
    sources = np.random.default_rng(0).uniform(-1, 1, (4, 5, 3))
    images = ImageSources(ROOM, 2)
    found = images.positions(sources)
    assert found.shape == (4, 5, 24, 3)
    np.testing.assert_array_equal(found[1, 2], images.positions(sources[1, 2]))
    assert images.gains.shape == (24, 8)


@pytest.mark.parametrize("order", [0, 3])
def test_the_share_beyond_an_order_is_the_mean_over_source_positions(order: int) -> None:
    rng = np.random.default_rng(0)
    lower, upper = ROOM.walls
    sources = rng.uniform(lower, upper, (200, 3))
    images = ImageSources(ROOM, 12)
    positions = np.concatenate([sources[:, None], images.positions(sources)], axis=1)
    late = np.append(0, images.reflections) > order
    times = np.linalg.norm(positions, axis=-1) / 343
    edges = np.linspace(0.004, 0.08, 39)
    everything, beyond = (np.histogram(each.ravel(), edges)[0] for each in (times, times[:, late]))
    share = share_beyond(ROOM, order, (edges[1:] + edges[:-1]) / 2)
    np.testing.assert_allclose(share, beyond / everything, rtol=0, atol=0.06)
    assert np.abs(share - beyond / everything).mean() < 0.01


def test_the_share_beyond_rises_from_zero_to_one() -> None:
    share = share_beyond(ROOM, 2, np.array([0.0, 0.008, 0.07, 10.0]))
    assert share[0] == share[1] == 0
    assert share[2] > 0.95
    assert share[3] == 1


@pytest.mark.parametrize("order", [-1, 51])
def test_an_order_out_of_range_is_refused(order: int) -> None:
    with pytest.raises(OptionError, match="0 to 50"):
        ImageSources(ROOM, order)
    with pytest.raises(OptionError, match="0 to 50"):
        share_beyond(ROOM, order, np.zeros(1))
