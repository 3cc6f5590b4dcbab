"""What libsndfile reads as noise or silence is refused."""

import numpy as np
import pytest
import soundfile

from corpus_of_oddities import noise_of
from making import read_all
from soundstage.audio import open_sound
from soundstage.errors import InputError


@pytest.mark.parametrize(
    ("encoding", "bits", "block"), [("PCM_S8", 8, 60), ("PCM_16", 16, 40), ("PCM_24", 24, 30)]
)
def test_a_sample_dump_is_read_whole_or_refused(tmp_path, encoding, bits, block):
    path = tmp_path / "a.sds"
    truth = noise_of(1, bits, 20 * block)
    soundfile.write(path, truth[0], 8000, format="SDS", subtype=encoding)
    assert np.array_equal(read_all(path), truth)
    soundfile.write(path, truth[0, :-1], 8000, format="SDS", subtype=encoding)
    with pytest.raises(InputError, match="last block is not full"):
        open_sound(path)


@pytest.mark.parametrize("channels", [1, 2])
def test_alac_of_20_bits_is_read_right_or_refused(tmp_path, channels):
    path, truth = tmp_path / "a.caf", noise_of(channels, 20)
    soundfile.write(path, truth.T, 48_000, format="CAF", subtype="ALAC_20")
    if channels == 1:
        assert np.array_equal(read_all(path), truth)
    else:
        with pytest.raises(InputError):
            read_all(path)
