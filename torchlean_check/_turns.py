"""Which leaves of a tree are one turn's, where several share a certificate.

Leaves are counted in the order of the cases; a turn has a run of them.
"""

from torchlean_check._cases import parts_of


def share(cases: list, turn: tuple[int, int]) -> tuple[list[int], int, int]:
    """(how many leaves each case has below it, or is; the first leaf of the turn; the
    one after its last). turn: (k, n), the k-th of n."""
    below: list[int] = []
    waiting: list[int] = []
    for case in reversed(cases):
        inner = parts_of(case)
        below.append(sum(waiting.pop() for _ in range(inner)) if inner else 1)
        waiting.append(below[-1])
    below.reverse()
    k, turns = turn
    return below, below[0] * k // turns, below[0] * (k + 1) // turns
