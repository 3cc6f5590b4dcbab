"""`Upmixer`, a method with its weights: whole sounds, files and live streams.

upmixer = soundstage.Upmixer.from_pretrained("masked")
stereo = upmixer("old.flac", width=1.2)
upmixer.file("old.flac", "old-stereo.flac")
"""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from soundstage.audio import Audio, Source, open_sound
from soundstage.errors import OptionError
from soundstage.parallel import Progress
from soundstage.precision import in_single_precision
from soundstage.upmixing.controls import Controls, as_seeds, check_mix
from soundstage.upmixing.downmix import inspect_channels, mid_blocks
from soundstage.upmixing.engine import UpmixMethod, UpmixStream, upmix_blocks
from soundstage.upmixing.file_options import FileOptions, outputs_for
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.outputs import channels_of
from soundstage.upmixing.registry import check_method, load_method, method_for
from soundstage.upmixing.report import Report
from soundstage.upmixing.song_pass import fit_to_song
from soundstage.upmixing.stage_options import AnyPath, StageOptions, stage_options
from soundstage.upmixing.stereo_stream import StereoStream
from soundstage.upmixing.upmix_files import upmix_to_files

if TYPE_CHECKING:
    from soundstage.upmixing.plan import Plan

Seed = SupportsIndex
Target = str | os.PathLike[str]


