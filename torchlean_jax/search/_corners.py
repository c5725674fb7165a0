"""The best multipliers of a cell whose phases are all fixed, by linear programming.

There a network of affine maps and maxima is affine in its inputs, and so is each
constraint g . x + h <= 0 of the cell: the least value of a . x + c is a linear program
over a box. Its dual values are the multipliers with which the bound reaches that value;
gradient ascent only comes near. They are numbers like any other choice: the bound is
computed from them with every rounding paid for, so nothing here needs to be right.

Solver: HiGHS, through SciPy.
"""

import numpy as np

from torchlean_jax.interpreters._cells import Forms

_BEYOND = (
    2.0  # how far past 0 the bound of an empty cell is lifted, times what is needed
)


def multipliers(forms: Forms, fixed: np.ndarray, lo, hi) -> np.ndarray | None:
    """float64[R, M], not negative, or None if the solver gives up.

    fixed: bool[M], the elements that have a phase. lo, hi: of the inputs, [N].
    """
    more, level = (
        forms.rows_by_multipliers[fixed],
        forms.constants_by_multipliers[fixed],
    )
    found = np.zeros((len(forms.constants), len(fixed)))
    for row, constant, weights in zip(forms.rows, forms.constants, found, strict=True):
        least = _least(row, more, level, lo, hi)
        if least is None:
            least = _of_an_empty_cell(row, constant, more, level, lo, hi)
        if least is None:
            return None
        weights[fixed] = least
    return found


def _least(row, more, level, lo, hi) -> np.ndarray | None:
    """Dual values of the least row . x over the cell; None if there is no such x."""
    from scipy.optimize import linprog

    bounds = np.stack([lo, hi], axis=1)
    found = linprog(row, more, -level, bounds=bounds, method="highs")
    return np.maximum(-found.ineqlin.marginals, 0) if found.status == 0 else None


def _of_an_empty_cell(row, constant, more, level, lo, hi) -> np.ndarray | None:
    """Enough of the constraints' own contradiction to lift the bound beyond 0.

    The least t with g . x + h <= t everywhere is positive; its dual values add up to 1.
    """
    from scipy.optimize import linprog

    count, size = more.shape
    bounds = np.stack([np.append(lo, -np.inf), np.append(hi, np.inf)], axis=1)
    target = np.append(np.zeros(size), 1.0)
    with_t = np.hstack([more, -np.ones((count, 1))])
    found = linprog(target, with_t, -level, bounds=bounds, method="highs")
    if found.status != 0 or not found.fun > 0:
        return None
    lowest = constant + np.where(row > 0, row * lo, row * hi).sum()
    return np.maximum(-found.ineqlin.marginals, 0) * (
        _BEYOND * (1 + abs(lowest)) / found.fun
    )
