import numpy as np
import pytest

from soundstage.binaural import ShoeBox, constant, orbit
from soundstage.errors import OptionError
from soundstage.scene.description import ROOM_NAMES
from soundstage.scene.rooms import ROOMS, fitting_share, room_entry, room_named, share_inside


def test_every_name_of_a_description_is_a_room():
    assert list(ROOMS) == list(ROOM_NAMES)
    assert ROOMS["outdoors"] is ROOMS["forest"] is ROOMS["street"] is None
    times = {name: np.mean(room.decay_times) for name, room in ROOMS.items() if room}
    assert times["studio"] < times["room"] < times["hall"] < times["church"] < times["cathedral"]


def test_rooms_are_named_or_measured():
    assert room_named(" Large  HALL ") == ROOMS["large hall"]
    assert room_named("6x4x2.5").size == (6.0, 4.0, 2.5)
    assert room_named("outdoors") is None
    for text in ("castle", "6x4", "x"):
        with pytest.raises(OptionError):
            room_named(text)


@pytest.mark.parametrize("name", [name for name, room in ROOMS.items() if room])
def test_a_room_is_the_same_after_its_scene_file(name):
    entry = room_entry(ROOMS[name])
    assert ShoeBox(entry["size"], entry["rt60"], entry["listener"]) == ROOMS[name]


def test_places_are_moved_into_the_room_towards_the_head():
    room = ShoeBox((6.0, 4.0, 3.0))
    inside = np.array([[1.0, 1.0, 0.5]])
    assert fitting_share(room, inside) == 1
    for place in ([20.0, 0, 0], [0, -30.0, 0], [0, 0, 9.0], [5.0, 5.0, -5.0]):
        share = fitting_share(room, np.array([place]))
        room.check(constant(0.0))
        moved = share * np.array(place)
        assert (moved >= room.walls[0] + 0.05).all()
        assert (moved <= room.walls[1] - 0.05).all()
        assert np.abs(moved).max() > 0.5
    wide = orbit(4.0, 8.0, radius=5.0)
    assert share_inside(room, wide) == pytest.approx(1.9 / 5.0, abs=1e-3)
