"""FP32 rules for logic, bits and whole numbers: exact, on operands that may differ."""

from torchlean_jax.domains.fp32._domain import table
from torchlean_jax.domains.fp32._origin import decided_by, remember
from torchlean_jax.domains.fp32._result import discrete, discrete_mixing


def _exactly(rule, name):
    return lambda domain, operation, *operands: rule(
        name, operation, *(domain.lift(x) for x in operands)
    )


def _logical(name):
    """A boolean that turns on what its operands turn on."""

    def rule(domain, operation, *operands):
        values = [domain.lift(x) for x in operands]
        return remember(discrete(name, operation, *values), decided_by(values))

    return rule


for _name in ("shift_left", "shift_right_logical", "shift_right_arithmetic"):
    table.define_op(_name)(_exactly(discrete, _name))
for _name in ("reduce_and", "reduce_or", "reduce_xor"):
    table.define_op(_name)(_exactly(discrete_mixing, _name))
for _name in ("not", "and", "or", "xor"):
    table.define_op(_name)(_logical(_name))
