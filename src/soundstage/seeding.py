"""Seeds of random generators: one for each pair of a user's seed and a step or window."""

import torch

SEED_STRIDE = 1_000_003  # a prime; steps and windows stay far below it


def combined_seed(seed: int, step: int) -> int:
    """A 63-bit seed for one step (or window, or batch) of a seed."""
    return (SEED_STRIDE * seed + step) % 2**63


def seeded_generator(seed: int, step: int) -> torch.Generator:
    """A CPU generator for one step (or window, or batch) of a seed."""
    return torch.Generator().manual_seed(combined_seed(seed, step))
