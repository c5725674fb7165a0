"""Every row."""

from tests.domains.ieee32 import (
    cases_casts,
    cases_contractions,
    cases_elementwise,
    cases_indexing,
    cases_layout,
    cases_order,
    cases_reductions,
    cases_windows,
)

CASES = [
    *cases_casts.CASES,
    *cases_contractions.CASES,
    *cases_elementwise.CASES,
    *cases_indexing.CASES,
    *cases_layout.CASES,
    *cases_order.CASES,
    *cases_reductions.CASES,
    *cases_windows.CASES,
]
