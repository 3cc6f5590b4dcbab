"""Settings of every test: one thread, and a few fixed examples from hypothesis."""

import torch
from hypothesis import settings

torch.set_num_threads(1)  # signals are short: further threads only wait for each other

settings.register_profile("soundstage", max_examples=20, deadline=None, derandomize=True)
settings.load_profile("soundstage")
