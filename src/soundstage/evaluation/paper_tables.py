"""The tables of the two papers: printed values beside our measurements.

Serrà et al., "Mono-to-stereo through parametric stereo generation" (ISMIR 2023), Tables 1 and 3;
DiffStereo (2025), Tables 1 and 2. Methods without implementation are listed as such.
"""

import math
from collections.abc import Mapping, Sequence

from soundstage.evaluation.markdown_tables import NOTHING, markdown
from soundstage.evaluation.results import FLOOR, TRUTH, Results
from soundstage.upmixing import READY_METHODS
from soundstage.weights import model_card

# Approach, our system, E_min, D_F, preference
PS_TABLE_1 = (
    ("Mono", "mono", "0.104", "20.89", "0.090 ± 0.042"),
    ("PS-Reg", "regression", "0.069", "8.11", "0.451 ± 0.066"),
    ("Decorr", "decorrelate", "0.093", "8.32", "0.457 ± 0.064"),
    ("PS-AR", "autoregressive", "0.074", "0.62", "0.527 ± 0.060"),
    ("PS-NN", "nearest", "0.089", "3.08", "0.582 ± 0.057"),
    ("PS-NN", "nearest-smoothed", "0.089", "3.08", "0.582 ± 0.057"),
    ("PS-MTM", "masked", "0.068", "0.59", "0.608 ± 0.050"),
    ("Stereo", FLOOR, "0.000", "0.03", "0.908 ± 0.042"),
)

# Approach, our system, learnable parameters, real-time factor on a CPU
PS_TABLE_3 = (
    ("Decorr", "decorrelate", "0", "0.25"),
    ("PS-Reg", "regression", "30.1 M", "0.32"),
    ("PS-NN", "nearest", "34.0 M", "0.82"),
    ("PS-MTM", "masked", "34.5 M", "5.81"),
    ("PS-AR", "autoregressive", "34.5 M", "255.87"),
)

SIGNALS = ("mid", "side", "left", "right")

# Model, our system, LSD of mid, side, left, right, then SI-SNR of the same
DIFFSTEREO_TABLE_1 = (
    (
        "Waves PS22",
        "comb",
        *("0.3951", "0.7842", "0.5442", "0.5236"),
        *("-22.94", "-24.55", "-20.87", "-18.03"),
    ),
    (
        "Ambisonizer",
        "ambisonic",
        *("0.4351", "0.6572", "0.4550", "0.4580"),
        *("47.78", "-31.57", "4.64", "4.93"),
    ),
    (
        "DiffStereo",
        "diffstereo",
        *("0.6324", "0.7578", "0.6806", "0.6933"),
        *("4.96", "-44.97", "1.07", "0.96"),
    ),
)

# Model, our system, normalized width, channel correlation, phase correlation, FAD of the four
DIFFSTEREO_TABLE_2 = (
    ("Ground Truth", TRUTH, "0.715", "0.761", "0.238", *(NOTHING,) * 4),
    ("Waves PS22", "comb", "0.966", "0.592", "0.408", "11.92", "10.69", "11.36", "10.93"),
    ("Ambisonizer", "ambisonic", "0.910", "0.653", "0.347", "0.00", "0.62", "0.18", "0.14"),
    ("DiffStereo", "diffstereo", "0.867", "0.676", "0.324", "0.20", "1.53", "0.33", "0.33"),
)


