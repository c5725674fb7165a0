"""Every case of this folder's own."""

from tests.domains.real.cases import CASES as DECIDED
from tests.domains.real.cases_linalg import LINALG
from tests.domains.real.cases_small import SMALL

CASES = [*DECIDED, *LINALG, *SMALL]
