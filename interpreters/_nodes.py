"""A forward walk in which each node may have a domain of its own.

`_forward.walk` runs one domain over a whole jaxpr. Asking what one node is to blame for
takes a domain that treats that node differently; this is the same walk with a choice at
each equation.
"""

from dataclasses import dataclass

from torchlean_jax.interpreters import _control, _forward, _jaxpr


@dataclass(frozen=True)
class Node:
    """An equation, where it is in the nesting of a jaxpr, and the line behind it.

    path: positions of the equations that it is in, its own last; line: (file, number,
    text) or None.
    """

    path: tuple
    primitive: str
    shape: str
    line: tuple[str, int, str] | None

    @staticmethod
    def of(path, eqn, caller) -> "Node":
        shape = ", ".join(v.aval.str_short() for v in eqn.outvars)
        line = _jaxpr.source_line(eqn, caller)
        return Node(path, eqn.primitive.name, shape, line)

    @property
    def name(self) -> str:
        """The path in print: `"4"`, or `"2.0"` for the first node of a call."""
        return ".".join(map(str, self.path))

    @property
    def place(self) -> str:
        """`"model.py:12  y = x / norm"`, or nothing where JAX kept no line."""
        if self.line is None:
            return ""
        file, number, text = self.line
        return f"{file.rsplit('/', 1)[-1]}:{number}  {text}"


def walk_nodes(jaxpr, consts, args, at, path=(), caller=None) -> list:
    """The outputs of `jaxpr`, each equation run over the domain `at(path, eqn,
    caller)`.

    caller: the source line of the call that the equations are inlined from.
    """
    env = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(var):
        return _jaxpr.literal_value(var) if _jaxpr.is_literal(var) else env[var]

    for index, eqn in enumerate(jaxpr.eqns):
        operands = [read(var) for var in eqn.invars]
        outputs = _apply(eqn, operands, at, (*path, index), caller)
        for var, output in zip(eqn.outvars, outputs, strict=True):
            if not _jaxpr.is_dropped(var):
                env[var] = output
    return [read(var) for var in jaxpr.outvars]


def _apply(eqn, operands, at, path, caller):
    domain = at(path, eqn, caller)
    handler = _control.HANDLERS.get(eqn.primitive.name)
    composite = handler and _control.composite_rule(eqn, domain)
    if handler is None or composite:
        return _forward.apply(eqn, operands, domain)
    line = _jaxpr.source_line(eqn, caller)

    def run(jaxpr, consts, args, branch=()):
        return walk_nodes(jaxpr, consts, args, at, (*path, *branch), line)

    return handler(eqn, operands, domain, run)
