"""What all tests share: this folder on the path (for `sounds`), and how hard hypothesis tries."""

import torch
from hypothesis import settings

torch.set_num_threads(1)  # small signals: more threads only wait for each other

settings.register_profile("soundstage", max_examples=20, deadline=None, derandomize=True)
settings.load_profile("soundstage")
