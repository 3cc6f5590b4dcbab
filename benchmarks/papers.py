"""The tables of the papers and all our values: fills `docs/benchmark.md` and the README.

    python benchmarks/papers.py --data FOLDER [--stems FOLDER] [--mono FOLDER] [--write] [--cards]

Three evaluations as by `soundstage evaluate`, all resumable: true stereo, mixes rendered from stems
at known positions, and mono recordings without a reference. `--write` replaces the tables between
the markers of the pages.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from pages import write_page
from scipy.stats import spearmanr

import soundstage.weights
from soundstage.evaluation import Results, evaluate
from soundstage.evaluation.markdown_tables import markdown, results_table, significance_lines
from soundstage.evaluation.paper_tables import paper_tables
from soundstage.evaluation.results import FLOOR, TRUTH
from soundstage.evaluation.systems import DEFAULT_BASELINES
from soundstage.metrics.catalog import ALL_FOUR
from soundstage.upmixing import READY_METHODS

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "docs" / "benchmark.md", ROOT / "README.md")
CARDS = Path(soundstage.weights.__file__).parent
CARD_FIGURES = ("d_f", "e_min", "iid_fluctuation", "width", "correlation", "artifact", "fold_down")

SHORT = ("d_f", "e_min", "iid_fluctuation", "width", "correlation", "artifact", "fold_down", "rtf")
IMAGE = ("d_f", "d_f_inf", "e_min", "iid_fluctuation", "width", "correlation", "side_balance_error")
SOUND = ("mrstft", "artifact", "fold_down", "loudness", "true_peak", "rtf")
PLACES = ("placement_contrast", "placement_spread", "torn", "lead_center")
PLACEMENT = (*PLACES, "placement_bands", "placement_time", "width", "d_f", "artifact")
REFERENCE_FREE = ("d_f_music", "iid_fluctuation", "width", "correlation", "artifact", "fold_down")


def sections(results: Results) -> dict[str, str]:
    """Tables of the evaluation of true stereo, by marker."""
    keys = [column.key for column in results.columns]
    facts = "; ".join(f"{name}: {value}" for name, value in results.settings.items())
    tested = [f"lsd_{signal}" for signal in ALL_FOUR[1:]] + [*IMAGE[2:], *SOUND[:2]]
    return {
        "settings": facts + ".",
        "short": results_table(results, SHORT, intervals=False),
        "papers": paper_tables(results),
        "image": results_table(results, IMAGE),
        "sound": results_table(results, SOUND),
        "fad": results_table(results, [key for key in keys if key.startswith("fad_tagger")]),
        "ranks": ranks(results),
        "significance": "\n".join(significance_lines(results, tested)),
    }


def ranks(results: Results) -> str:
    """Rank correlations of the metrics over systems."""
    systems = [name for name in results.systems if name not in (TRUTH, FLOOR)]

    def values(key: str) -> list[float]:
        return [results.summaries[system, key].value for system in systems]

    d_f, artifact = values("d_f"), values("artifact")
    lines = [["signal", "tagger, bands", "tagger, D_F", "tagger, artifact", "bands, artifact"]]
    for signal in ALL_FOUR[1:]:  # the mid is the input in almost every system
        tagger, bands = values(f"fad_tagger_{signal}"), values(f"fad_bands_{signal}")
        pairs = ((tagger, bands), (tagger, d_f), (tagger, artifact), (bands, artifact))
        lines.append([signal, *(f"{spearmanr(*pair).statistic:.2f}" for pair in pairs)])
    return f"Rank correlation (Spearman) over {len(systems)} systems:\n\n{markdown(lines)}"


def write_into_cards(results: Results) -> None:
    """Write the values of every method into the card of its weights."""
    figures: dict[str, dict[str, object]] = {}
    for name, method in READY_METHODS.items():
        if name not in results.systems:
            continue
        row = {key: round(results.summaries[name, key].value, 3) for key in CARD_FIGURES}
        figures.setdefault(method.weights, {"clips": len(results.clips)})[name] = row
    for weights, test in figures.items():
        path = CARDS / f"{weights}.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        tail = {key: card.pop(key) for key in ("licenses", "credits")}
        text = json.dumps({**card, "test": test, **tail}, indent=2, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="true stereo to measure on")
    parser.add_argument("--stems", type=Path, help="separate sources, for placement")
    parser.add_argument("--mono", type=Path, help="mono recordings, without a reference")
    parser.add_argument("--work", type=Path, default=Path("build/benchmark"))
    parser.add_argument("--methods", default=",".join(READY_METHODS), help="separated by commas")
    parser.add_argument("--takes", type=int, default=4, help="for E_min; the paper takes 128")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="fill the pages")
    parser.add_argument("--cards", action="store_true", help="write the values into the cards")
    options = parser.parse_args()

    settings: dict[str, Any] = {
        "methods": options.methods.split(","),
        "takes": options.takes,
        "jobs": options.jobs,
    }
    baselines = [*DEFAULT_BASELINES, "coder-mixing"]
    options.work.mkdir(parents=True, exist_ok=True)
    results = evaluate(options.data, options.work / "stereo", baselines=baselines, **settings)
    found = sections(results)
    if options.stems:
        long = {**settings, "seconds": 0, "embeddings": [], "takes": 1}
        placed = evaluate(options.stems, options.work / "stems", baselines=baselines, **long)
        found["placement"] = results_table(placed, PLACEMENT)
    if options.mono:
        free = {**settings, "reference_free": True, "embeddings": []}
        alone = evaluate(options.mono, options.work / "mono", **free)
        found["reference-free"] = results_table(alone, REFERENCE_FREE)
    print("\n\n".join(found.values()))
    if options.write:
        for page in PAGES:
            write_page(page, found)
    if options.cards:
        write_into_cards(results)


if __name__ == "__main__":
    main()
