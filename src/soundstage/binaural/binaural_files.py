"""Files of scenes, binaural or ambisonic: render the sources, mix, prevent clipping, write.

Floating-point formats are written while rendering. For all others the gain depends on the peak of
the whole result, which is kept meanwhile in an unnamed temporary file beside the target. Reading,
rendering and writing run in three threads.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from soundstage.ambisonics.conventions import DEFAULT_CONVENTION, describe, from_ambix, order_of
from soundstage.ambisonics.field_formats import field_mark
from soundstage.audio import (
    Metadata,
    Quantizer,
    SoundWriter,
    Spool,
    TruePeakMeter,
    decibels,
    is_same_file,
    output_format,
    safe_gain,
    supported_rate,
)
from soundstage.audio.file_report import FileReport
from soundstage.binaural.mixing import BinauralMix, Channels
from soundstage.binaural.render_options import BINAURAL
from soundstage.binaural.renderers import Renderer
from soundstage.binaural.scenes import Scene, Source, scene_of
from soundstage.errors import OutputError
from soundstage.parallel import Progress, prefetch
from soundstage.precision import in_single_precision

FIELD_METHOD = "ambix"  # in reports, where ear signals have the name of a renderer
RENDERING = 0.8  # share of the progress before the gain is known


@dataclass(frozen=True, kw_only=True)
class BinauralReport(FileReport):
    """Result of rendering a binaural file, or that of an ambisonic field."""

    sources: list[str]
    """File of each source; a stereo file on two loudspeakers appears twice."""
    order: int | None = None
    """Of an ambisonic field; None of ear signals."""
    convention: str | None = None
    """Of an ambisonic field: "ambix", "n3d" or "fuma"."""
    fields: list[str] = field(default_factory=list)
    """Order and convention of each source that is a sound field, and how they are known."""

    def _facts(self) -> list[str]:
        facts = self._resampling()
        if self.order is not None and self.convention is not None:
            facts.insert(0, describe(self.order, self.convention))
        if len(self.sources) > 1:
            facts.append(f"{len(self.sources)} sources")
        return facts + self._attenuation()

    def _details(self) -> list[str]:
        return [*(f"sound field {each}" for each in self.fields), *super()._details()]


@in_single_precision
def render_file(
    sources: Sequence[Source] | Scene,
    target: str | Path,
    renderer: Renderer,
    *,
    method: str = "",
    tail: bool = True,
    bit_depth: str | None = None,
    rate: int | None = None,
    convention: str = DEFAULT_CONVENTION,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BinauralReport:
    """Render sources into one file.

    Args:
        sources: from `sources_of`, or a scene. If all are from one file and start with it, its
            tags and other metadata are kept, and the video of a film if the target is a film;
            tags of the scene take their place.
        target: its suffix selects the container; the file appears when it is complete.
        renderer: for example an `HrtfRenderer`; the `options` of a scene are its caller's matter.
        method: name of the renderer, for the report.
        tail: keep the reverberation tail after the last sound, unless a scene has its own length.
        bit_depth: "16", "24", "32", "float", ...; by default that of the scene, or of the first
            source.
        rate: sample rate in Hz, 8,000 to 192,000; by default that of the scene, or the highest of
            the sources, or the next that the format holds.
        convention: of the channels of an ambisonic field: "ambix", "n3d" or "fuma".
        overwrite: whether to replace an existing target.
        progress: callback.

    Raises:
        InputError: a source cannot be read.
        OutputError: the target cannot be written; an existing one is unchanged.
        OptionError: there is no source, the format cannot be written, or a position is impossible.
    """
    started = time.perf_counter()
    target, scene = Path(target), scene_of(sources)
    for source in scene.sources:
        if is_same_file(source.sound.path, target):
            raise OutputError(f"{target} is one of the sources; choose another name.")
    first = scene.sources[0].sound
    usual = first.format
    if scene.bit_depth is not None:
        usual = output_format(usual, ".wav", scene.bit_depth)
    form = output_format(usual, target.suffix, bit_depth)
    highest = max(source.sound.rate for source in scene.sources)
    mix = BinauralMix(
        scene, renderer, tail=tail, rate=rate or supported_rate(form, scene.rate or highest)
    )
    alone = first.path is not None and all(
        each.sound.path == first.path and not each.start for each in scene.sources
    )
    order = None if mix.channels == BINAURAL else order_of(mix.channels)
    tags = Metadata.from_tags(scene.tags) if scene.tags else None
    alone = alone and tags is None
    with SoundWriter(
        target,
        rate=mix.rate,
        channels=mix.channels,
        format=form,
        metadata=first.metadata if alone else tags or Metadata(),
        source_rate=first.rate,
        overwrite=overwrite,
        expected_frames=mix.expected_frames,
        picture_from=first.path if alone else None,
        field=None if order is None else field_mark(order, convention),
    ) as writer:
        written = _write(mix, convention, writer, progress or (lambda _: None))
    return BinauralReport(
        sources=[source.sound.name for source in scene.sources],
        target=str(target),
        source_rate=highest,
        rate=mix.rate,
        frames=written.frames,
        container=writer.format.container,
        encoding=writer.format.encoding,
        method=method,
        order=order,
        convention=None if order is None else convention,
        fields=_fields(scene),
        gain_db=decibels(written.gain),
        true_peak_db=decibels(written.peak.true_peak * written.gain),
        seconds=time.perf_counter() - started,
        carried=writer.receipt.carried,
        not_carried=(writer.receipt.not_carried if alone or tags else _left_behind(scene.sources)),
    )


def _fields(scene: Scene) -> list[str]:
    """What is known of each source that is a sound field."""
    walks = scene.listener is not None and scene.listener.positions.any()
    note = "; it stays the same wherever the head walks" if walks else ""
    return [
        f"{source.sound.name}: {source.field.sentence}{note}"
        for source in scene.sources
        if source.field is not None
    ]


def _left_behind(sources: Sequence[Source]) -> tuple[str, ...]:
    """What a mix of several files does not carry."""
    names = {
        source.sound.name
        for source in sources
        if source.sound.path is not None and source.sound.metadata != Metadata()
    }
    return tuple(f"metadata of {name}: the result is a mix" for name in sorted(names))


@dataclass
class _Written:
    """Measurements of a written file."""

    peak: TruePeakMeter
    frames: int = 0
    gain: float = 1.0


def _write(mix: BinauralMix, convention: str, writer: SoundWriter, progress: Progress) -> _Written:
    written = _Written(TruePeakMeter(mix.rate, mix.channels))
    bits = writer.format.integer_bits
    if bits is None and not writer.format.is_lossy:
        for block in _measured(mix, convention, written, progress, share=1.0):
            writer.write(block)
        written.peak.finish()
        return written
    with Spool(writer.path, mix.channels) as spool:
        sizes = []
        for block in _measured(mix, convention, written, progress, share=RENDERING):
            spool.write(block)
            sizes.append(block.shape[1])
        written.peak.finish()
        written.gain = safe_gain(written.peak, None, bits)
        spool.rewind()
        quantizer, done = Quantizer(bits) if bits else None, 0
        for size in sizes:
            block = spool.read(size) * np.float32(written.gain)
            writer.write(quantizer.quantize(block) if quantizer else block)
            done += size
            progress(RENDERING + (1 - RENDERING) * done / written.frames)
    return written


def _measured(
    mix: BinauralMix, convention: str, written: _Written, progress: Progress, *, share: float
) -> Iterator[Channels]:
    """The blocks of a mix, with their peak and number of frames measured."""
    expected = mix.sound_frames
    for block in prefetch(mix.blocks()):
        if mix.channels != BINAURAL:
            block = from_ambix(block, convention)
        written.peak.push(block)
        written.frames += block.shape[1]
        yield block
        if expected:
            progress(share * min(written.frames / expected, 1))
