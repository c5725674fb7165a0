"""What a Pallas kernel computes, as an ordinary function, and what it does to memory.

The grid of a `pallas_call` is walked program by program; the result is a straight line
of arithmetic that every domain can walk. The programs run in the order of the grid;
that another order would give the same is the memory's verdict: no program may touch
what another one writes.

Source: the documented meaning of `pallas_call` (grids and block specifications).
"""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_jaxpr

from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters import _control, _jaxpr
from torchlean_jax.interpreters._kernel_memory import (
    OUTSIDE,
    Buffer,
    Fault,
    Log,
    Moved,
    Ref,
)
from torchlean_jax.interpreters._kernel_program import Program, held, is_known, plain
from torchlean_jax.interpreters._reference import fused_kernel

# More programs than this are not unrolled: contracts have small named shapes.
MOST_PROGRAMS = 4096


def unrolled(f):
    """`f` with each kernel call in it replaced by what its programs compute.

    `unrolled(f)(*args)` takes what `f` takes and returns what it returns, on any
    platform; integers among the arguments have to be concrete, since they decide where
    kernels read and write. Differentiating it differentiates the kernel's own
    arithmetic, whatever derivative rule stands around it.

    Raises: InputError where a kernel's addresses depend on floats, its grid has more
        than 4096 programs, or it uses what has no fixed meaning (atomic operations).

    >>> import jax.numpy as jnp
    >>> from jax.experimental import pallas as pl
    >>> def double(x_ref, o_ref):
    ...     o_ref[...] = x_ref[...] * 2
    >>> x = jnp.arange(4.0)
    >>> f = lambda x: pl.pallas_call(double, out_shape=x)(x)
    >>> unrolled(f)(x)
    Array([0., 2., 4., 6.], dtype=float32)
    """

    def run(*args):
        return _evaluate(f, args, Log())

    return run


def kernel_faults(f):
    """What the kernels in `f` do to memory and should not do.

    `kernel_faults(f)(*args)` lists accesses out of bounds, reads of what was never
    written, elements that two programs touch and one of them writes, and elements of
    outputs that are written never or more than once; an empty list proves that there
    are none at these shapes and integers, in whatever order the programs run. Floats
    among the arguments may be shapes.

    Raises: as `unrolled`.

    >>> import jax.numpy as jnp
    >>> from jax.experimental import pallas as pl
    >>> def half(x_ref, o_ref):
    ...     o_ref[0] = x_ref[0]
    >>> x = jnp.arange(2.0)
    >>> f = lambda x: pl.pallas_call(half, out_shape=x)(x)
    >>> print(*kernel_faults(f)(x))
    never written: outputs(1,)...
    """

    def run(*args) -> list[Fault]:
        return _logged(f, args).faults

    return run


def kernel_bytes(f):
    """How many bytes each kernel in `f` loads from arrays and stores to them.

    `kernel_bytes(f)(*args)` is a list of `Moved`, one for each kernel call: an access
    counts as often as a program makes it, where its mask holds, whether or not a cache
    answers. Scratch memory and operations outside of kernels do not count. Floats among
    the arguments may be shapes.

    Raises: as `unrolled`.

    >>> import jax.numpy as jnp
    >>> from jax.experimental import pallas as pl
    >>> def square(x_ref, o_ref):
    ...     o_ref[...] = x_ref[...] * x_ref[...]
    >>> x = jnp.arange(4.0)
    >>> f = lambda x: pl.pallas_call(square, out_shape=x, name="square")(x)
    >>> print(*kernel_bytes(f)(x))
    square: 32 bytes loaded, 16 stored, 1.50 times its operands and results
    """

    def run(*args) -> list[Moved]:
        return _logged(f, args).calls

    return run


def _logged(f, args) -> Log:
    """What the kernels in `f` do to memory, without the numbers."""
    leaves, tree = jax.tree.flatten(args)
    shapes = [
        x if is_known(x) else jax.ShapeDtypeStruct(np.shape(x), jnp.result_type(x))
        for x in leaves
    ]
    log = Log(numbers=False)
    _evaluate(f, jax.tree.unflatten(tree, shapes), log)
    return log


def _evaluate(f, args, log):
    shaped = jax.make_jaxpr(f, return_shape=True)(*args)
    jaxpr, consts = _jaxpr.open_jaxpr(shaped[0])
    outputs = _walk(jaxpr, consts, jax.tree.leaves(args), log)
    return jax.tree.unflatten(jax.tree.structure(shaped[1]), outputs)


