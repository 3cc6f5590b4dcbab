"""List of all metrics: name, title, unit, direction and meaning.

Tables, report and documentation use these names. `docs/metrics.md` gives formulas and sources.
"""

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", "truth", "neither"]
Signal = Literal["stereo", "mid", "side", "left", "right"]
ALL_FOUR: tuple[Signal, ...] = ("mid", "side", "left", "right")


@dataclass(frozen=True)
class Metric:
    """One column of the tables, or one for each of several signals."""

    name: str
    """In the exported table, such as "lsd"."""
    title: str
    """In a heading."""
    unit: str
    """"" for a number without unit."""
    better: Better
    """Better direction; "truth": nearer to the value of the true stereo of the clip; "neither": a
    fact that ranks nothing."""
    digits: int
    """Decimals in a table."""
    meaning: str
    """Short explanation for newcomers."""
    signals: tuple[Signal, ...] = ("stereo",)
    over: Literal["clip", "set"] = "clip"
    """Whether each clip has a value, or only the whole set."""
    needs: Literal["nothing", "truth", "sources"] = "nothing"
    """Reference beyond the mono input: the true stereo, or its separate sources as well."""


@dataclass(frozen=True)
class Column:
    """A metric of one signal."""

    metric: Metric
    signal: Signal = "stereo"

    @property
    def key(self) -> str:
        """Unique key, such as "lsd_side" or "width"."""
        name = self.metric.name
        return name if self.signal == "stereo" else f"{name}_{self.signal}"

    @property
    def title(self) -> str:
        """Heading, such as "log-spectral distance, side"."""
        title = self.metric.title
        return title if self.signal == "stereo" else f"{title}, {self.signal}"


HEADLINE = (
    "d_f",
    "d_f_music",
    "placement_contrast",
    "width",
    "iid_fluctuation",
    "artifact",
    "fold_down",
    "rtf",
)
"""Names of the measures to read first: is the image like that of music, has every instrument a
place, how wide and how steady is it, does it warble, does it fold down, how long does it take.
`d_f_music` replaces `d_f` where there is no true stereo; the contrast needs stems."""

CLIP_METRICS = (
    Metric(
        "lsd",
        "log-spectral distance",
        "dB",
        "lower",
        2,
        "distance of the log spectrogram to the true one",
        ALL_FOUR,
        needs="truth",
    ),
    Metric(
        "si_snr",
        "SI-SNR",
        "dB",
        "higher",
        2,
        "waveform error, invariant to gain",
        ALL_FOUR,
        needs="truth",
    ),
    Metric(
        "mrstft",
        "multi-resolution STFT distance",
        "",
        "lower",
        3,
        "spectral distance of left and right at three window lengths",
        needs="truth",
    ),
    Metric(
        "e_min",
        "E_min",
        "",
        "lower",
        3,
        "error of the stereo parameters, best of several takes",
        needs="truth",
    ),
    Metric(
        "side_balance_error",
        "side-band balance error",
        "dB",
        "lower",
        2,
        "error of the side-to-mid ratio per band",
        needs="truth",
    ),
    Metric(
        "artifact",
        "artifact",
        "dB",
        "lower",
        2,
        "added fluctuation between 4 and 40 Hz",
    ),
    Metric("width", "normalized width", "", "truth", 3, "twice the side over the mid"),
    Metric(
        "correlation",
        "channel correlation",
        "",
        "truth",
        3,
        "correlation of left and right, 1 for mono",
    ),
    Metric("phase_correlation", "phase correlation", "", "truth", 3, "1 − channel correlation"),
    Metric(
        "iid_fluctuation",
        "IID fluctuation",
        "dB",
        "truth",
        2,
        "change of panning from frame to frame",
    ),
    Metric("fold_down", "fold-down error", "dB", "lower", 1, "error of (L+R)/2 against the mono"),
    Metric("loudness", "loudness", "LUFS", "truth", 1, "integrated loudness, BS.1770"),
    Metric("true_peak", "true peak", "dBTP", "neither", 1, "largest value between the samples"),
    Metric(
        "rtf",
        "real-time factor",
        "",
        "lower",
        4,
        "processor seconds per second of audio, on one core",
    ),
    Metric(
        "placement_contrast",
        "placement contrast",
        "",
        "higher",
        2,
        "share of the panning that tells instruments apart",
        needs="sources",
    ),
    Metric(
        "placement_spread",
        "placement spread",
        "dB",
        "truth",
        2,
        "how far apart the instruments stand",
        needs="sources",
    ),
    Metric(
        "torn",
        "torn",
        "dB",
        "lower",
        2,
        "spread of one instrument over bands within a second",
        needs="sources",
    ),
    Metric(
        "lead_center",
        "side of the lead",
        "dB",
        "lower",
        1,
        "side over mid of the lead voice",
        needs="sources",
    ),
    Metric(
        "placement_bands",
        "placement, over bands",
        "dB",
        "lower",
        2,
        "spread of one instrument over bands",
        needs="sources",
    ),
    Metric(
        "placement_time",
        "placement, over time",
        "dB",
        "lower",
        2,
        "spread of one instrument over time",
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
        "Fréchet distance of the stereo parameters",
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
        "difference of the magnitude spectra",
        needs="truth",
    ),
    Metric(
        "phase_l2",
        "Phase L2",
        "rad",
        "lower",
        3,
        "phase difference in bins with enough energy",
        needs="truth",
    ),
    Metric(
        "pesq",
        "PESQ",
        "",
        "higher",
        3,
        "predicted speech quality",
        needs="truth",
    ),
    Metric(
        "itd_error",
        "ITD error",
        "µs",
        "lower",
        1,
        "error of the interaural time difference",
        needs="truth",
    ),
    Metric(
        "ild_error",
        "ILD error",
        "dB",
        "lower",
        2,
        "error of the interaural level difference",
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
        "Fréchet distance of the stereo parameters to a fixed set of real music",
        over="set",
    ),
)


def frechet_audio_metrics(embedding: str) -> tuple[Metric, Metric]:
    """Fréchet audio distance over one embedding: plain and extrapolated."""
    return (
        Metric(
            f"fad_{embedding}",
            f"FAD ({embedding})",
            "",
            "lower",
            2,
            "Fréchet distance of the embeddings to those of the true stereo",
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
