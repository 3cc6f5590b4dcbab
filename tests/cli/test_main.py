import resource
import subprocess
import sys
from pathlib import Path


def test_help_names_every_command(command):
    code, out, _ = command("--help")
    assert code == 0
    assert all(name in out for name in ("upmix", "analyze", "models", "train"))


def test_version_is_that_of_the_package(command):
    from importlib.metadata import version

    code, out, _ = command("--version")
    assert (code, out.strip()) == (0, f"soundstage {version('soundstage')}")


def test_an_unknown_option_is_a_usage_error(command):
    code, _, err = command("upmix", "--frobnicate")
    assert code == 2
    assert "frobnicate" in err
    assert "Traceback" not in err


def test_help_answers_at_once_without_torch():
    probe = "import sys, soundstage, soundstage.cli.main; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", probe], check=True)
    executable = Path(sys.executable).with_name("soundstage")
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([executable, "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.3  # of processor time, which a busy machine does not stretch
