"""Control flow of domains whose loops are Python's and whose predicates may be open.

Every step of a loop is walked by itself while its predicate is known, so that step t of
a recurrence sees the inputs up to t and no others. Where a predicate is open, or a loop
is longer than `LONGEST`, the carry is what it may be after any number of steps, found
as a fixpoint.
"""

import numpy as np

from torchlean_jax.interpreters import _eager, _jaxpr

LONGEST = 4096


def _scan(eqn, operands, domain, run):
    if eqn.params["length"] <= LONGEST:
        return _eager.scan(eqn, operands, domain, run)
    n_consts, n_carry = _jaxpr.scan_layout(eqn)
    jaxpr, closed = _jaxpr.open_jaxpr(eqn.params["jaxpr"])
    consts, rest = operands[:n_consts], operands[n_consts:]
    rows = [_any_row(x, domain) for x in rest[n_carry:]]
    nobody = domain.no_words(())

    def step(carry):
        return run(jaxpr, closed, [*consts, *carry, *rows])

    carry = _fixpoint(
        rest[:n_carry], lambda c: step(c)[:n_carry], lambda c: nobody, domain
    )
    ys = [
        _repeated(domain.lift(y), eqn.params["length"], domain)
        for y in step(carry)[n_carry:]
    ]
    return [*carry, *ys]


def _any_row(x, domain):
    """What is true of every row: only the sets, of any of them."""
    x = domain.lift(x)
    return domain.anything(np.bitwise_or.reduce(x.words, axis=0), x.dtype)


def _repeated(y, length, domain):
    words = np.broadcast_to(y.words, (length, *y.words.shape))
    return domain.anything(words, y.dtype)


def _while(eqn, operands, domain, run):
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    test, test_consts = _jaxpr.open_jaxpr(eqn.params["cond_jaxpr"])
    body, body_consts = _jaxpr.open_jaxpr(eqn.params["body_jaxpr"])
    cond_args, operands = operands[:n_cond], operands[n_cond:]
    body_args, carry = operands[:n_body], operands[n_body:]

    def holds(carry):
        return run(test, test_consts, [*cond_args, *carry], ("cond",))[0]

    def step(carry):
        return run(body, body_consts, [*body_args, *carry], ("body",))

    for _ in range(LONGEST):
        goes_on = holds(carry)
        if domain.is_value(goes_on):
            break
        if not bool(goes_on):
            return carry
        carry = step(carry)
    return _fixpoint(carry, step, lambda c: domain.lift(holds(c)).words, domain)


def _fixpoint(carry, step, deciders, domain):
    """What the carry may be after any number of steps, as `deciders(carry)` decide.

    Sets only grow and known elements only become fewer, so it ends.
    """
    carry = [domain.lift(c) for c in carry]
    while True:
        pairs = zip(carry, step(carry), strict=True)
        words = deciders(carry)
        new = [domain.one_of(pair, words) for pair in pairs]
        if all(map(_alike, carry, new)):
            return [domain.settle(c) for c in carry]
        carry = new


def _alike(a, b) -> bool:
    return (
        np.array_equal(a.words, b.words)
        and np.array_equal(a.known, b.known)
        and np.array_equal(a.low, b.low)
    )


def _cond(eqn, operands, domain, run):
    """The branch that is taken, or any of them, as the index decides."""
    index, *operands = operands
    branches = [_jaxpr.open_jaxpr(branch) for branch in eqn.params["branches"]]

    def outputs_of(number):
        jaxpr, consts = branches[number]
        return run(jaxpr, consts, operands, (f"branch {number}",))

    if not domain.is_value(index):
        return outputs_of(min(max(int(index), 0), len(branches) - 1))
    columns = zip(*map(outputs_of, range(len(branches))), strict=True)
    return [domain.settle(domain.one_of(column, index.words)) for column in columns]


# In place of the handlers of the same names in `_control`.
HANDLERS = {"scan": _scan, "while": _while, "cond": _cond}
