import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "kill.py"


@pytest.mark.long
def test_a_signal_at_any_moment_leaves_no_half_file_and_nothing_after_the_next_run():
    """The first kinds of `make test-kill`, which prints what went wrong and exits with 1."""
    run = subprocess.run(
        [sys.executable, str(PROGRAM), "--runs", "6", "--seed", "1"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout
    assert run.stdout.startswith("| signal | runs | ended early | half files |")