class Upmixer:
    """A method with its weights: mono in, stereo out. It may be used from several threads.

    Args:
        method: out of `load_method`, one of your own, or a function that returns it, which is
            called at the first use.
        name: of the method, for reports.
        style: text of its style, for reports.
    """

    def __init__(
        self,
        method: UpmixMethod | Callable[[], UpmixMethod],
        *,
        name: str = "",
        style: str | None = None,
    ) -> None:
        self.name, self.style = name, style
        self._load = method if callable(method) else lambda: method

    @classmethod
    def from_pretrained(
        cls,
        name: str | None = None,
        *,
        device: str = "auto",
        weights: str | os.PathLike[str] | None = None,
        style: str | Style | None = None,
        decoder: str = "prediction",
        place: str | None = None,
        plan: "Plan | AnyPath | None" = None,
        stems: str | os.PathLike[str] | None = None,
        separator: str | None = None,
    ) -> "Upmixer":
        """Load a method.

        Args:
            name: a method of `soundstage models`; None is that of the weights, or the default.
            device: "auto", "cpu", "cuda" or "mps", of the networks.
            weights: file of `soundstage train`, in place of the pretrained weights.
            style: target of a generative method, such as "wide, narrow bass"; see docs/style.md.
            decoder: "prediction" (exact fold-down) or "mixing" (matrices of 2005, inexact).
            place: of a method that places sources, where they stand, such as "lead=0, other=wide";
                see docs/placement.md.
            plan: the places of sources by name, or the file of a plan that was written.
            stems: a folder with stems of the recording, one source a file, or one lead stem: they
                are placed as they are, and the rest is separated.
            separator: of the method `separate`, in place of its own.

        Raises:
            OptionError: an argument is unknown, or the method does not have it.
            InputError: the plan cannot be read, or the stems are no folder of sounds.
            WeightsError: the weights are missing, damaged, or of another family.
        """
        stage = stage_options(place=place, plan=plan, stems=stems, separator=separator)
        upmixer = lazy_upmixer(
            name, device=device, weights=weights, style=style, decoder=decoder, stage=stage
        )
        _ = upmixer.method
        return upmixer

    @cached_property
    def method(self) -> UpmixMethod:
        """The method with its weights."""
        return self._load()

    @in_single_precision
    def __call__(
        self,
        source: Source,
        *,
        seed: Seed | Sequence[Seed] = 0,
        width: float | None = None,
        bass_mono: float = 0.0,
        center_focus: float = 0.0,
        spread_noise: bool = False,
        downmix: bool = False,
        align: bool = False,
        mix: str = "mean",
        ambix: int | None = None,
    ) -> Audio | Any:
        """Upmix a whole sound.

        Args:
            source: a path, a binary file object, an `Audio`, or (samples, rate).
            seed: of the take; the same seed gives the same samples. Several seeds, several takes.
            width: gain of the side signal, 0 to 2; by default 1 with a limit by content: 0.3 for
                speech and a single instrument, 0.9 for all other music.
            bass_mono: crossover in Hz below which the result is mono, 20 to 500; 0 is off.
            center_focus: narrows voices and leads, 0 to 1.
            spread_noise: spread clicks and hiss too, which by default stay in the middle.
            downmix: fold down a stereo source instead of refusing it.
            align: align two channels of one recording (lag, gain, polarity), and sum them.
            mix: of aligned channels, "mean", or "best" with the least noise in every band.
            ambix: order of a sound field in place of stereo, 1 to 3: AmbiX (ACN, SN3D), with W
                equal to the source; see docs/ambisonics.md.

        Returns:
            Stereo at the rate and of the length of the source, or a list of it for several seeds;
            float32, never clipped, with (L+R)/2 equal to the source to rounding.

        Raises:
            InputError: the source cannot be read, is empty, not finite, or not mono.
            OptionError: an option is out of its range.
        """
        check_mix(mix, align=align)
        controls = Controls(width, bass_mono, center_focus, spread_noise).for_style(self.style)
        seeds, outputs = as_seeds(seed), outputs_for(ambix=ambix)
        with open_sound(source) as sound:
            channels = inspect_channels(
                sound, downmix=downmix, align=align, mix=mix, content=controls.needs_inspection
            )
            method = fit_to_song(self.method, mid_blocks(sound, channels), sound.rate)
            if ambix is not None:
                from soundstage.upmixing.sound_field import FieldMethod

                method = FieldMethod(method, ambix)
            blocks = upmix_blocks(
                mid_blocks(sound, channels),
                method,
                sound.rate,
                seeds=seeds,
                controls=controls,
                channels=channels,
            )
            parts = [[channels_of(take, outputs) for take in takes] for takes in blocks]
            takes = [
                Audio(np.concatenate(each, axis=1).astype(np.float32, copy=False), sound.rate)
                for each in zip(*parts, strict=True)
            ]
        return takes if _are_several(seed) else takes[0]

    def file(
        self,
        source: Source,
        target: Target | Sequence[Target],
        *,
        seed: Seed | Sequence[Seed] = 0,
        width: float | None = None,
        bass_mono: float = 0.0,
        center_focus: float = 0.0,
        spread_noise: bool = False,
        downmix: bool = False,
        align: bool = False,
        mix: str = "mean",
        bit_depth: str | None = None,
        rate: int | None = None,
        bit_rate: int | None = None,
        outputs: str = "stereo",
        gain_db: float | None = None,
        proof: bool = True,
        codec_checks: Sequence[str] = (),
        keep_original: bool = False,
        write_plan: bool = False,
        write_stems: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Report | Any:
        """Upmix into a file, in bounded memory, with the metadata of the source.

        Args:
            source: as for a call.
            target: its suffix chooses the format; several seeds need as many targets.
            seed: as for a call.
            width: as for a call.
            bass_mono: as for a call.
            center_focus: as for a call.
            spread_noise: as for a call.
            downmix: as for a call.
            align: as for a call.
            mix: as for a call.
            bit_depth: "16", "24", "32", "float", ...; by default that of the source.
            rate: of the result in Hz, 8,000 to 192,000; by default that of the source, or the next
                that the format holds.
            bit_rate: of a lossy result, in bit/s of all channels; by default a high one.
            outputs: "stereo" (left, right), "mid-side" (mid, side), "side" (one channel), or a
                sound field of an order from 1 to 3: "ambix1" (ACN, SN3D), "n3d1", "fuma1".
            gain_db: of the result; by default 0, or as far below as clipping demands.
            proof: read the result back before it gets its name, and compare its mono sum with the
                source.
            codec_checks: codecs and kbit/s, such as "mp3:128", that the result is tried with; the
                report has the error of the mono sum after each.
            keep_original: keep the sound of the source, bit for bit, as a second track beside the
                new one, in .mkv, .mka, .mp4, .m4a, .mov or .webm.
            write_plan: write the plan of each take beside it, with the suffix .plan.json.
            write_stems: a folder for the sources that the method places; they add up to the mono
                input.
            overwrite: replace existing targets.
            progress: called with the finished fraction.

        Returns:
            A report, or a list of them for several seeds.

        Raises:
            InputError: the source cannot be used.
            OutputError: a target cannot be written, or is not as it must be when it is read back;
                an existing one is unchanged.
            OptionError: an option is out of its range, the format cannot be written, or the
                requested gain would clip.
        """
        controls = Controls(width, bass_mono, center_focus, spread_noise)
        seeds = as_seeds(seed)
        targets = [target] if isinstance(target, str | os.PathLike) else list(target)
        if len(targets) != len(seeds):
            raise OptionError(f"There are {len(seeds)} seeds, but {len(targets)} targets.")
        options = FileOptions(
            controls=controls,
            downmix=downmix,
            align=align,
            mix=mix,
            bit_depth=bit_depth,
            rate=rate,
            bit_rate=bit_rate,
            outputs=outputs,
            gain_db=gain_db,
            proof=proof,
            codec_checks=tuple(codec_checks),
            keep_original=keep_original,
            write_plan=write_plan,
            write_stems=None if write_stems is None else Path(write_stems),
            overwrite=overwrite,
            method=self.name,
            style=self.style,
        )
        paths = dict(zip(seeds, map(Path, targets), strict=True))
        reports, _ = upmix_to_files(source, paths, lambda: self.method, options, progress)
        return reports if _are_several(seed) else reports[0]

    @in_single_precision
    def stream(
        self,
        rate: int,
        *,
        seed: Seed | Sequence[Seed] = 0,
        width: float = 1.0,
        bass_mono: float = 0.0,
        center_focus: float = 0.0,
    ) -> StereoStream:
        """Upmix block by block, for example from a live source.

        The content and the noise of a stream are not known before its end, so it is not inspected:
        neither limits the width, and clicks and hiss are spread. A method that surveys a song first
        places the sources of a stream as it does those of any song.

        Args:
            rate: of the blocks, in Hz.
            seed: as for a call.
            width: gain of the side signal, 0 to 2.
            bass_mono: as for a call.
            center_focus: as for a call.
        """
        controls = Controls(width, bass_mono, center_focus)
        stream = UpmixStream(self.method, rate, seeds=as_seeds(seed), controls=controls)
        return StereoStream(stream, several=_are_several(seed))


def lazy_upmixer(
    name: str | None,
    *,
    device: str,
    weights: str | os.PathLike[str] | None,
    style: str | Style | None,
    decoder: str,
    stage: StageOptions | None = None,
) -> Upmixer:
    """An `Upmixer` that checks its arguments now, and loads at the first use."""
    path = None if weights is None else os.fspath(weights)
    name = method_for(name, path)
    parsed = check_method(name, weights=path, decoder=decoder, style=style, stage=stage)

    def load() -> UpmixMethod:
        return load_method(
            name, weights=path, decoder=decoder, style=parsed, device=device, stage=stage
        )

    return Upmixer(load, name=name, style=None if style is None else str(style))


def _are_several(seed: Seed | Sequence[Seed]) -> bool:
    return hasattr(seed, "__len__") and getattr(seed, "ndim", 1) > 0
