"""Sources of a binaural scene: sounds with a position or a trajectory around the head.

A `Source` is a sound, and where, when and how loud it plays. A `Scene` is sources with what they
share: the length, the sample rate, the listener's head, and the room and the HRTF set that they
are rendered with. A scene that is a loop repeats without a seam: sounds that cross its end, such as
reverberation, go on at its start. `scene_files` reads scenes.

A stereo sound without a position is rendered as two loudspeakers at 30 degrees to either side. A
binaural sound goes to the ears as it is. A recorded sound field (ambisonics) is all around: it
turns when the head does, and cannot be walked in.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32

from soundstage.ambisonics.conventions import channels_of, to_ambix
from soundstage.ambisonics.field_formats import (
    FIELD_CHANNELS,
    FieldFormat,
    field_format,
    is_field,
)
from soundstage.audio import MAX_RATE, MIN_RATE, SoundReader, StreamResampler, open_sound
from soundstage.audio import Source as AudioSource
from soundstage.binaural.listener import Listener, SeenTrajectory, seen_by
from soundstage.binaural.presets import constant
from soundstage.binaural.render_options import DEFAULT_RENDERER, RenderOptions
from soundstage.binaural.trajectories import Trajectory
from soundstage.errors import InputError, OptionError
from soundstage.stereo import is_dual_mono

LOUDSPEAKERS = 30.0  # degrees
LOUDSPEAKER_GAIN = 0.5**0.5  # two loudspeakers, added in power, are as loud as one
READ_FRAMES = 1 << 16  # per block
MAX_START = 86_400.0  # s, a day
MAX_LOOP = 1_200.0  # s: a loop is in memory, 460 MB at 48 kHz
MIN_SECONDS = 0.01


@dataclass(frozen=True)
class Source:
    """A sound and its trajectory.

    Attributes:
        sound: an open sound.
        trajectory: in the time of the scene.
        channel: the channel to render; None is the mean of all.
        gain: linear.
        start: in seconds of the scene, up to a day.
        length: in seconds, at which a longer sound is cut; None is the whole sound.
        loop: repeat a sound that is shorter than `length`.
        fade_in: in seconds, from its start, with a raised cosine.
        fade_out: in seconds, before its end.
        is_binaural: both channels are ear signals; the trajectory is for plots only.
        field: order and convention of a recorded sound field, which has no trajectory.

    Raises:
        OptionError: a value is not finite or out of its range, a loop or a fade-out has no end, or
            a binaural sound has not two channels.
    """

    sound: SoundReader
    trajectory: Trajectory
    channel: int | None = None
    gain: float = 1.0
    start: float = 0.0
    length: float | None = None
    loop: bool = False
    fade_in: float = 0.0
    fade_out: float = 0.0
    is_binaural: bool = False
    field: FieldFormat | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.gain):
            raise OptionError(f"The gain of a source must be finite, not {self.gain:g}.")
        times = {"start": self.start, "fade-in": self.fade_in, "fade-out": self.fade_out}
        for name, value in times.items():
            if not 0 <= value <= MAX_START:
                raise OptionError(
                    f"The {name} of a source is 0 to {MAX_START:,g} s, not {value:g}."
                )
        if self.length is not None and not MIN_SECONDS <= self.length <= MAX_START:
            raise OptionError(
                f"The length of a source is {MIN_SECONDS:g} to {MAX_START:,g} s, "
                f"not {self.length:g}."
            )
        if self.loop and self.length is None:
            raise OptionError("A source that repeats needs a length, or a scene of known length.")
        if self.fade_out and self.length is None and self.sound.frames is None:
            raise OptionError(
                f"{self.sound.name} does not state its length: a fade-out needs a length."
            )
        if self.is_binaural and self.sound.channels != 2:
            raise OptionError(
                f"{self.sound.name} has {self.sound.channels} channel"
                f"{'s' * (self.sound.channels > 1)}; binaural sound has two."
            )
        if self.field is not None and self.sound.channels != channels_of(self.field.order):
            raise OptionError(
                f"{self.sound.name} has {self.sound.channels} channels; a sound field of order "
                f"{self.field.order} has {channels_of(self.field.order)}."
            )

    @property
    def is_placed(self) -> bool:
        """Whether it has a place in the scene: it is neither ear signals nor a sound field."""
        return not self.is_binaural and self.field is None

    def blocks(self, rate: int) -> Iterator[Float32[np.ndarray, "channels frames"]]:
        """The sound at a sample rate, from its start on.

        One channel, two of binaural sound, or all of a sound field in AmbiX.
        """
        channels = 1 if self.is_placed else self.sound.channels
        resampler = StreamResampler(self.sound.rate, rate, channels)
        for block in self._played():
            if self.field is not None:
                block = to_ambix(block, self.field.convention)
            elif not self.is_binaural:
                mono = block.mean(axis=0) if self.channel is None else block[self.channel]
                block = mono[None]
            yield resampler.push((self.gain * block).astype(np.float32))
        yield resampler.finish()

    @property
    def end(self) -> float | None:
        """Time of its end; None if the file does not state its length."""
        sounding = self.sound.seconds
        if self.length is not None and (self.loop or sounding is None or self.length < sounding):
            sounding = self.length
        return None if sounding is None else self.start + sounding

    def _played(self) -> Iterator[Float[np.ndarray, "channels frames"]]:
        """The sound at its own rate: repeated, cut and faded."""
        rate, frames = self.sound.rate, self.sound.frames
        end = None if self.length is None else max(round(self.length * rate), 1)
        if frames is not None and not self.loop:
            end = frames if end is None else min(end, frames)
        done = 0
        while True:
            for block in self.sound.blocks(READ_FRAMES):
                if end is not None:
                    block = block[:, : end - done]
                yield self._faded(block, done, end)
                done += block.shape[1]
                if end is not None and done >= end:
                    return
            if not self.loop:
                return

    def _faded(
        self, block: Float[np.ndarray, "channels frames"], first: int, end: int | None
    ) -> Float[np.ndarray, "channels frames"]:
        rate = self.sound.rate
        rising, falling = round(self.fade_in * rate), round(self.fade_out * rate)
        last = first + block.shape[1]
        if first < rising:
            block = block * raised_cosine((np.arange(first, last) + 0.5) / rising)
        if end is not None and falling and last > end - falling:
            block = block * raised_cosine((end - np.arange(first, last) - 0.5) / falling)
        return block


@dataclass(frozen=True)
class Scene:
    """Sources and what they share.

    Attributes:
        sources: at least one.
        seconds: length of the result. Reverberation beyond it fades out, or wraps in a loop. None
            is as long as the last sound, with its reverberation.
        loop: the end continues at the start; needs `seconds`, at most 1,200.
        rate: sample rate in Hz; None is the highest of the sources.
        bit_depth: such as "24"; None is that of the first source.
        options: HRTF set, room, air absorption and seed.
        tags: of the file, such as its title.
        listener: the pose of the head; None is at rest in the origin, looking ahead.
        seen: the trajectory of each source relative to the head; of a binaural sound or a sound
            field, as it is.

    Raises:
        OptionError: there is no source, a value is out of its range, or the head comes too close
            to a source.
    """

    sources: Sequence[Source]
    seconds: float | None = None
    loop: bool = False
    rate: int | None = None
    bit_depth: str | None = None
    options: RenderOptions = field(default_factory=RenderOptions)
    tags: Mapping[str, str] = field(default_factory=dict)
    listener: Listener | None = None
    seen: tuple[Trajectory | SeenTrajectory, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.sources:
            raise OptionError("There is no source: give at least one.")
        if self.seconds is not None and not MIN_SECONDS <= self.seconds <= MAX_START:
            raise OptionError(
                f"A scene has {MIN_SECONDS:g} to {MAX_START:,g} s, not {self.seconds:g}."
            )
        if self.loop and (self.seconds is None or self.seconds > MAX_LOOP):
            raise OptionError(
                f"A scene that is a loop needs its length in seconds, at most {MAX_LOOP:,g}."
            )
        if self.rate is not None and not MIN_RATE <= self.rate <= MAX_RATE:
            raise OptionError(
                f"`rate` must be from {MIN_RATE:,} to {MAX_RATE:,} Hz, not {self.rate:,}."
            )
        object.__setattr__(self, "seen", tuple(map(self._seen, self.sources)))

    def _seen(self, source: Source) -> Trajectory | SeenTrajectory:
        if not source.is_placed:
            return source.trajectory
        try:
            return seen_by(self.listener, source.trajectory)
        except OptionError as error:
            raise OptionError(f"{source.sound.name}: {error}") from error


def scene_of(sources: "Sequence[Source] | Scene") -> Scene:
    """The scene, or the one that has just these sources."""
    return sources if isinstance(sources, Scene) else Scene(tuple(sources))


def check_fields(scene: Scene, method: str, options: RenderOptions) -> None:
    """Refuse options that recorded sound fields do not have.

    Raises:
        OptionError: a method for mono sounds, or a room or air around nothing but fields.
    """
    fields = [source.sound.name for source in scene.sources if source.field is not None]
    if fields and method != DEFAULT_RENDERER:
        raise OptionError(
            f"{fields[0]} is a sound field, which {method} does not render: leave out `method`."
        )
    if len(fields) == len(scene.sources) and (options.room is not None or options.air):
        raise OptionError(
            f"{fields[0]} is a recorded sound field with a room of its own: leave out `room` and "
            "`air`."
        )


def sources_of(
    source: AudioSource | SoundReader,
    trajectory: Trajectory | None = None,
    *,
    downmix: bool = False,
    gain: float = 1.0,
    start: float = 0.0,
    convention: str | None = None,
) -> list[Source]:
    """The sources of a sound: one for mono or a sound field, two loudspeakers for stereo.

    Args:
        source: whatever `open_sound` takes, or an open sound, with one or two channels, or those of
            an ambisonic field.
        trajectory: None puts mono ahead and stereo on two loudspeakers.
        downmix: fold stereo down to one source.
        gain: linear.
        start: in seconds.
        convention: of a sound field: "ambix", "n3d" or "fuma"; None is that of the file.

    Raises:
        InputError: the sound cannot be read, has more than two channels and is no sound field, is
            a field with a trajectory, or is stereo with one trajectory for both channels.
    """
    sound = source if isinstance(source, SoundReader) else open_sound(source)
    if convention is not None or is_field(sound):
        return [_field_source(sound, trajectory, downmix, gain, start, convention)]
    if sound.channels > 2:
        hint = ""
        if sound.channels in FIELD_CHANNELS:
            hint = ", or give the `convention` of an ambisonic field"
        raise InputError(
            f"{sound.name} has {sound.channels} channels; a source has one: export one channel or "
            f"a stereo version{hint}."
        )
    if sound.channels == 1 or downmix or (trajectory is not None and is_dual_mono(sound)):
        return [Source(sound, trajectory or constant(0.0), None, gain, start)]
    if trajectory is not None:
        raise InputError(
            f"{sound.name} is stereo, but a position or trajectory is for one channel: fold it "
            "down with `downmix`, or leave the position out for two loudspeakers."
        )
    return [
        Source(sound, constant(azimuth), channel, gain * LOUDSPEAKER_GAIN, start)
        for channel, azimuth in enumerate((LOUDSPEAKERS, -LOUDSPEAKERS))
    ]


def _field_source(
    sound: SoundReader,
    trajectory: Trajectory | None,
    downmix: bool,
    gain: float,
    start: float,
    convention: str | None,
) -> Source:
    if trajectory is not None or downmix:
        raise InputError(
            f"{sound.name} is a sound field, with sounds all around: leave out its position and "
            "`downmix`; turn the head with `yaw` in place of it."
        )
    found = field_format(sound, convention)
    return Source(sound, constant(0.0), None, gain, start, field=found)


def raised_cosine(share: Float[np.ndarray, " frames"]) -> Float32[np.ndarray, " frames"]:
    """Gain of a fade: sin²(π·share/2), from 0 at 0 to 1 at 1 and beyond."""
    return np.square(np.sin(np.pi / 2 * share.clip(0, 1))).astype(np.float32)
