"""Ctrl-C while a file object is read is raised, whichever library calls the file object."""

import io

import av
import numpy as np
import pytest

from interrupting import Interrupting
from soundstage.audio.reading import open_file

RATE = 44_100


def encoded(container, codec):
    file = io.BytesIO()
    sound = np.random.default_rng(0).uniform(-0.2, 0.2, (1, 2 * RATE)).astype(np.float32)
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=RATE)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


def length(file):
    sound = open_file(file)
    assert sound.metadata is not None
    return sum(block.shape[1] for block in sound.blocks(4096))


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "aac"), ("adts", "aac"), ("mp3", "libmp3lame")]
)
def test_ctrl_c_at_any_call_of_a_file_object_is_raised(container, codec):
    content = encoded(container, codec)
    whole = Interrupting(content)
    assert length(whole) > 1.9 * RATE
    for moment in range(0, whole.calls, max(whole.calls // 12, 1)):
        with pytest.raises(KeyboardInterrupt):
            length(Interrupting(content, moment))
