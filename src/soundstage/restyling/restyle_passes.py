"""The last passes over a stereo song: its takes are made, measured, written and proven.

The mid of a take is that of the corrected song. Where nothing is corrected, resampled or turned
down, the sum of left and right is that of the file, bit for bit.
"""

from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np
from jaxtyping import Float

from soundstage.audio import SoundReader, StreamResampler
from soundstage.parallel import Progress, prefetch
from soundstage.restyling.engine import RestyleStream
from soundstage.restyling.pan_histogram import PanHistogram, PanHistogramStream
from soundstage.restyling.song import SurveyedSong, song_blocks
from soundstage.stereo import to_mid_side
from soundstage.upmixing.engine import Block
from soundstage.upmixing.file_options import FileOptions
from soundstage.upmixing.take_passes import Take, TakePasses

SURVEYED = 0.4  # share of the work that comes before these passes


class RestylePasses(TakePasses):
    """All takes of one surveyed song.

    Args:
        sound: the song.
        song: its survey.
        takes: with a writer each; as many as plans.
        options: of all takes.
        amount: 0 leaves all as it is, 1 moves the sources to their places.
        progress: called with the finished fraction.
    """

    _in_halves = True

    def __init__(
        self,
        sound: SoundReader,
        song: SurveyedSong,
        takes: list[Take],
        options: FileOptions,
        *,
        amount: float,
        progress: Progress | None,
    ) -> None:
        super().__init__(sound, takes, progress, gain_db=options.gain_db)
        self._song, self._amount = song, amount
        self._meters = [PanHistogramStream(self._result.rate) for _ in takes]

    def histograms(self) -> list[PanHistogram]:
        """The pan histogram of each take, once the takes are made."""
        return [meter.finish() for meter in self._meters]

    def mids(self) -> Iterator[Float[np.ndarray, " frames"]]:
        """The mid of the corrected song, from its start, at the rate of the result."""
        return (to_mid_side(*block)[0] for block in self._corrected())

    def _corrected(self) -> Iterator[Float[np.ndarray, "2 frames"]]:
        """In double precision, since half a step of 24 bits does not fit into single."""
        resampler = StreamResampler(self._sound.rate, self._result.rate, 2)
        for block in song_blocks(self._sound, self._song.corrections):
            if (ready := resampler.push(block.astype(np.float64))).size:
                yield ready
        if (rest := resampler.finish()).size:
            yield rest

    def _made(self, share: float) -> Generator[list[Block], None, None]:
        with (
            closing(prefetch(self._corrected())) as corrected,
            closing(prefetch(self._restyled(corrected))) as restyled,
        ):
            for blocks in restyled:
                for meter, block in zip(self._meters, blocks, strict=True):
                    meter.push(block.left_right())
                if not self._result.form.is_floating:
                    self.mid_peak.push(blocks[0].mid[None])
                yield list(blocks)

    def _restyled(
        self, corrected: Iterator[Float[np.ndarray, "2 frames"]]
    ) -> Iterator[list[Block]]:
        stream = RestyleStream(
            self._song.stage, self._song.plans, self._result.rate, amount=self._amount
        )
        for block in corrected:
            if (blocks := stream.push(block))[0].mid.size:
                yield list(blocks)
        if (blocks := stream.finish())[0].mid.size:
            yield list(blocks)

    def _share_before(self, share: float) -> float:
        return share * SURVEYED

    def _mid_fits(self) -> bool:
        form, source_bits = self._result.form, self._sound.format.integer_bits
        return (
            bool(form.integer_bits and source_bits and source_bits <= form.integer_bits)
            and self._result.rate == self._sound.rate
            and not self._song.corrections.is_needed
        )

    def _side_fits(self) -> bool:
        return self._mid_fits() and not (self._amount and self._song.stage.sources)
