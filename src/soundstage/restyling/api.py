"""`restyle()`: a hard-panned stereo mix with a modern stage."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from soundstage.audio import Audio, Source, open_sound
from soundstage.precision import in_single_precision
from soundstage.restyling.engine import RestyleStream
from soundstage.restyling.options import RestyleOptions, restyle_style
from soundstage.restyling.song import song_blocks, survey_song
from soundstage.upmixing.controls import as_seeds
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.plan import Plan
from soundstage.upmixing.stage_options import AnyPath, stage_options
from soundstage.upmixing.upmixer import Seed


@in_single_precision
def restyle(
    source: Source,
    *,
    amount: float = 1.0,
    seed: Seed | Sequence[Seed] = 0,
    place: str | None = None,
    plan: Plan | AnyPath | None = None,
    style: str | Style | None = None,
    like: Source | None = None,
    correct: bool = True,
) -> Audio | Any:
    """Restyle a whole stereo sound whose sources are panned hard to one channel.

    >>> import numpy as np
    >>> left, right = np.random.default_rng(0).normal(0, 0.1, (2, 44_100))
    >>> result = restyle(([left, right], 44_100), amount=0.5).samples
    >>> float(abs(result.sum(axis=0) - (left + right)).max()) < 1e-6
    True

    Args:
        source: a path, a binary file object, an `Audio`, or (samples, rate), of two channels.
        amount: 0 leaves all as it is, 1 moves the sources to their places.
        seed: of the take; the same seed gives the same samples. Several seeds, several takes.
        place: where sources stand, such as "drums=center, left-other-1=half left".
        plan: the places of sources by name, or the file of a plan that was written.
        style: such as "wide, narrow drums"; with a width, a diffuseness and places of instruments.
        like: a reference record, as `source`: the result gets its pan histogram and width.
        correct: correct lag, balance and treble of the channels first.

    Returns:
        Stereo at the rate and of the length of the source, or a list of it for several seeds;
        float32, never clipped. Its (L+R)/2 is that of the corrected source, to rounding.

    Raises:
        InputError: the source cannot be read, is empty, not finite, or not stereo.
        OptionError: an option is out of its range, or a place is requested for a source that the
            song does not have.
    """
    options = RestyleOptions(
        amount=amount,
        correct=correct,
        stage=stage_options(place=place, plan=plan),
        style=restyle_style(style),
        like=like,
    )
    seeds = as_seeds(seed)
    with open_sound(source) as sound:
        song = survey_song(sound, seeds, options)
        stream = RestyleStream(song.stage, song.plans, sound.rate, amount=options.amount)
        parts = [stream.push(block) for block in song_blocks(sound, song.corrections)]
        parts.append(stream.finish())
        takes = [
            Audio(
                np.concatenate([block.left_right() for block in blocks], axis=1).astype(
                    np.float32, copy=False
                ),
                sound.rate,
            )
            for blocks in zip(*parts, strict=True)
        ]
    several = hasattr(seed, "__len__") and getattr(seed, "ndim", 1) > 0
    return takes if several else takes[0]
