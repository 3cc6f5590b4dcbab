"""`generate`: from a sentence to spatial sound.

The sentence becomes a `SceneDescription` (`prompts`), which gets sounds, places and times
(`layout`), and is rendered with an HRTF set or to an ambisonic field, in a room if there is one
(`soundstage.binaural`).
`SceneGenerator` loads the source of sounds once, for any number of scenes and takes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from soundstage import interruption
from soundstage.ambisonics.conventions import DEFAULT_CONVENTION
from soundstage.audio import Audio
from soundstage.binaural import BinauralReport, RenderOptions, ShoeBox, load_renderer, render_file
from soundstage.binaural.binaural_files import FIELD_METHOD
from soundstage.binaural.mixing import BinauralMix
from soundstage.binaural.renderers import Renderer
from soundstage.binaural.scenes import MAX_LOOP
from soundstage.errors import OptionError
from soundstage.parallel import Progress
from soundstage.precision import in_single_precision
from soundstage.scene.composed import ComposedScene
from soundstage.scene.description import SceneDescription
from soundstage.scene.event_sounds import EventSounds
from soundstage.scene.layout import Layout, LayoutOptions
from soundstage.scene.options import RATE, GenerateOptions
from soundstage.scene.prompts import parse_prompt
from soundstage.scene.sources.registry import DEFAULT_SOURCE
from soundstage.scene.sources.source import SourceOptions

BIT_DEPTH = "24"
METHOD = "hrtf"


@dataclass(frozen=True)
class SpatialAudio(Audio):
    """The ears of a scene, or its ambisonic field in AmbiX, with the scene."""

    scene: ComposedScene


class SceneGenerator:
    """Generates scenes.

    Args:
        options: beside the prompts.
        of_source: further settings of the source.

    Raises:
        OptionError: the source cannot be loaded.
        InputError: the library or the HRTF set cannot be read.
        WeightsError: the weights of the source are missing or damaged.
    """

    def __init__(
        self, options: GenerateOptions | None = None, of_source: SourceOptions | None = None
    ) -> None:
        self._options = options or GenerateOptions()
        self._notes: list[str] = []
        self._renderer = lru_cache(maxsize=2)(_renderer)
        self._renderer(self._render_options(RenderOptions(self._options.hrtf)))
        of_source = replace(of_source or SourceOptions(), log=self._notes.append)
        if self._options.library is not None:
            of_source = replace(of_source, place=self._options.library)
        self._sounds = EventSounds(self._options.source, of_source, self._options.rate)
        self._loading_notes = len(self._notes)  # on the files of a library, for every take

    @in_single_precision
    def compose(
        self,
        prompt: str | SceneDescription,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> ComposedScene:
        """A scene that is ready to render.

        Args:
            prompt: a sentence, or the description of a scene.
            seed: of the take.
            progress: callback.

        Raises:
            OptionError: the prompt is not understood, there is no sound for an event, or the scene
                is impossible.
        """
        description = parse_prompt(prompt) if isinstance(prompt, str) else prompt
        options = self._options
        seconds = description.seconds if options.seconds is None else options.seconds
        if options.loop and seconds is not None and seconds > MAX_LOOP:
            raise OptionError(f"A loop has at most {MAX_LOOP:,g} s, not {seconds:,g}.")
        del self._notes[self._loading_notes :]
        layout = Layout(
            description,
            self._sounds,
            LayoutOptions(
                seconds,
                options.rate,
                options.bit_depth or BIT_DEPTH,
                seed,
                options.loop,
                options.room_of(description),
                options.hrtf,
            ),
            self._notes.append,
        )
        composed = layout.compose(_interruptible(progress))
        return replace(composed, notes=tuple(dict.fromkeys(self._notes)))

    @in_single_precision
    def render(self, composed: ComposedScene) -> SpatialAudio:
        """The ears of a scene, or its field, in floating point: never clipped."""
        scene = composed.scene
        mix = BinauralMix(scene, self._renderer(self._render_options(scene.options)))
        channels = np.concatenate(list(mix.blocks()), axis=-1)
        return SpatialAudio(channels, mix.rate, composed)

    def render_file(
        self,
        composed: ComposedScene,
        target: str | Path,
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> BinauralReport:
        """Render a scene into a file, in constant memory; loops are kept in memory.

        Args:
            composed: from `compose`.
            target: its suffix selects the container; the file appears when it is complete.
            overwrite: whether to replace an existing target.
            progress: callback.

        Raises:
            OptionError: the format cannot be written.
            OutputError: the target cannot be written; an existing one is unchanged.
        """
        scene = composed.scene
        return render_file(
            scene,
            target,
            self._renderer(self._render_options(scene.options)),
            method=METHOD if self._options.ambix is None else FIELD_METHOD,
            convention=self._options.convention or DEFAULT_CONVENTION,
            overwrite=overwrite,
            progress=_interruptible(progress),
        )

    def _render_options(self, of_scene: RenderOptions) -> RenderOptions:
        return RenderOptions(ambix=self._options.ambix).over(of_scene)


def generate(
    prompt: str | SceneDescription,
    *,
    source: str = DEFAULT_SOURCE,
    library: str | Path | None = None,
    seconds: float | None = None,
    rate: int = RATE,
    seed: int = 0,
    loop: bool = False,
    room: str | ShoeBox | None = None,
    hrtf: str | Path | None = None,
    ambix: int | None = None,
    of_source: SourceOptions | None = None,
) -> SpatialAudio:
    """Generate spatial sound from a sentence, for headphones or as ambisonics.

    Args:
        prompt: such as "a dog barking behind me, then a car passing from right to left", or the
            description of a scene.
        source: of the sounds; see `soundstage.scene.SOURCES`.
        library: a folder of sounds, of the source `library` or `auto`.
        seconds: length; None is that of the prompt, or as long as its events.
        rate: sample rate in Hz.
        seed: of the take; the same seed gives the same samples.
        loop: the end continues at the start without a seam.
        room: a name such as "large hall", a size such as "6x4x3", or a `ShoeBox`; None is that of
            the prompt.
        hrtf: a SOFA file or the name of an HRTF set; None is KEMAR.
        ambix: order of an ambisonic field in place of ear signals, 1 to 3.
        of_source: further settings of the source, such as the steps of a diffusion model.

    Returns:
        Left and right ear, or the 4, 9 or 16 channels of the field (ACN order, SN3D), in floating
        point, with the scene as `.scene`.

    Raises:
        OptionError: the prompt is not understood, there is no sound for an event, or an option is
            out of its range.
        InputError: the library or the HRTF set cannot be read.
        WeightsError: the weights of the source are missing or damaged.
    """
    options = GenerateOptions(
        source,
        None if library is None else str(library),
        seconds,
        rate,
        loop,
        room,
        None if hrtf is None else str(hrtf),
        ambix=ambix,
    )
    generator = SceneGenerator(options, of_source)
    return generator.render(generator.compose(prompt, seed=seed))


def _renderer(options: RenderOptions) -> Renderer:
    return load_renderer(METHOD, options)


def _interruptible(progress: Progress | None) -> Callable[[float], None]:
    def report(fraction: float) -> None:
        interruption.check()
        if progress:
            progress(fraction)

    return report
