"""Every containment case."""

from tests.domains.interval import (
    cases_complex,
    cases_contractions,
    cases_elementwise,
    cases_functions,
    cases_indexing,
    cases_integers,
    cases_layout,
    cases_reductions,
)

CASES = [
    *cases_functions.CASES,
    *cases_elementwise.CASES,
    *cases_layout.CASES,
    *cases_indexing.CASES,
    *cases_reductions.CASES,
    *cases_contractions.CASES,
    *cases_integers.CASES,
    *cases_complex.CASES,
]
