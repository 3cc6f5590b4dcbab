"""A run of `upmix` or `restyle` over files: takes, and what is made beside them to compare them.

These are a contact sheet of several takes, and a listening page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from soundstage.audio.existing import EXISTS
from soundstage.errors import OptionError, missing_extra
from soundstage.upmixing.file_options import COMPARABLE
from soundstage.upmixing.jobs import Job, TakesWork

if TYPE_CHECKING:
    from soundstage.audio.existing import Skipped
    from soundstage.evaluation.plots.contact_sheet import ContactSheet
    from soundstage.parallel import Progress, Work
    from soundstage.upmixing.take_files import TakesResult


class RunResult(NamedTuple):
    """The takes of an input, for JSON and as lines to print."""

    records: list[dict[str, Any]]
    lines: list[str]


@dataclass(frozen=True)
class TakesRun:
    """Makes the takes of each input, their contact sheet and their page; it can be pickled."""

    work: TakesWork

    def check(self, job: Job) -> "Skipped | None":
        """What can be said about a job without loading weights; see `TakesWork.check`.

        Takes that exist are no reason to skip a job while their sheet or page is missing.
        """
        outputs = self.work.options.outputs
        if job.page and outputs != "stereo":
            raise OptionError("`listen` plays left and right alone: leave it out.")
        skipped = self.work.check(job)
        sheet, page = self._is_due(job.sheet), self._is_due(job.page)
        comparable = outputs in COMPARABLE
        if skipped and (skipped.reason != EXISTS or not comparable or not (sheet or page)):
            return skipped
        if sheet:
            self._sheet(job)
        if page and job.page:
            from soundstage.listening.before_after import check_page

            check_page(job.page, overwrite=self.work.options.overwrite)
        return None

    def load(self) -> "Work[Job, RunResult]":
        """The function that does a job."""
        make_takes = self.work.load()

        def run(job: Job, progress: "Progress") -> RunResult:
            made = make_takes(job, progress) if self.work.missing(job) else None
            reports = made.reports if made else []
            records = [report.as_dict() for report in reports]
            lines = [line for report in reports for line in report.lines()]
            sheet, page = self._is_due(job.sheet), self._is_due(job.page)
            compared = made
            if (sheet or page) and len(reports) < len(job.takes):
                compared = self._existing(job)
            if compared and (comparison := compared.comparison):
                about = {"source": str(job.source), "sheet": job.sheet and str(job.sheet)}
                places, sentences = _places(compared)
                records.append({"status": "compared"} | about | comparison.as_dict() | places)
                lines += [*comparison.table().splitlines(), *sentences]
                if sheet:
                    self._sheet(job).draw(compared.reports, comparison)
                    lines.append(f"{job.sheet}: contact sheet")
            if compared and page:
                self._write_page(job, compared)
                records.append({"status": "page", "source": str(job.source), "page": str(job.page)})
                lines.append(f"{job.page}: listening page")
            progress(1.0)
            return RunResult(records, lines)

        return run

    def _is_due(self, target: Any) -> bool:
        """Whether a sheet or page is wanted, and not to be left as it is."""
        return target is not None and not (self.work.skip_existing and target.exists())

    def _existing(self, job: Job) -> "TakesResult | None":
        """All takes of a job, measured from their files; None if they have no two channels."""
        if self.work.options.outputs not in COMPARABLE:
            return None
        from soundstage.upmixing.existing_takes import measure_existing

        targets = {take.seed: take.target for take in job.takes}
        return measure_existing(job.source, targets, self.work.reported_options)

    def _sheet(self, job: Job) -> "ContactSheet":
        from soundstage.evaluation.plots.contact_sheet import ContactSheet

        assert job.sheet is not None
        return ContactSheet(
            job.sheet,
            takes=len(job.takes),
            title=job.source.name,
            overwrite=self.work.options.overwrite,
        )

    def _write_page(self, job: Job, result: "TakesResult") -> None:
        from soundstage.listening.before_after import write_takes_page

        assert job.page is not None
        write_takes_page(job.source, result, job.page, overwrite=self.work.options.overwrite)


def _places(result: "TakesResult") -> tuple[dict[str, Any], list[str]]:
    """How far the places of the takes are apart, for JSON and as a line; empty without places."""
    plans = [report.plan for report in result.reports if report.plan]
    if len(plans) < 2:
        return {}, []
    from soundstage.upmixing.plan_differences import places_sentence, plan_differences

    differences = plan_differences(plans).round(3).tolist()
    return {"place_differences_db": differences}, [places_sentence(plans)]


def draws_sheets(takes: int, requested: bool | None, note: Callable[[str], None]) -> bool:
    """Whether the takes of each input get a contact sheet.

    Args:
        takes: of each input.
        requested: None for a sheet wherever there are several takes and matplotlib.
        note: called with the reason if there is none for want of matplotlib.

    Raises:
        OptionError: a sheet of one take is requested.
    """
    if takes == 1 and requested:
        raise OptionError("A contact sheet compares takes: set `takes` to 2 or more.")
    if takes == 1 or requested is False:
        return False
    try:
        installed = find_spec("matplotlib") is not None
    except ValueError:  # an import failed before
        installed = False
    if installed or requested:
        return True
    note(f"no contact sheet: {missing_extra('eval', 'matplotlib', 'it')}")
    return False
