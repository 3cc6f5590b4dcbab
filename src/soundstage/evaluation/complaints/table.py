"""The fitness table: every row for every system, as text, Markdown and JSON."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soundstage.evaluation.complaints.rows import Outcome, Row
from soundstage.evaluation.markdown_tables import markdown

MARKS = {True: "✓", False: "✗", None: "·"}
WORDS = {True: "pass", False: "fail", None: "none"}
LEGEND = "✓ holds, ✗ does not, · no verdict."


@dataclass(frozen=True)
class FitnessTable:
    """All outcomes."""

    systems: Sequence[str]
    rows: Sequence[Row]
    """About sound and files, with one outcome a system."""
    program_rows: Sequence[Row]
    """About the program, with one outcome."""
    outcomes: Mapping[tuple[int, str], Outcome]
    """By number of the row and system; "" for the program."""
    material: str
    """In words."""

    def markdown(self) -> str:
        """Two tables, values with a mark, thresholds beside them; ends with a line of the marks."""
        head = ["#", "complaint or wish", "test: threshold"]
        lines = [[*head, *self.systems], *map(self._line, self.rows)]
        program = [[*head, "Soundstage"], *map(self._line, self.program_rows)]
        summary = [
            "",
            "",
            "rows that hold",
            *(f"{a} of {b}" for a, b in map(self.score, self.systems)),
        ]
        tables = [markdown([*lines, summary], texts=3)]
        if self.program_rows:
            tables.append(markdown(program, texts=3))
        return "\n\n".join([*tables, f"{LEGEND} Sound: {self.material}."])

    def text(self) -> str:
        """One paragraph a row: the complaint, the test, and a line a system."""
        width = max(map(len, ("Soundstage", *self.systems)))
        parts = []
        for row in sorted((*self.rows, *self.program_rows), key=lambda row: row.number):
            head = f"{row.number:2}  {row.complaint}"
            test = textwrap.indent(f"{row.test}: {row.threshold}", "    ")
            named = self.systems if row in self.rows else ("Soundstage",)
            cells = zip(named, self._of(row), strict=True)
            found = [
                f"    {MARKS[one.passed]} {name:{width}}  {_minus(one.text)}" for name, one in cells
            ]
            parts.append("\n".join([head, test, *found]))
        scores = [(name, *self.score(name)) for name in self.systems]
        parts.append("\n".join(f"{name:{width}}  {a} of {b} rows hold" for name, a, b in scores))
        return "\n\n".join([*parts, LEGEND])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "material": self.material,
            "systems": list(self.systems),
            "rows": [
                {
                    "number": row.number,
                    "complaint": row.complaint,
                    "test": row.test,
                    "threshold": row.threshold,
                    "outcomes": {
                        name or "soundstage": {
                            "text": one.text,
                            "verdict": WORDS[one.passed],
                            **one.values,
                        }
                        for (number, name), one in self.outcomes.items()
                        if number == row.number
                    },
                }
                for row in (*self.rows, *self.program_rows)
            ],
        }

    def score(self, system: str) -> tuple[int, int]:
        """Rows that hold, and rows with a verdict."""
        verdicts = [self.outcomes[row.number, system].passed for row in self.rows]
        return verdicts.count(True), len(verdicts) - verdicts.count(None)

    def _of(self, row: Row) -> list[Outcome]:
        names = self.systems if row in self.rows else ("",)
        return [self.outcomes[row.number, name] for name in names]

    def _line(self, row: Row) -> list[str]:
        cells = [f"{_minus(one.text)} {MARKS[one.passed]}" for one in self._of(row)]
        return [str(row.number), row.complaint, f"{row.test}: {row.threshold}", *cells]


def _minus(text: str) -> str:
    """With the sign of numbers in place of a hyphen."""
    return re.sub(r"-(?=\d)", "−", text)
