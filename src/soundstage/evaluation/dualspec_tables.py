"""The tables of DualSpec: printed values, then ours (Zhao et al. 2025, Tables I, II and III).

The printed values are measured with PANNs on 5,000 clips of four collections, ours with other
taggers on fewer clips: only the order of rows can be compared. Rows without a counterpart in the
paper follow ours: a recording or a generated mono sound, placed by the head's responses, and true
binaural sound.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from soundstage.evaluation.markdown_tables import NOTHING, markdown
from soundstage.scene.dualspec.prompts import LOCATIONS

Row = Mapping[str, float]

# Model, PSNR, SSIM, FD, KL, IS, MAE, ACC
TABLE_1 = (
    ("Mel-VAE", "25.42", "0.841", "10.42", "0.590", "11.18", "27.93", "30.02"),
    ("STFT-VAE", "31.93", "0.929", "10.37", "0.461", "12.94", "5.32", "95.50"),
    ("Dual-VAE", "27.88", "0.853", "10.66", "1.031", "10.86", "7.15", "93.32"),
)

# Model, parameters in M, GFLOP and inference time in s of one second, FD, KL, IS, MAE, ACC
TABLE_2 = (
    ("AudioLDM", "809", "452", "0.36", "21.45", "2.470", "7.194", NOTHING, NOTHING),
    ("AudioLDM2", "1034", "537", "0.71", "29.19", "2.425", "8.554", NOTHING, NOTHING),
    ("TANGO", "1317", "646", "0.53", "27.40", "2.919", "9.572", NOTHING, NOTHING),
    ("TANGO2", "1317", "646", "0.52", "31.64", "2.910", "9.835", NOTHING, NOTHING),
    ("Mel-base", "1485", "679", "0.65", "15.47", "2.058", "10.691", "32.28", "24.54"),
    ("STFT-base", "1262", "848", "0.97", "24.72", "2.388", "7.578", "9.56", "84.78"),
    ("DualSpec", "1541", "1145", "1.21", "23.87", "2.376", "7.590", "13.16", "79.02"),
    ("DualSpec-D", "1262", "887", "1.06", "21.70", "2.384", "6.152", "17.32", "76.01"),
    ("DualSpec-P", "1373", "1417", "1.82", "20.49", "2.322", "10.571", "10.79", "83.86"),
)

# Model, kind of location, FD, KL, IS, MAE, ACC
TABLE_3 = (
    ("Mel-base", "doa", "15.81", "2.032", "10.51", "30.64", "25.80"),
    ("Mel-base", "clock", "15.42", "2.056", "10.54", "31.36", "26.46"),
    ("Mel-base", "general", "15.67", "2.036", "10.17", "37.37", "20.40"),
    ("STFT-base", "doa", "24.45", "2.402", "7.75", "6.02", "94.34"),
    ("STFT-base", "clock", "24.41", "2.385", "7.82", "6.75", "94.14"),
    ("STFT-base", "general", "24.65", "2.389", "7.55", "15.43", "64.68"),
    ("DualSpec", "doa", "23.79", "2.371", "7.28", "10.61", "87.92"),
    ("DualSpec", "clock", "23.88", "2.391", "7.29", "9.86", "88.04"),
    ("DualSpec", "general", "24.18", "2.341", "7.33", "19.70", "60.76"),
    ("DualSpec-D", "doa", "21.81", "2.370", "5.98", "14.95", "83.24"),
    ("DualSpec-D", "clock", "21.70", "2.387", "6.02", "14.57", "84.10"),
    ("DualSpec-D", "general", "22.09", "2.368", "5.95", "23.10", "59.28"),
    ("DualSpec-P", "doa", "20.84", "2.309", "10.53", "7.83", "92.92"),
    ("DualSpec-P", "clock", "20.86", "2.290", "10.52", "7.72", "93.17"),
    ("DualSpec-P", "general", "20.78", "2.306", "10.32", "17.12", "63.81"),
)

COUNTERPARTS = {
    "mel-vae": "Mel-VAE",
    "stft-vae": "STFT-VAE",
    "dual-vae": "Dual-VAE",
    "mel-base": "Mel-base",
    "stft-base": "STFT-base",
    "dualspec": "DualSpec",
    "dualspec-d": "DualSpec-D",
    "dualspec-p": "DualSpec-P",
}
"""The paper's models of ours."""


