"""Every metric by name: what it is called, its unit, and which way is better.

Tables, the report and the documentation read this list, so that a number has one name everywhere.
`docs/metrics.md` gives the formulas and sources.
"""

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", "truth"]
Signal = Literal["stereo", "mid", "side", "left", "right"]
ALL_FOUR: tuple[Signal, ...] = ("mid", "side", "left", "right")


@dataclass(frozen=True)
class Metric:
    """One column of the tables, or one for each of its signals."""

    name: str
    """As in the tidy table, such as "lsd"."""
    title: str
    """As a heading says it."""
    unit: str
    """"" for a pure number."""
    better: Better
    """Where the good end lies; "truth": the value that the true stereo of the clip has."""
    digits: int
    """After the decimal point, in a table."""
    meaning: str
    """Half a sentence for somebody who does not know it."""
    signals: tuple[Signal, ...] = ("stereo",)
    over: Literal["clip", "set"] = "clip"
    """Whether every clip has a value, or only all clips together."""
    needs: Literal["nothing", "truth", "sources"] = "nothing"
    """Beside the result and the mono input: the true stereo, or also its separate sources."""


@dataclass(frozen=True)
class Column:
    """A metric of one signal."""

    metric: Metric
    signal: Signal = "stereo"

    @property
    def key(self) -> str:
        """Unique, and fit for a file: "lsd_side", "width"."""
        name = self.metric.name
        return name if self.signal == "stereo" else f"{name}_{self.signal}"

    @property
    def title(self) -> str:
        """As a heading says it: "log-spectral distance, side"."""
        title = self.metric.title
        return title if self.signal == "stereo" else f"{title}, {self.signal}"


CLIP_METRICS = (
    Metric(
        "lsd",
        "log-spectral distance",
        "dB",
        "lower",
        2,
        "how far the spectrogram lies from the true one",
        ALL_FOUR,
        needs="truth",
    ),
    Metric(
        "si_snr",
        "SI-SNR",
        "dB",
        "higher",
        2,
        "how much of the true signal is in the result, sample by sample",
        ALL_FOUR,
        needs="truth",
    ),
    Metric(
        "mrstft",
        "multi-resolution STFT distance",
        "",
        "lower",
        3,
        "spectral distance of left and right over three window lengths",
        needs="truth",
    ),
    Metric(
        "e_min",
        "E_min",
        "",
        "lower",
        3,
        "error of the stereo parameters, of the best of several takes",
        needs="truth",
    ),
    Metric(
        "side_balance_error",
        "side-band balance error",
        "dB",
        "lower",
        2,
        "how far the width of the bands lies from the true one",
        needs="truth",
    ),
    Metric(
        "artifact",
        "artifact",
        "dB",
        "lower",
        2,
        "flutter between 4 and 40 Hz that neither the mono nor the true stereo has",
    ),
    Metric("width", "normalized width", "", "truth", 3, "twice the side over the mid"),
    Metric("correlation", "channel correlation", "", "truth", 3, "left with right, 1 for mono"),
    Metric("phase_correlation", "phase correlation", "", "truth", 3, "1 − channel correlation"),
    Metric(
        "iid_fluctuation",
        "iid_fluctuation",
        "dB",
        "truth",
        2,
        "how much a place changes from frame to frame",
    ),
    Metric("fold_down", "fold-down error", "dB", "lower", 1, "what (L+R)/2 has lost of the mono"),
    Metric("loudness", "loudness", "LUFS", "truth", 1, "integrated, after BS.1770"),
    Metric("true_peak", "true peak", "dBTP", "lower", 1, "the largest value between the samples"),
    Metric(
        "rtf",
        "real-time factor",
        "",
        "lower",
        4,
        "seconds of processor time for a second of sound, on one core",
    ),
    Metric(
        "placement_bands",
        "placement, over bands",
        "dB",
        "lower",
        2,
        "how far one instrument is spread over places at the same time",
        needs="sources",
    ),
    Metric(
        "placement_time",
        "placement, over time",
        "dB",
        "lower",
        2,
        "how far one instrument wanders",
        needs="sources",
    ),
)

SET_METRICS = (
    Metric(
        "d_f",
        "D_F",
        "",
        "lower",
        2,
        "Fréchet distance of the stereo parameters to the true ones",
        over="set",
        needs="truth",
    ),
    Metric(
        "d_f_inf",
        "D_F, infinite set",
        "",
        "lower",
        2,
        "D_F, extrapolated to infinitely many clips",
        over="set",
        needs="truth",
    ),
)

BINAURAL_METRICS = (
    Metric(
        "wave_l2",
        "Wave L2",
        "",
        "lower",
        6,
        "squared error at the two ears, sample by sample",
        needs="truth",
    ),
    Metric(
        "amplitude_l2",
        "Amplitude L2",
        "",
        "lower",
        3,
        "difference of the magnitudes of the spectra",
        needs="truth",
    ),
    Metric(
        "phase_l2",
        "Phase L2",
        "rad",
        "lower",
        3,
        "difference of the phases of what is loud enough to have one",
        needs="truth",
    ),
    Metric(
        "pesq",
        "PESQ",
        "",
        "higher",
        3,
        "how good speech would sound to listeners who know the truth",
        needs="truth",
    ),
    Metric(
        "itd_error",
        "interaural time error",
        "µs",
        "lower",
        1,
        "how far the lead of one ear lies from the true one",
        needs="truth",
    ),
    Metric(
        "ild_error",
        "interaural level error",
        "dB",
        "lower",
        2,
        "how far the level of one ear over the other lies from the true one",
        needs="truth",
    ),
)

REFERENCE_FREE_SET_METRICS = (
    Metric(
        "d_f_music",
        "D_F to real music",
        "",
        "lower",
        2,
        "Fréchet distance of the stereo parameters to those of real records at large",
        over="set",
    ),
)


def frechet_audio_metrics(embedding: str) -> tuple[Metric, Metric]:
    """The two Fréchet audio distances over one embedding: plain, and extrapolated."""
    return (
        Metric(
            f"fad_{embedding}",
            f"FAD ({embedding})",
            "",
            "lower",
            2,
            "Fréchet distance of what a listening network hears to what it hears in the truth",
            ALL_FOUR,
            "set",
            "truth",
        ),
        Metric(
            f"fad_{embedding}_inf",
            f"FAD ({embedding}), infinite set",
            "",
            "lower",
            2,
            "the same, extrapolated to infinitely many clips",
            ALL_FOUR,
            "set",
            "truth",
        ),
    )
