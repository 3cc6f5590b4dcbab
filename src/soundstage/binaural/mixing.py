"""The sum of rendered sources: a scene as one stream of ear signals, or of an ambisonic field.

Each source is rendered from its start on, in a thread of its own where nothing is shared between
them. A scene of known length is cut with a short fade, or filled up with silence. A loop is the sum
of all its repetitions: the part of the signals y beyond the length N is added to the start,

    z(n) = Σ_k y(n + k·N),    0 ≤ n < N

which is one period of the endless repetition, since rendering is linear. So its seam is as
continuous as its inside.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32

from soundstage.audio import MAX_RATE, MIN_RATE
from soundstage.binaural.listener import Listener, SeenTrajectory
from soundstage.binaural.pose_trajectory import PointError
from soundstage.binaural.render_options import BINAURAL
from soundstage.binaural.renderers import FieldRenderer, FieldStream, Renderer, RendererStream
from soundstage.binaural.scenes import READ_FRAMES, Scene, Source, raised_cosine, scene_of
from soundstage.binaural.trajectories import Trajectory
from soundstage.errors import OptionError
from soundstage.parallel import prefetch

END_FADE = 0.05  # s, at the end of a scene of known length: short enough for a last attack

Channels = Float32[np.ndarray, "channels frames"]


class BinauralMix:
    """The sum of rendered sources, block by block.

    Args:
        sources: at least one, or a scene.
        renderer: of all of them.
        tail: keep the reverberation tail after the last sound, unless a scene has its own length.
        rate: sample rate in Hz; by default that of the scene, or the highest of the sources.

    Attributes:
        channels: those of the renderer.
        rate: sample rate in Hz.

    Raises:
        OptionError: there is no source, the rate is out of its range, a position is impossible, or
            ear signals are among the sources of a field.
    """

    def __init__(
        self,
        sources: Sequence[Source] | Scene,
        renderer: Renderer,
        *,
        tail: bool = True,
        rate: int | None = None,
    ) -> None:
        scene = scene_of(sources)
        self._tail, self._loop, self.channels = tail, scene.loop, renderer.channels
        if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
            raise OptionError(f"`rate` must be from {MIN_RATE:,} to {MAX_RATE:,} Hz, not {rate:,}.")
        self.rate = rate or scene.rate or max(source.sound.rate for source in scene.sources)
        self._frames = None if scene.seconds is None else max(round(scene.seconds * self.rate), 1)
        for source in scene.sources:
            if source.is_binaural and self.channels != BINAURAL:
                raise OptionError(
                    f"{source.sound.name} holds ear signals, which have no direction in an "
                    "ambisonic field: leave it out, or render for headphones."
                )
        seen = list(zip(scene.sources, scene.seen, strict=True))
        distances = [each.min_distance for source, each in seen if source.is_placed]
        nearest = min(distances, default=None)
        self._sources = [
            _RenderedSource(source, trajectory, renderer, self.rate, nearest, scene.listener)
            for source, trajectory in seen
        ]
        ends = [source.end for source in scene.sources]
        self._seconds = None if None in ends else max(end for end in ends if end is not None)

    @property
    def sound_frames(self) -> int | None:
        """Expected frames without the tail; None if a file does not state its length."""
        if self._frames is not None:
            return self._frames
        return None if self._seconds is None else round(self._seconds * self.rate)

    @property
    def expected_frames(self) -> int | None:
        """Expected frames with the longest tail; None if a file does not state its length."""
        frames = self.sound_frames
        if frames is None or self._frames is not None:
            return frames
        return frames + max(source.tail for source in self._sources)

    def blocks(self) -> Iterator[Channels]:
        """The channels."""
        signals = [source.blocks() for source in self._sources]
        if len(signals) > 1 and all(source.is_independent for source in self._sources):
            signals = [prefetch(signal, size=1) for signal in signals]
        mixed = _mixed(signals, self.channels)
        if self._frames is None:
            yield from self._with_tail(mixed)
        elif self._loop:
            yield from _wrapped(mixed, self.channels, self._frames)
        else:
            yield from _fitted(mixed, self.channels, self._frames, round(END_FADE * self.rate))

    def _with_tail(self, mixed: Iterator[Channels]) -> Iterator[Channels]:
        frames = 0
        for block in mixed:
            if not self._tail:  # a source that has not ended is never ahead of the mix
                end = max(source.frames for source in self._sources)
                block = block[:, : max(end - frames, 0)]
                if not block.shape[1]:
                    return
            frames += block.shape[1]
            yield block


class _RenderedSource:
    """The ear signals or the field of one source.

    Args:
        source: to render.
        trajectory: of the source, in the scene or as seen from a head.
        renderer: of the scene.
        rate: in Hz.
        no_delay: see `Renderer.stream`.
        listener: the head.

    Attributes:
        frames: frames of the sound so far, without the tail.
        tail: frames of the tail.
        is_independent: whether it may be read beside the others: it shares no file object.
    """

    def __init__(
        self,
        source: Source,
        trajectory: Trajectory | SeenTrajectory,
        renderer: Renderer,
        rate: int,
        no_delay: float | None,
        listener: Listener | None,
    ) -> None:
        self._source, self._trajectory, self._rate = source, trajectory, rate
        self._channels = renderer.channels
        self.frames = self._silence = round(source.start * rate)
        self._stream: RendererStream | None = None
        self._field: FieldStream | None = None
        if source.field is not None:
            self._field = self._opened_field(source.field.order, renderer, listener)
        elif not source.is_binaural:
            self._stream = self._opened(renderer, no_delay)
        self.tail = max((each.tail for each in (self._stream, self._field) if each), default=0)
        sound = source.sound
        self.is_independent = sound.path is not None or sound.format.container == "memory"

    def blocks(self) -> Iterator[Channels]:
        """The channels, after silence until the start."""
        for done in range(0, self._silence, READ_FRAMES):
            yield np.zeros((self._channels, min(READ_FRAMES, self._silence - done)), np.float32)
        blocks = self._source.blocks(self._rate)
        if self._source.sound.path is not None:
            blocks = prefetch(blocks)
        for block in blocks:
            self.frames += block.shape[1]
            if self._stream:
                yield self._stream.push(block[0])
            else:
                yield self._field.push(block) if self._field else block
        for stream in (self._stream, self._field):
            if stream:
                yield stream.finish()

    def _opened(self, renderer: Renderer, no_delay: float | None) -> RendererStream:
        """A stream whose time 0 is the start of the source: no silence is rendered."""
        trajectory = self._trajectory
        since_start = trajectory.delayed(-self._silence / self._rate)
        try:
            return renderer.stream(since_start, self._rate, no_delay=no_delay)
        except PointError:  # in the times of the scene
            renderer.stream(trajectory, self._rate, no_delay=no_delay)
            raise

    def _opened_field(
        self, order: int, renderer: Renderer, listener: Listener | None
    ) -> FieldStream:
        """A stream whose time 0 is the start of the source."""
        if not isinstance(renderer, FieldRenderer):
            raise OptionError(
                f"{self._source.sound.name} is a sound field, which only hrtf renders: leave out "
                "`method`."
            )
        since_start = None if listener is None else listener.delayed(-self._silence / self._rate)
        return renderer.field_stream(order, self._rate, since_start)


def _mixed(signals: Sequence[Iterator[Channels]], channels: int) -> Iterator[Channels]:
    """Sum of signals with blocks of different sizes, as long as the longest."""
    waiting = [np.zeros((channels, 0), np.float32) for _ in signals]
    active = dict(enumerate(signals))
    while active:
        for number, signal in list(active.items()):
            while number in active and not waiting[number].shape[1]:
                block = next(signal, None)
                if block is None:
                    del active[number]
                else:
                    waiting[number] = block
        present = [block.shape[1] for block in waiting if block.shape[1]]
        if present:
            size = min(present)
            yield sum((block[:, :size] for block in waiting if block.shape[1]), np.float32(0))
            waiting = [block[:, size:] for block in waiting]


def _fitted(
    blocks: Iterator[Channels], channels: int, frames: int, fade: int
) -> Iterator[Channels]:
    """Exactly this many frames: what is longer fades out, what is shorter ends in silence."""
    done, fade = 0, min(fade, frames)
    for block in blocks:
        block = block[:, : frames - done]
        last = done + block.shape[1]
        if fade and last > frames - fade:
            block = block * raised_cosine((frames - np.arange(done, last) - 0.5) / fade)
        yield block
        done = last
        if done == frames:
            return
    for start in range(done, frames, READ_FRAMES):
        yield np.zeros((channels, min(READ_FRAMES, frames - start)), np.float32)


def _wrapped(blocks: Iterator[Channels], channels: int, frames: int) -> Iterator[Channels]:
    """One period of the repetition: what is beyond its end is added to its start."""
    period = np.zeros((channels, frames), np.float32)
    at = 0
    for block in blocks:
        while block.shape[1]:
            part, block = block[:, : frames - at], block[:, frames - at :]
            period[:, at : at + part.shape[1]] += part
            at = (at + part.shape[1]) % frames
    for start in range(0, frames, READ_FRAMES):
        yield period[:, start : start + READ_FRAMES]
