import errno
import io

import numpy as np
import pytest

from soundstage.audio import spool as spools
from soundstage.audio.spool import Spool
from soundstage.errors import OutputError


@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_read_back_in_other_blocks_and_no_file_remains(tmp_path, channels):
    samples = np.random.default_rng(0).standard_normal((channels, 10_000)).astype(np.float32)
    with Spool(tmp_path / "x.wav", channels) as spool:
        for start in range(0, 10_000, 3_000):
            spool.write(samples[:, start : start + 3_000])
        spool.rewind()
        parts = [spool.read(count) for count in (1, 4_999, 5_000)]
    assert np.array_equal(np.concatenate(parts, axis=1), samples)
    assert list(tmp_path.iterdir()) == []


class Full(io.RawIOBase):
    def writable(self):
        return True

    def seekable(self):
        return True

    def seek(self, *place):
        return 0

    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("frames", [10, 100_000])  # at the last flush, and at once
def test_a_full_disk_is_reported_in_one_sentence(tmp_path, monkeypatch, frames):
    full = io.BufferedWriter(Full())
    monkeypatch.setattr(spools, "open_unnamed", lambda target: full)
    with (  # noqa: PT012
        pytest.raises(OutputError, match="no room"),
        Spool(tmp_path / "x.wav", 1) as spool,
    ):
        spool.write(np.zeros((1, frames), np.float32))
        spool.rewind()
    monkeypatch.setattr(Full, "write", lambda self, data: len(data))  # so that it can be closed
