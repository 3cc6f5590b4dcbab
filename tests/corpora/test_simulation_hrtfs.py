import numpy as np
import pytest
from scipy.signal import firwin

from soundstage.binaural import HrtfRenderer, HrtfSet, constant, ear_positions, to_spherical
from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.corpora.simulation_hrtfs import prepare_hrtf, usable_hrtf_sets
from soundstage.corpora.talker_trajectories import NEAREST
from soundstage.errors import InputError
from spheres import grid, sphere_head, spread, write_sofa

RATE = 48_000


def delayed(head: HrtfSet, frames: int) -> HrtfSet:
    responses = np.pad(head.responses, ((0, 0), (0, 0), (frames, 0)))
    return HrtfSet(head.directions, head.distances, responses, head.delays, head.rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    whole = sphere_head(grid(15))
    write_sofa(folder / "a.sofa", whole)
    write_sofa(folder / "b.sofa", delayed(whole, 77), GLOBAL_ListenerShortName="dummy, large ears")
    write_sofa(folder / "c.sofa", whole, GLOBAL_ListenerShortName="dummy, small ears")
    flat = grid(15)[np.abs(grid(15)[:, 2]) < 0.01]
    write_sofa(folder / "flat.sofa", sphere_head(flat))
    write_sofa(folder / "low.sofa", sphere_head(grid(15), rate=16_000))
    (folder / "broken.sofa").write_bytes(b"of another kind")
    return folder


def test_heads_that_cannot_be_used_are_left_out_with_a_sentence(folder) -> None:
    heads, skipped = usable_hrtf_sets(folder)
    assert [head.path.name for head in heads] == ["a.sofa", "b.sofa", "c.sofa"]
    for name, reason in (
        ("flat", "24 directions that leave gaps of 5"),
        ("low", "at 16,000 Hz"),
        ("broken", "damaged or no SOFA file"),
    ):
        assert any(name in each and reason in each for each in skipped)


def test_two_pinnae_of_one_dummy_are_one_listener(folder) -> None:
    listeners = [head.listener for head in usable_hrtf_sets(folder)[0]]
    assert listeners == ["tests sphere", "tests dummy", "tests dummy"]
    assert usable_hrtf_sets(folder)[0][0].license == "CC0"


def test_a_manifest_says_who_it_is(tmp_path, folder) -> None:
    (tmp_path / "a.sofa").write_bytes((folder / "a.sofa").read_bytes())
    (tmp_path / "manifest.csv").write_text('file,database,listener\na.sofa,Lab,"Anna, tall"\n')
    assert usable_hrtf_sets(tmp_path)[0][0].listener == "Lab Anna"


def test_a_folder_without_a_head_is_refused(tmp_path, folder) -> None:
    with pytest.raises(InputError, match="no such folder"):
        usable_hrtf_sets(tmp_path / "none")
    (tmp_path / "flat.sofa").write_bytes((folder / "flat.sofa").read_bytes())
    with pytest.raises(InputError, match=r"no head that can be used; .*leave gaps"):
        usable_hrtf_sets(tmp_path)


@pytest.mark.parametrize("name", ["a.sofa", "b.sofa"])
def test_the_warp_by_the_distance_of_each_ear_meets_what_is_heard(folder, name: str) -> None:
    """Whatever delay a measurement had; only the head shadow makes the farther ear later."""
    head, no_delay = prepare_hrtf(folder / name, RATE)
    made = HrtfRenderer(head)
    click = np.zeros(2048)
    click[600 : 600 + 255] = firwin(255, [300, 3000], pass_zero=False, fs=RATE)
    late = []
    for direction in spread(24):
        place = 1.3 * direction
        stream = made.stream(constant(*to_spherical(place)), RATE, no_delay=no_delay)
        heard = np.concatenate([stream.push(click), stream.finish()], axis=-1)[:, :2048]
        ways = np.linalg.norm(place - ear_positions(), axis=-1) / SPEED_OF_SOUND
        frequency = np.fft.rfftfreq(4096, 1 / RATE)
        warped = np.fft.rfft(click, 4096) * np.exp(-2j * np.pi * frequency * ways[:, None])
        match = np.fft.irfft(np.fft.rfft(heard, 4096) * warped.conj(), 8 * 4096)
        shift = (match.argmax(axis=-1) + 4 * 4096) % (8 * 4096) - 4 * 4096
        late.append(shift[np.argsort(ways)] / 8 / RATE)
    near, far = np.array(late).T
    assert np.abs(near).max() < 0.1e-3
    assert abs(np.mean(near + far) / 2) < 0.05e-3
    assert -0.05e-3 < far.min() <= far.max() < 0.2e-3


def test_a_head_is_level_and_begins_before_anybody_is_as_near(folder) -> None:
    head, no_delay = prepare_hrtf(folder / "b.sofa", RATE)
    assert head.rate == RATE
    assert 0 < no_delay < NEAREST / 1.5  # so that no delay is cut off at 0
    power = np.abs(np.fft.rfft(head.responses)) ** 2
    assert 10 * np.log10(power[:, :, 5:80].mean()) == pytest.approx(0, abs=1)
