"""How far the plans of several takes are apart: takes differ in who stands where."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float

from soundstage.upmixing.plan import Plan


def plan_differences(plans: Sequence[Plan]) -> Float[np.ndarray, "plans plans"]:
    """Mean |difference| of the pans of all sources that two plans share, in dB.

    Sources in the center of both count too. Plans without a common source differ by 0.
    """
    apart = np.zeros((len(plans), len(plans)))
    pans = [{source.name: source.pan_db for source in plan.sources} for plan in plans]
    for one, other in combinations(range(len(plans)), 2):
        shared = [
            abs(pan - pans[other][name]) for name, pan in pans[one].items() if name in pans[other]
        ]
        apart[one, other] = apart[other, one] = np.mean(shared) if shared else 0.0
    return apart


def places_sentence(plans: Sequence[Plan]) -> str:
    """The differences of the places, of two plans or more.

    >>> from soundstage.upmixing.plan import PlacedSource
    >>> plans = [Plan((PlacedSource("piano", "object", pan),)) for pan in (-5.0, 6.0, 3.5)]
    >>> places_sentence(plans)
    'Places of two takes differ by 2.5 to 11.0 dB on average.'
    """
    apart = plan_differences(plans)[np.triu_indices(len(plans), 1)]
    low, high = f"{apart.min():.1f}", f"{apart.max():.1f}"
    return (
        f"Places of two takes differ by {low if low == high else f'{low} to {high}'} dB on average."
    )
