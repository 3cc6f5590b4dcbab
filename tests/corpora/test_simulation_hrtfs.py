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


def delayed(hrtf: HrtfSet, frames: int) -> HrtfSet:
    responses = np.pad(hrtf.responses, ((0, 0), (0, 0), (frames, 0)))
    return HrtfSet(hrtf.directions, hrtf.distances, responses, hrtf.delays, hrtf.rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hrtfs")
    whole = sphere_head(grid(15))
    write_sofa(folder / "a.sofa", whole)
    write_sofa(folder / "b.sofa", delayed(whole, 77), GLOBAL_ListenerShortName="dummy, large ears")
    write_sofa(folder / "c.sofa", whole, GLOBAL_ListenerShortName="dummy, small ears")
    flat = grid(15)[np.abs(grid(15)[:, 2]) < 0.01]
    write_sofa(folder / "flat.sofa", sphere_head(flat))
    write_sofa(folder / "low.sofa", sphere_head(grid(15), rate=16_000))
    (folder / "broken.sofa").write_bytes(b"of another kind")
    return folder


@pytest.mark.slow
def test_unusable_sets_are_skipped_with_a_reason(folder) -> None:
    hrtfs, skipped = usable_hrtf_sets(folder)
    assert [hrtf.path.name for hrtf in hrtfs] == ["a.sofa", "b.sofa", "c.sofa"]
    for name, reason in (
        ("flat", "24 directions leave gaps of 5"),
        ("low", "sample rate of 16,000 Hz"),
        ("broken", "damaged or not a SOFA file"),
    ):
        assert any(name in each and reason in each for each in skipped)


@pytest.mark.slow
def test_sets_of_one_dummy_head_are_one_listener(folder) -> None:
    listeners = [hrtf.listener for hrtf in usable_hrtf_sets(folder)[0]]
    assert listeners == ["tests sphere", "tests dummy", "tests dummy"]
    assert usable_hrtf_sets(folder)[0][0].license == "CC0"


def test_the_manifest_names_the_listener(tmp_path, folder) -> None:
    (tmp_path / "a.sofa").write_bytes((folder / "a.sofa").read_bytes())
    (tmp_path / "manifest.csv").write_text('file,database,listener\na.sofa,Lab,"Anna, tall"\n')
    assert usable_hrtf_sets(tmp_path)[0][0].listener == "Lab Anna"


def test_a_folder_without_a_usable_set_is_refused(tmp_path, folder) -> None:
    with pytest.raises(InputError, match="folder not found"):
        usable_hrtf_sets(tmp_path / "none")
    (tmp_path / "flat.sofa").write_bytes((folder / "flat.sofa").read_bytes())
    with pytest.raises(InputError, match=r"no usable HRTF set; .*leave gaps"):
        usable_hrtf_sets(tmp_path)


@pytest.mark.parametrize("name", ["a.sofa", "b.sofa"])
def test_geometric_warping_is_aligned_with_the_ears(folder, name: str) -> None:
    """For any delay of the measurement; diffraction delays the far ear."""
    hrtf, no_delay = prepare_hrtf(folder / name, RATE)
    renderer = HrtfRenderer(hrtf)
    click = np.zeros(2048)
    click[600 : 600 + 255] = firwin(255, [300, 3000], pass_zero=False, fs=RATE)
    shifts = []
    for direction in spread(24):
        position = 1.3 * direction
        stream = renderer.stream(constant(*to_spherical(position)), RATE, no_delay=no_delay)
        ears = np.concatenate([stream.push(click), stream.finish()], axis=-1)[:, :2048]
        delays = np.linalg.norm(position - ear_positions(), axis=-1) / SPEED_OF_SOUND
        frequency = np.fft.rfftfreq(4096, 1 / RATE)
        warped = np.fft.rfft(click, 4096) * np.exp(-2j * np.pi * frequency * delays[:, None])
        match = np.fft.irfft(np.fft.rfft(ears, 4096) * warped.conj(), 8 * 4096)
        shift = (match.argmax(axis=-1) + 4 * 4096) % (8 * 4096) - 4 * 4096
        shifts.append(shift[np.argsort(delays)] / 8 / RATE)
    near, far = np.array(shifts).T
    assert np.abs(near).max() < 0.1e-3
    assert abs(np.mean(near + far) / 2) < 0.05e-3
    assert -0.05e-3 < far.min() <= far.max() < 0.2e-3


def test_a_prepared_set_has_unit_level_and_a_short_delay(folder) -> None:
    hrtf, no_delay = prepare_hrtf(folder / "b.sofa", RATE)
    assert hrtf.rate == RATE
    assert 0 < no_delay < NEAREST / 1.5  # no delay becomes negative
    power = np.abs(np.fft.rfft(hrtf.responses)) ** 2
    assert 10 * np.log10(power[:, :, 5:80].mean()) == pytest.approx(0, abs=1)
