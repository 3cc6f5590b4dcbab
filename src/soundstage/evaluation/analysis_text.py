"""Text of an `Analysis`: values with units, for a terminal or a picture."""

import math
import shlex

from soundstage.metrics.analysis import Analysis

BAND_COLUMNS = ("band, Hz", "IID, dB", "spread, dB", "IC", "energy, dB")
NOTHING = "-"
_KINDS = {
    "mono": "Mono",
    "dual mono": "Dual mono: both channels are the same",
    "one channel": "One channel is silent",
    "near-mono": "One recording in two channels that differ",
    "hard-panned": "Hard-panned stereo",
    "stereo": "True stereo",
}
_CONTENTS = {
    "speech": "speech",
    "solo": "a single voice or instrument",
    "music": "music",
    "noise": "noise or a field recording",
    "silence": "silence",
    "unknown": "",
}


def summary_rows(analysis: Analysis) -> list[tuple[str, str]]:
    """Name and value of every measurement of the whole file; "-" if undefined."""
    return [
        ("format", f"{analysis.format}, {_kilohertz(analysis)}"),
        ("length", _length(analysis)),
        ("image", analysis.image),
        ("true peak", _with_unit(analysis.true_peak_db, "dBTP")),
        ("sample peak", _with_unit(analysis.sample_peak_db, "dBFS")),
        ("rms", _with_unit(analysis.rms_db, "dBFS")),
        ("width", _number(analysis.width, 3)),
        ("channel correlation", _number(analysis.channel_correlation, 3)),
        ("phase correlation", _number(analysis.phase_correlation, 3)),
        ("side over mid", _with_unit(analysis.side_to_mid_db, "dB")),
        ("left over right", _with_unit(analysis.balance_db, "dB")),
        ("IID fluctuation", _with_unit(analysis.iid_fluctuation_db, "dB", digits=2)),
    ]


def verdict(analysis: Analysis, source: str) -> list[str]:
    """What the file is, in sentences, and last the command that upmixes it, if one does.

    Args:
        analysis: of the file.
        source: its path, for the command.
    """
    silent = analysis.rms_db == -math.inf
    cancels = analysis.content.kind == "silence" and not silent  # opposite channels sum to nothing
    kind, content = _KINDS[analysis.kind], "" if cancels else _CONTENTS[analysis.content.kind]
    facts, options = [f"{kind}, {content}." if content else f"{kind}."], ""
    if analysis.kind == "near-mono" and analysis.alignment:
        correlation = f"correlation {analysis.alignment.correlation:.3f} after alignment"
        found = analysis.alignment.describe() or "they differ by noise alone"
        facts.append(f"The channels: {found} ({correlation}).")
        options = " --align"
    elif analysis.kind == "one channel":
        side = "left" if analysis.balance_db > 0 else "right"
        facts.append(f"Only the {side} channel has sound; the sum has half its level.")
        options = " --downmix"
    elif analysis.kind == "hard-panned":
        share = f"{100 * analysis.hard_panned_share:.0f} %"
        facts.append(f"{share} of the energy is in one channel alone.")
        options = " --downmix"
    elif analysis.kind == "stereo":
        facts.append("It is finished; an upmix would fold it down and replace its image.")
        options = " --downmix"
    if analysis.noise.describe():
        facts.append(
            f"Surface noise: {analysis.noise.describe()}; an upmix keeps it in the middle."
        )
    if analysis.content.kind in ("speech", "solo"):
        facts.append(
            f"An upmix is narrow by default, width {analysis.content.max_width:g} at most."
        )
    if not silent:
        facts.append(f"soundstage upmix {shlex.quote(source)}{options}")
    return facts


def band_rows(analysis: Analysis) -> list[tuple[str, str, str, str, str]]:
    """A row per band, with the columns `BAND_COLUMNS`; "-" if a band is empty."""
    return [
        (
            f"{band.low_hz:.0f} - {band.high_hz:.0f}",
            _number(band.iid_db, 1),
            _number(band.iid_spread_db, 1),
            _number(band.coherence, 2),
            _number(10 * math.log10(band.energy_share), 1) if band.energy_share else NOTHING,
        )
        for band in analysis.bands
    ]


def describe(analysis: Analysis) -> str:
    """One line for a picture."""
    facts = [
        analysis.image,
        _kilohertz(analysis),
        _length(analysis),
        describe_image(analysis),
        f"side/mid {_with_unit(analysis.side_to_mid_db, 'dB')}",
        f"true peak {_with_unit(analysis.true_peak_db, 'dBTP')}",
    ]
    return "  ·  ".join(map(typeset, facts))


def describe_image(analysis: Analysis) -> str:
    """The stereo image in half a line."""
    facts = (
        f"width {_number(analysis.width, 2)}",
        f"correlation {_number(analysis.channel_correlation, 2)}",
        f"IID fluctuation {_with_unit(analysis.iid_fluctuation_db, 'dB')}",
    )
    return "  ·  ".join(map(typeset, facts))


def typeset(text: str) -> str:
    """Typographic minus and infinity signs, which a terminal may not have."""
    return text.replace("-", "−").replace("inf", "∞")


def _number(value: float, digits: int) -> str:
    if math.isnan(value):
        return NOTHING
    rounded = round(value, digits) if math.isfinite(value) else value
    return f"{rounded + 0.0:.{digits}f}"  # + 0 makes −0 a plain 0


def _with_unit(value: float, unit: str, *, digits: int = 1) -> str:
    return NOTHING if math.isnan(value) else f"{_number(value, digits)} {unit}"


def _kilohertz(analysis: Analysis) -> str:
    return f"{analysis.rate / 1000:g} kHz"


def _length(analysis: Analysis) -> str:
    minutes, seconds = divmod(round(analysis.duration, 1), 60)
    if minutes:
        return f"{minutes:.0f}:{seconds:04.1f} min"
    return f"{analysis.duration:.3g} s"