def paper_tables(results: Results, *, embedding: str = "tagger") -> str:
    """All four tables in Markdown.

    Args:
        results: of an evaluation with true stereo.
        embedding: of the Fréchet audio distance in Table 2 of DiffStereo.
    """
    cell = Cells(results)
    fad = [f"fad_{embedding}_{signal}" for signal in SIGNALS]
    spectral = [f"lsd_{signal}" for signal in SIGNALS] + [f"si_snr_{signal}" for signal in SIGNALS]
    image = ["width", "correlation", "phase_correlation", *fad]
    parts = [
        "### Parametric stereo, Table 1",
        _table(
            ("E_min ↓", "D_F ↓"),
            [
                (approach, system, (e_min, d_f), (cell.stereo_e_min(system), cell(system, "d_f")))
                for approach, system, e_min, d_f, _ in PS_TABLE_1
            ],
            extra=("preference ↑", [row[-1] for row in PS_TABLE_1]),
        ),
        "### Parametric stereo, Table 3",
        _table(
            ("parameters", "real-time factor ↓"),
            [
                (approach, system, printed, (parameter_count(system), cell(system, "rtf")))
                for approach, system, *printed in PS_TABLE_3
            ],
        ),
        "### DiffStereo, Table 1",
        _printed_and_ours(
            [f"LSD {signal} ↓" for signal in SIGNALS]
            + [f"SI-SNR {signal} ↑" for signal in SIGNALS],
            DIFFSTEREO_TABLE_1,
            spectral,
            cell,
            results,
        ),
        "### DiffStereo, Table 2",
        _printed_and_ours(
            ["width", "channel corr.", "phase corr.", *(f"FAD {signal} ↓" for signal in SIGNALS)],
            DIFFSTEREO_TABLE_2,
            image,
            cell,
            results,
        ),
    ]
    return "\n\n".join(parts) + "\n"


class Cells:
    """Formatted values by system and column."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._digits = {column.key: column.metric.digits for column in results.columns}

    def __call__(self, system: str, key: str) -> str:
        """A formatted value, or a dash."""
        estimate = self._results.summaries.get((system, key))
        if estimate is None or math.isnan(estimate.value):
            return NOTHING
        return f"{estimate.value:.{self._digits[key]}f}"

    def stereo_e_min(self, system: str) -> str:
        """E_min; the paper's row "Stereo" is the true stereo here, except for D_F."""
        return self(TRUTH if system == FLOOR else system, "e_min")


def parameter_count(system: str) -> str:
    """Number of parameters of the pretrained weights of a method."""
    if system not in READY_METHODS:
        return NOTHING
    count = model_card(READY_METHODS[system].weights)["parameters"]
    return f"{count / 1e6:.1f} M" if count >= 1e5 else str(count)


def _table(
    columns: Sequence[str],
    rows: Sequence[tuple[str, str, Sequence[str], Sequence[str]]],
    extra: tuple[str, Sequence[str]] | None = None,
) -> str:
    """Printed and measured values side by side, column by column."""
    headings = ["approach", "ours"]
    for column in columns:
        headings += [f"{column} printed", f"{column} here"]
    lines = [[*headings, *([f"{extra[0]} printed"] if extra else [])]]
    for index, (approach, system, printed, ours) in enumerate(rows):
        line = [approach, named(system)]
        for pair in zip(printed, ours, strict=True):
            line += pair
        lines.append([*line, *([extra[1][index]] if extra else [])])
    return markdown(lines)


def _printed_and_ours(
    columns: Sequence[str],
    printed: Sequence[tuple[str, ...]],
    keys: Sequence[str],
    cell: Cells,
    results: Results,
) -> str:
    """The rows of the paper first, then ours."""
    lines = [["model", *columns]]
    lines += [[f"{model} (printed)", *values] for model, _, *values in printed]
    counterpart: Mapping[str, str] = {system: model for model, system, *_ in printed}
    for system in results.systems:
        if system == FLOOR:
            continue
        known = counterpart.get(system)
        like = f"{system} (as {known})" if known and system != TRUTH else system
        lines.append([like, *(cell(system, key) for key in keys)])
    missing = [system for _, system, *_ in printed if system not in results.systems]
    for system in missing:
        why = "not measured" if system in READY_METHODS else "not implemented"
        lines.append([f"{system}, {why}", *(NOTHING for _ in keys)])
    return markdown(lines)


def named(system: str) -> str:
    """The name of a system, marked if it is not implemented."""
    known = system in READY_METHODS or system in (TRUTH, FLOOR, "mono")
    return f"`{system}`" if known else f"{system}, not implemented"
