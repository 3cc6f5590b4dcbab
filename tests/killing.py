"""Kill a training with SIGKILL, as a power cut would."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
import yaml

from soundstage.training.checkpoints import checkpoint_path


def kill_training(content: dict, data: Path, folder: Path) -> Path:
    """Start a training, kill it after its first checkpoint, and return the path of its output."""
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content))
    output = folder / "mine.safetensors"
    program = "from soundstage.cli.main import main; main()"
    command = [sys.executable, "-c", program, "train", str(folder / "recipe.yaml")]
    command += ["--data", str(data), "-o", str(output), "--device", "cpu", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    run = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 60
    while not checkpoint_path(output).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert checkpoint_path(output).exists()
    assert not output.exists()
    return output
