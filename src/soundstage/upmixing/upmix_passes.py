"""The passes over a mono input that upmix it: survey, then those of all takes (`take_passes`).

A method that places the sources of a song reads the input once before, see `song_pass`. Decoding
and the method run in a pipeline of threads, which changes no sample.
"""

from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np
from jaxtyping import Float

from soundstage.audio import SoundReader, resampled_blocks
from soundstage.parallel import Progress, prefetch
from soundstage.upmixing.downmix import Channels, mid_blocks
from soundstage.upmixing.engine import Block, UpmixMethod, upmix_blocks
from soundstage.upmixing.file_options import FileOptions
from soundstage.upmixing.song_pass import fit_to_song, needs_survey
from soundstage.upmixing.take_passes import Take, TakePasses

SURVEYED = 0.3  # share of the upmix that a survey before it takes


class UpmixPasses(TakePasses):
    """All takes of one mono input, upmixed.

    Args:
        sound: the input.
        channels: of the input.
        takes: with a writer each, unless they are only measured.
        method: with its weights.
        options: of all takes.
        progress: called with the finished fraction.

    Attributes:
        method: fitted to the song once its takes are upmixed.
    """

    def __init__(
        self,
        sound: SoundReader,
        channels: Channels,
        takes: list[Take],
        method: UpmixMethod,
        options: FileOptions,
        progress: Progress | None,
    ) -> None:
        super().__init__(
            sound,
            takes,
            progress,
            gain_db=options.gain_db,
            replaces_mid=method.n_outputs == 2,
        )
        self._channels, self._controls = channels, options.controls
        self.method: UpmixMethod = method

    def mids(self) -> Iterator[Float[np.ndarray, " frames"]]:
        """The mono input, from its start, at the rate of the result."""
        return resampled_blocks(
            mid_blocks(self._sound, self._channels), self._sound.rate, self._result.rate
        )

    def _made(self, share: float) -> Generator[list[Block], None, None]:
        self._fit(share)
        method = self.method
        if self._order:
            from soundstage.upmixing.sound_field import FieldMethod

            method = FieldMethod(method, self._order)
        with (
            closing(prefetch(self._metered())) as decoded,
            closing(
                prefetch(
                    upmix_blocks(
                        decoded,
                        method,
                        self._result.rate,
                        seeds=[take.seed for take in self.takes],
                        controls=self._controls,
                        channels=self._channels,
                    )
                )
            ) as upmixed,
        ):
            yield from upmixed

    def _share_before(self, share: float) -> float:
        return share * SURVEYED if needs_survey(self.method) else 0.0

    def _mid_fits(self) -> bool:
        form, source_bits = self._result.form, self._sound.format.integer_bits
        depth_suffices = bool(
            form.integer_bits and source_bits and source_bits <= form.integer_bits
        )
        return (
            depth_suffices
            and self._channels.identical
            and self._result.rate == self._sound.rate
            and not self._replaces_mid
        )

    def _fit(self, share: float) -> None:
        """Fit the method to the song."""
        if not needs_survey(self.method):
            return
        total, done = self._total_frames(), self._share_before(share)

        def counted(
            mids: Iterator[Float[np.ndarray, " frames"]],
        ) -> Iterator[Float[np.ndarray, " frames"]]:
            frames = 0
            for mid in mids:
                yield mid
                frames += mid.size
                if total:
                    self._progress(done * min(frames / total, 1))

        with closing(prefetch(self.mids())) as decoded:
            self.method = fit_to_song(self.method, counted(decoded), self._result.rate)
