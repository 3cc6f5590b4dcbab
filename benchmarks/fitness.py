"""Fill the tables of docs/fitness.md: `python benchmarks/fitness.py --write docs/fitness.md`.

With `--stems` and `--speech`, real sound takes the place of what code makes.
"""

import argparse
import re
from pathlib import Path

import soundstage

TABLES = re.compile(r"(?s)(?<=<!-- tables -->\n).*?(?=<!-- end -->)")


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", help="separated by commas")
    parser.add_argument("--stems", type=Path)
    parser.add_argument("--speech", type=Path)
    parser.add_argument("--write", type=Path, help="page to fill between its two comments")
    options = parser.parse_args()
    methods = options.methods.split(",") if options.methods else None
    table = soundstage.fitness(methods, stems=options.stems, speech=options.speech).markdown()
    print(table)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        filled, count = TABLES.subn(lambda _: table + "\n", page)
        if count != 1:
            parser.error(f"{options.write} has no place for the tables")
        options.write.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
