"""FP32 rules for logic, bits and whole numbers: exact, on operands that may differ."""

from torchlean_jax.domains.fp32._domain import table
from torchlean_jax.domains.fp32._origin import decided_by, remember
from torchlean_jax.domains.fp32._result import discrete

_NAMES = (
    *("not", "and", "or", "xor", "reduce_and", "reduce_or", "reduce_xor"),
    *("shift_left", "shift_right_logical", "shift_right_arithmetic"),
)


def _discrete(name):
    return lambda domain, operation, *operands: discrete(
        name, operation, *(domain.lift(x) for x in operands)
    )


def _logical(name):
    """A boolean that turns on what its operands turn on."""

    def rule(domain, operation, *operands):
        values = [domain.lift(x) for x in operands]
        return remember(discrete(name, operation, *values), decided_by(values))

    return rule


for _name in _NAMES[3:]:
    table.define_op(_name)(_discrete(_name))
for _name in _NAMES[:3]:
    table.define_op(_name)(_logical(_name))
