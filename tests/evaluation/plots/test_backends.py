import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from soundstage.evaluation.plots.plotting import import_matplotlib
import_matplotlib("Drawing")
from matplotlib.figure import Figure
Figure((1, 1)).savefig(sys.argv[1])
import matplotlib
backend = matplotlib.rcParams._get("backend")
sys.stdout.write(f"{os.environ['MPLBACKEND']} {backend if isinstance(backend, str) else None}")
"""


@pytest.mark.slow
def test_pictures_need_no_backend_and_the_setting_stays(tmp_path):
    for setting, backend in (("nonsense", "None"), ("svg", "svg")):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "a.png")],
            env={**os.environ, "MPLBACKEND": setting},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout == f"{setting} {backend}"
        assert (tmp_path / "a.png").stat().st_size > 0
