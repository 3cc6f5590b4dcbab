"""The list of metrics against the page that defines them."""

from pathlib import Path

from soundstage.metrics.catalog import (
    BINAURAL_METRICS,
    CLIP_METRICS,
    REFERENCE_FREE_SET_METRICS,
    SET_METRICS,
    Column,
    frechet_audio_metrics,
)

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
NAMED = [
    *CLIP_METRICS,
    *SET_METRICS,
    *REFERENCE_FREE_SET_METRICS,
    *frechet_audio_metrics("NAME"),
    *BINAURAL_METRICS,
]


def test_every_metric_has_a_row_on_the_page_with_its_unit_and_direction() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for metric in NAMED:
        rows = [line for line in lines if line.startswith(f"| `{metric.name}`")]
        assert len(rows) == 1, metric.name
        cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
        if len(metric.signals) > 1:
            assert ", ".join(metric.signals) in cells[0]
        assert cells[1] == metric.unit
        best = {"lower": "↓", "higher": "↑", "truth": "ref", "neither": "–"}[metric.better]
        assert cells[3].startswith(best), metric.name


def test_keys_of_columns_are_unique_and_fit_for_files() -> None:
    keys = [Column(metric, signal).key for metric in NAMED for signal in metric.signals]
    assert len(set(keys)) == len(keys)
    assert all(key.replace("_", "").isalnum() for key in keys)