class Column(NamedTuple):
    """A column of figures."""

    key: str
    heading: str
    digits: int
    factor: float = 1.0


ACC, MAE = Column("acc", "ACC, % ↑", 1, 100), Column("mae", "MAE, ° ↓", 1)
COST = (
    Column("parameters", "parameters, M", 2, 1e-6),
    Column("gflop", "GFLOP/s of sound", 1),
    Column("rtf", "s/s of sound ↓", 3),
)
RECONSTRUCTION = (Column("image psnr", "PSNR, dB ↑", 2), Column("image ssim", "SSIM ↑", 3))
WAVEFORM = (
    Column("psnr", "PSNR of waveforms, dB ↑", 2),
    Column("ssim", "SSIM of waveforms ↑", 3),
)
DIRECTION = (
    ACC,
    MAE,
    Column("front_back", "front–back, %", 1, 100),
    Column("left_right", "left–right, %", 1, 100),
    Column("itd", "ITD error, µs ↓", 0),
    Column("ild", "ILD error, dB ↓", 1),
    Column("spatial fd", "FD of the localizer ↓", 2),
)


def quality(tagger: str) -> tuple[Column, ...]:
    """FD, KL and IS by a tagger."""
    return (
        Column(f"{tagger} fd", "FD ↓", 2),
        Column(f"{tagger} kl", "KL ↓", 3),
        Column(f"{tagger} is", "IS ↑", 2),
    )


def named(tagger: str) -> Column:
    """The share of clips with the requested event."""
    return Column(f"{tagger} named", "event named, % ↑", 1, 100)


def table_1(rows: Mapping[str, Row], tagger: str) -> str:
    """Reconstruction by the autoencoders; figures of `rows` by name of the weights."""
    columns = (*RECONSTRUCTION, *quality(tagger), MAE, ACC, *WAVEFORM)
    printed = [
        [f"{name} (printed)", *values, *[NOTHING] * len(WAVEFORM)] for name, *values in TABLE_1
    ]
    return _table(columns, printed, rows)


def table_2(rows: Mapping[str, Row], tagger: str) -> str:
    """Generation: cost, quality and direction."""
    columns = (*COST, *quality(tagger), MAE, ACC, named(tagger))
    printed = [[f"{name} (printed)", *values, NOTHING] for name, *values in TABLE_2]
    return _table(columns, printed, rows)


def quality_table(rows: Mapping[str, Row], tagger: str) -> str:
    """Quality by a second tagger."""
    return _table((*quality(tagger), named(tagger)), [], rows)


def direction_table(rows: Mapping[str, Row]) -> str:
    """Direction by all measures."""
    return _table(DIRECTION, [], rows)


def table_3(rows: Mapping[tuple[str, str], Row], tagger: str) -> str:
    """Generation by kind of location; figures by model and kind."""
    columns = (*quality(tagger), MAE, ACC)
    lines = [["model", "location", *(column.heading for column in columns)]]
    lines += [[f"{model} (printed)", *values] for model, *values in TABLE_3]
    for name in dict.fromkeys(name for name, _ in rows):
        for location in LOCATIONS:
            row = rows[name, location]
            lines.append([_titled(name), location, *(_cell(row, column) for column in columns)])
    return markdown(lines, texts=2)


def curve_table(heading: str, points: Sequence[tuple[float, Row]], tagger: str) -> str:
    """Figures over a setting of the sampling, such as its steps.

    Args:
        heading: of the first column.
        points: values of the setting and their rows.
        tagger: of FD and of the named event.
    """
    columns = (quality(tagger)[0], MAE, ACC, named(tagger))
    lines = [[heading, *(column.heading for column in columns)]]
    lines += [[f"{value:g}", *(_cell(row, column) for column in columns)] for value, row in points]
    return markdown(lines, texts=0)


def _table(
    columns: Sequence[Column], printed: Sequence[Sequence[str]], rows: Mapping[str, Row]
) -> str:
    lines = [["model", *(column.heading for column in columns)], *printed]
    for name, row in rows.items():
        lines.append([_titled(name), *(_cell(row, column) for column in columns)])
    return markdown(lines)


def _titled(name: str) -> str:
    return f"`{name}`" if name in COUNTERPARTS else name


def _cell(row: Row, column: Column) -> str:
    value = row.get(column.key, math.nan)
    return NOTHING if math.isnan(value) else f"{column.factor * value:.{column.digits}f}"
