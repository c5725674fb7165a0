"""How ends of enclosures are kept."""

import numpy as np

from tests.search.faults import notices, planted
from torchlean_jax.domains.interval import Interval
from torchlean_jax.search import _layout


def check_ends():
    """Half the memory, never less than was enclosed."""
    random = np.random.default_rng(0)
    exact = random.normal(size=(2, 400)) * 10.0 ** random.integers(-300, 300, (2, 400))
    exact[:, :3] = 0.0, 1.0, 1e-40
    lo, hi = _layout.outward([Interval(*exact)])
    assert lo.dtype == hi.dtype == np.float32
    assert (lo.astype(float) <= exact[0]).all() and (hi.astype(float) >= exact[1]).all()
    assert lo[0] == 0 and lo[1] == 1


def test_ends_are_rounded_outward():
    check_ends()


def test_a_fault_in_the_rounding_is_noticed():
    sound, faulty = "is_inside = near > exact if", "is_inside = near < exact if"
    with planted(_layout, sound, faulty, keep=("Region",)):
        assert notices(check_ends)