def _walk(jaxpr, consts, args, log):
    env = dict(zip(jaxpr.constvars, map(held, consts), strict=True))
    env.update(zip(jaxpr.invars, map(held, args), strict=True))

    def read(var):
        known = _jaxpr.is_literal(var)
        return held(_jaxpr.literal_value(var)) if known else env[var]

    for eqn in jaxpr.eqns:
        operands = [read(v) for v in eqn.invars]
        name = eqn.primitive.name
        if name == "pallas_call":
            outputs = _Grid(eqn, log).run(operands)
        elif name == fused_kernel.name:
            outputs = _evaluate(eqn.params["kernel"], operands, log)
        elif name in _control.CALLS:
            inner, inner_consts = _jaxpr.open_jaxpr(eqn.params[_control.CALLS[name]])
            outputs = _walk(inner, inner_consts, operands, log)
        else:
            _require_no_kernel(eqn)
            outputs = plain(eqn, operands, log.numbers)
        env.update(zip(eqn.outvars, outputs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _require_no_kernel(eqn):
    """A kernel inside a loop or branch would pass unseen, and its faults with it."""
    waiting = [*_jaxpr.subjaxprs(eqn)]
    while waiting:
        for inner in _jaxpr.open_jaxpr(waiting.pop())[0].eqns:
            if inner.primitive.name in ("pallas_call", fused_kernel.name):
                raise InputError(
                    f"a kernel inside `{eqn.primitive.name}` is not unrolled: ask "
                    "about the body of the loop or branch"
                )
            waiting += _jaxpr.subjaxprs(inner)


class _Grid:
    """The programs of one kernel call over shared buffers."""

    def __init__(self, eqn, log: Log):
        self.params, self.log = eqn.params, log
        self.mapping = mapping = eqn.params["grid_mapping"]
        self.source = _jaxpr.source_line(eqn)
        self.placed = {}
        self.grid = tuple(mapping.grid)
        if not all(isinstance(n, int) for n in self.grid):
            raise InputError(f"a grid has to be known before it runs: {self.grid}")
        if int(np.prod(self.grid, dtype=np.int64)) > MOST_PROGRAMS:
            raise InputError(
                f"a grid of {self.grid} is more than {MOST_PROGRAMS} programs; "
                "take a smaller shape"
            )
        if mapping.num_index_operands:
            raise InputError("kernels with scalar prefetch operands are not unrolled")

    def run(self, operands):
        buffers = self.buffers(operands)
        before = self.log.loaded, self.log.stored
        blocks = self.mapping.block_mappings
        jaxpr, consts = _jaxpr.open_jaxpr(self.params["jaxpr"])
        sizes = self.seen(self.grid)
        for number, place in enumerate(product(*map(range, self.grid))):
            views = [
                self.view(k, block, buffer, place)
                for k, (buffer, block) in enumerate(zip(buffers, blocks, strict=True))
            ]
            program = Program(self.seen(place), sizes, number, self.log)
            program.run(jaxpr, consts, views)
        outputs = buffers[len(operands) :]
        filled = {o for _, o in self.params["input_output_aliases"]}
        for k, buffer in enumerate(outputs):
            view = buffer.whole()
            writes = buffer.writes.reshape(view.shape)
            if k not in filled:
                self.log.note("never written", view, writes == 0, None, self.source)
            self.log.note("written again", view, writes > 1, None, self.source)
        loaded, stored = self.log.loaded - before[0], self.log.stored - before[1]
        once = sum(b.size * b.dtype.itemsize for b in buffers)
        self.log.calls.append(Moved(_name(self.params), loaded, stored, once))
        return [b.read(b.whole().addresses) for b in outputs]

    def view(self, k, block, buffer, place) -> Ref:
        """Block k as the program at `place` is given it. Many programs are given the
        same one, as a rule the whole array, whose addresses are worked out once."""
        starts = _starts(block, place)
        if (k, starts) not in self.placed:
            self.placed[k, starts] = _addresses(block, buffer.shape, starts)
        return Ref(buffer, self.placed[k, starts])

    def buffers(self, operands) -> list[Buffer]:
        """The operands, and outputs with nothing in them but what they alias."""
        names = [str(b.origin) for b in self.mapping.block_mappings]
        inputs = [
            Buffer.holding(name, x)
            for name, x in zip(names[: len(operands)], operands, strict=True)
        ]
        shapes = zip(names[len(operands) :], self.params["out_avals"], strict=True)
        outputs = [Buffer(name, tuple(a.shape), a.dtype) for name, a in shapes]
        for i, o in self.params["input_output_aliases"]:
            outputs[o] = inputs[
                i
            ]  # one memory: who writes the result changes the operand
        return [*inputs, *outputs]

    def seen(self, axes) -> list[int]:
        """The axes of the grid that the kernel was written for; vmap adds others."""
        added = self.mapping.vmapped_dims
        return [n for axis, n in enumerate(axes) if axis not in added]


def _name(params) -> str:
    stated = getattr(params.get("name_and_src_info"), "name", None)
    return str(stated or params.get("name") or "kernel")


def _starts(block, place) -> tuple[int, ...]:
    """Which block the program at `place` is given, along each axis."""
    jaxpr, consts = _jaxpr.open_jaxpr(block.index_map_jaxpr)
    with jax.ensure_compile_time_eval():
        found = eval_jaxpr(jaxpr, consts, *map(np.int32, place))
    return tuple(map(int, found))


def _addresses(block, shape, starts):
    """The addresses of the block of an array of `shape` at these starts."""
    axes, kept = [], []
    for size, start in zip(block.block_shape, starts, strict=True):
        length = getattr(size, "block_size", size)
        squeezed = not isinstance(length, int)
        length = 1 if squeezed else length
        # an Element block is placed by elements, a Blocked one by whole blocks
        step = 1 if type(size).__name__ == "Element" else length
        axes.append(start * step + np.arange(length))
        kept.extend(() if squeezed else (length,))
    if not axes:
        return np.zeros((), np.int64)
    address, inside = np.int64(0), np.True_
    for axis, size in zip(np.meshgrid(*axes, indexing="ij"), shape, strict=True):
        inside = inside & (axis >= 0) & (axis < size)
        address = address * size + axis
    return np.where(inside, address, OUTSIDE).reshape(kept)
