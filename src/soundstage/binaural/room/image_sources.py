"""Image sources: the reflections in a shoebox room as mirror images of the source.

Allen and Berkley (1979, "Image method for efficiently simulating small-room acoustics"). Mirrored
rooms form a lattice. In cell i along one axis, with the room length L and the head at p, a source
at s relative to the head has its image, after |i| reflections, at

    s + i·L   for even i,        −s + (i + 1)·L − 2p   for odd i

For a source anywhere in the room, the image is anywhere in the mirrored cell. So of all images that
arrive at the time t, the share of some order is, averaged over source positions, the share of the
sphere of radius c·t inside cells of that order.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.binaural.hrtf.sphere import even_directions
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.errors import OptionError

ORDERS = (0, 50)  # 50 gives 171,700 images
_DIRECTIONS = 4096  # on the sphere; shares are accurate to 0.001
_TIMES = 256  # with linear interpolation between


class ImageSources:
    """The images of a source in a room, linear in its position.

    Args:
        room: with the position of the head.
        order: largest number of reflections, 0 to 50; 2 gives 24 images, 3 gives 62.

    Attributes:
        signs: 1 or −1 for each axis.
        offsets: in meters; the image of s, relative to the head, is at signs·s + offsets.
        reflections: ascending from 1, since the source itself is not included.
        gains: amplitude gain by the walls, in each octave band.

    Raises:
        OptionError: the order is out of its range.
    """

    signs: Float[np.ndarray, "images 3"]
    offsets: Float[np.ndarray, "images 3"]
    reflections: Int[np.ndarray, " images"]

    def __init__(self, room: ShoeBox, order: int) -> None:
        _check(order)
        self.room = room
        line = np.arange(-order, order + 1)
        cells = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
        reflections = np.abs(cells).sum(axis=1)
        ordered = np.argsort(reflections, kind="stable")
        cells = cells[ordered[(reflections[ordered] > 0) & (reflections[ordered] <= order)]]
        odd = cells % 2
        self.reflections = np.abs(cells).sum(axis=1)
        self.signs = 1.0 - 2 * odd
        self.offsets = (cells + odd) * np.array(room.size) + 2 * odd * room.walls[0]

    @cached_property
    def gains(self) -> Float[np.ndarray, "images bands"]:
        """√(1 − α) per reflection, in each octave band."""
        return self.room.reflection_gains ** self.reflections[:, None]

    def positions(self, source: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points n 3"]:
        """Positions of the images relative to the head, in meters."""
        return self.signs * np.asarray(source)[..., None, :] + self.offsets


def share_beyond(
    room: ShoeBox, order: int, times: Float[np.ndarray, " times"]
) -> Float[np.ndarray, " times"]:
    """The share of images above an order, among all images that arrive at given times.

    Args:
        room: with the position of the head; averaged over source positions.
        order: 0 to 50.
        times: since emission, in seconds.

    Raises:
        OptionError: the order is out of its range.
    """
    _check(order)
    directions = even_directions(_DIRECTIONS)
    farthest = order * max(room.size) + np.linalg.norm(
        room.size
    )  # farthest corner of the cells within
    grid = np.linspace(0, farthest / SPEED_OF_SOUND, _TIMES)
    within = [_orders(room, directions, time) <= order for time in grid]
    share = 1 - np.mean(within, axis=1)
    return np.interp(times, grid, share)


def _orders(
    room: ShoeBox, directions: Float[np.ndarray, "directions 3"], time: float
) -> Int[np.ndarray, " directions"]:
    """Orders of the cells that arrive at a time, by direction."""
    cells = np.floor((SPEED_OF_SOUND * time * directions - room.walls[0]) / room.size)
    return np.abs(cells).sum(axis=1)


def _check(order: int) -> None:
    if not ORDERS[0] <= order <= ORDERS[1]:
        raise OptionError(f"`order` must be {ORDERS[0]} to {ORDERS[1]}, not {order}.")
