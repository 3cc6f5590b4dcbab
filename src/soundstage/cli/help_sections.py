"""Help with the options of a long command in sections, named by `rich_help_panel`, as plain text.

Typer itself prints sections with Rich only, which takes as long to import as the rest of `--help`.
"""

from typing import Any

from typer.core import TyperCommand


class SectionedCommand(TyperCommand):
    """A command whose help has one section for each panel, in the order of the options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections; options without a panel come last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record:
                argument = parameter.param_type_name == "argument"
                title = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault("Arguments" if argument else title, []).append(record)
        last = sections.pop("Options", None)
        for title, records in [*sections.items(), *([("Options", last)] if last else [])]:
            with formatter.section(title):
                formatter.write_dl(records)
