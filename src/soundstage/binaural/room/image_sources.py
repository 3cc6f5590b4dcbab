"""Image sources: the reflections of a box as copies of the source behind its walls.

Allen and Berkley (1979, "Image method for efficiently simulating small-room acoustics"). Mirrored
rooms fill space as a lattice. In the cell i along one axis, of length L and with the head at p, a
source at s in the head's frame is seen at

    s + i·L   for even i,        −s + (i + 1)·L − 2p   for odd i

after |i| reflections. A source anywhere in the room has its image anywhere in the mirrored cell, so
of all images whose sound arrives at the time t those of some order have, on average over all
places of the source, the share of the sphere of radius c·t that lies in cells of that order.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.binaural.hrtf.sphere import even_directions
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.errors import OptionError

ORDERS = (0, 50)  # at which there are 171,700 images
_DIRECTIONS = 4096  # on the sphere that cuts cells: shares to a thousandth
_TIMES = 256  # at which shares are found; straight lines between


class ImageSources:
    """The images of a source in a room, linear in its position and thus cheap while it moves.

    Args:
        room: with the place of the head.
        order: the most reflections, 0 to 50; 2 makes 24 images, 3 makes 62.

    Attributes:
        signs: 1 or −1 for each axis.
        offsets: in meters; the image of s, in the head's frame, is at signs·s + offsets.
        reflections: in ascending order, from 1: the source itself is not among its images.
        gains: of amplitude, by the walls, in each octave band.

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
        """√(1 − α) for every reflection, in each octave band."""
        return self.room.reflection_gains ** self.reflections[:, None]

    def positions(self, source: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points n 3"]:
        """Of the images of a source, in meters in the head's frame."""
        return self.signs * np.asarray(source)[..., None, :] + self.offsets


def share_beyond(
    room: ShoeBox, order: int, times: Float[np.ndarray, " times"]
) -> Float[np.ndarray, " times"]:
    """The share of images above an order among all whose sound arrives at some times.

    Args:
        room: with the place of the head; the source may be anywhere in it.
        order: 0 to 50.
        times: after the sound was emitted, in seconds.

    Raises:
        OptionError: the order is out of its range.
    """
    _check(order)
    directions = even_directions(_DIRECTIONS)
    farthest = order * max(room.size) + np.linalg.norm(room.size)  # corner of those within
    grid = np.linspace(0, farthest / SPEED_OF_SOUND, _TIMES)
    inner = [_orders(room, directions, time) <= order for time in grid]
    share = 1 - np.mean(inner, axis=1)
    return np.interp(times, grid, share)


def _orders(
    room: ShoeBox, directions: Float[np.ndarray, "directions 3"], time: float
) -> Int[np.ndarray, " directions"]:
    """Of the cells that sound comes from at a time."""
    cells = np.floor((SPEED_OF_SOUND * time * directions - room.walls[0]) / room.size)
    return np.abs(cells).sum(axis=1)


def _check(order: int) -> None:
    if not ORDERS[0] <= order <= ORDERS[1]:
        raise OptionError(f"The order of reflections is {ORDERS[0]} to {ORDERS[1]}, not {order}.")
