"""Complex arithmetic as arithmetic of two real numbers, and Fourier's transform as the
products with real matrices that it is.

Linear forms are of real numbers, so back-substitution would end at every complex value.
Here each value that depends on an input gets its real and imaginary part as values of
their own, computed from parts; what reads a part, or transforms back to real numbers,
reads these. The matrices are equations too: cosines of 2 pi j k / n, with pi for
arccos(-1), so that each domain encloses them as it encloses everything. What cannot be
said in parts (a modulus, a logarithm) stays as it was, with the bounds it had.

A fast transform rounds by an algorithm that nobody promises; over the reals it is this
product. Nothing here is for claims about executions.
"""

import functools
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains import _families
from torchlean_jax.interpreters._graph import Equation, Graph, spliced

# n^2 cosines are computed for a transform of length n.
_LONGEST = 2048

# What these do to complex numbers they do to both parts, with the same parameters, and
# with the same predicate or indices.
_EACH_PART = frozenset(
    (
        *_families.LAYOUT,
        *"neg add sub add_any reduce_sum cumsum select_n".split(),
        *"dynamic_slice dynamic_update_slice".split(),
    )
) - {"real", "imag"}
_PRODUCTS = frozenset(("mul", "dot_general"))


def in_real_parts(graph: Graph) -> Graph:
    """The same function with complex values that depend on an input in two parts.

    >>> from torchlean_jax.interpreters._graph import flatten
    >>> traced = jax.make_jaxpr(lambda x: jnp.fft.irfft(2 * jnp.fft.rfft(x)))(
    ...     jnp.ones(4)
    ... )
    >>> graph = in_real_parts(flatten(traced.jaxpr, traced.consts))
    >>> producer, (last,) = graph.producer(), graph.outputs
    >>> producer[last].name
    'sub'
    """
    moving = graph.dependents(graph.inputs)
    if not any(_is_complex(graph.avals[n]) for n in moving):
        return graph
    result = Graph(
        list(graph.avals), [], graph.inputs, graph.outputs, dict(graph.constants)
    )
    rewriting = _Rewriting(result)
    for equation in graph.equations:
        rewriting.visit(equation, moves=not moving.isdisjoint(equation.inputs))
    return result


def _is_complex(aval) -> bool:
    return jnp.issubdtype(aval.dtype, jnp.complexfloating)


@dataclass
class _Rewriting:
    """parts: complex value -> its real and its imaginary part; waves: the matrices of
    cosines and sines that are there already."""

    result: Graph
    parts: dict[int, tuple[int, int]] = field(default_factory=dict)
    waves: dict[tuple, tuple[int, int]] = field(default_factory=dict)
    source: Any = None

    def visit(self, equation: Equation, moves: bool) -> None:
        """The equation, in parts if it can be: whole values that nobody reads any more
        are dropped later (`_patterns`)."""
        self.source = equation.source
        if moves and len(equation.outputs) == 1:
            (out,) = equation.outputs
            is_complex = _is_complex(self.result.avals[out])
            if not is_complex and self._part_or_back(equation, out):
                return
            self.result.equations.append(equation)
            if is_complex:
                found = self._in_parts(equation)
                if found is not None:
                    self.parts[out] = found
            return
        self.result.equations.append(equation)

    def _part_or_back(self, equation, out) -> bool:
        """Whether a real value was computed from the parts of a complex one."""
        if not any(_is_complex(self.result.avals[i]) for i in equation.inputs):
            return False
        if equation.name in ("real", "imag"):
            part = self._of(equation.inputs[0])[equation.name == "imag"]
            self._append(jnp.copy, [part], out)
            return True
        if equation.name == "fft" and _is_short(equation):
            self._transformed(equation, out)
            return True
        return False

    def _in_parts(self, equation) -> tuple[int, int] | None:
        """The parts of a complex result, if they can be said."""
        name, operation = equation.name, equation.operation
        if name == "complex":
            re, im = equation.inputs
            return re, im
        if name == "fft" and _is_short(equation):
            return self._transformed(equation)
        if name == "convert_element_type":
            return self._converted(equation)
        if name == "conj":
            re, im = self._of(equation.inputs[0])
            return re, self._append(lax.neg, [im])
        if name == "square":
            z = equation.inputs[0]
            return self._product(lax.mul, z, z)
        if name in _PRODUCTS:
            if name == "dot_general":
                operation = operation.replace(preferred_element_type=None)
            return self._product(operation, *equation.inputs)
        if name in _EACH_PART:
            operands = zip(*map(self._shared, equation.inputs), strict=True)
            re, im = (self._append(operation, list(each)) for each in operands)
            return re, im
        return None

    def _shared(self, number) -> tuple[int, int]:
        """Of a predicate or an index, which both parts obey, twice itself."""
        kind = self.result.avals[number].dtype
        inexact = jnp.issubdtype(kind, jnp.inexact)
        return self._of(number) if inexact else (number, number)

    def _of(self, number) -> tuple[int, int]:
        """Both parts of a value; of a real one, itself and 0."""
        if number not in self.parts:
            aval = self.result.avals[number]
            if _is_complex(aval):
                re, im = (self._append(part, [number]) for part in (lax.real, lax.imag))
            else:
                re, im = number, self._constant(np.zeros(aval.shape, aval.dtype))
            self.parts[number] = re, im
        return self.parts[number]

    def _converted(self, equation):
        (number,), (out,) = equation.inputs, equation.outputs
        kind = jnp.finfo(self.result.avals[out].dtype).dtype
        cast = functools.partial(lax.convert_element_type, new_dtype=kind)
        re, im = self._of(number)
        return self._append(cast, [re]), self._append(cast, [im])

    def _product(self, operation, x, y) -> tuple[int, int]:
        def real(a, b, c, d):
            return operation(a, c) - operation(b, d)

        def imag(a, b, c, d):
            return operation(a, d) + operation(b, c)

        operands = [*self._of(x), *self._of(y)]
        return self._append(real, operands), self._append(imag, operands)

    def _transformed(self, equation, out=None) -> tuple[int, int]:
        """The parts after a transform; of one back to real numbers, `out` twice."""
        (number,) = equation.inputs
        lengths = equation.operation.params["fft_lengths"]
        kind = _kind(equation)
        inverse = kind in ("IFFT", "IRFFT")
        axes = range(len(self.result.avals[number].shape))[-len(lengths) :]
        *others, last = zip(axes, lengths, strict=True)
        real = not _is_complex(self.result.avals[number])
        now: Any = (number, None) if real else self._of(number)
        if kind != "IRFFT":
            axis, n = last
            columns = n // 2 + 1 if kind == "RFFT" else n
            now = self._along(now, axis, n, (n, columns), inverse)
        for axis, n in others:
            now = self._along(now, axis, n, (n, n), inverse)
        if kind == "IRFFT":
            found = self._to_real(now, *last, out)
            return found, found
        return now

    def _along(self, parts, axis, n, shape, inverse) -> tuple[int, int]:
        """One axis times e^(-+2 pi i j k / n), over n for an inverse."""
        over = n if inverse else 1
        cos, sin = self._waves(n, shape, np.full(shape[:1], 1), over)
        times = functools.partial(_times, axis=axis)
        re, im = parts
        # (a + ib)(c - is) = (ac + bs) + i(bc - as); an inverse has the other sign
        if im is None:
            imag = self._append(lambda a, s: -times(a, s), [re, sin])
            return self._append(times, [re, cos]), imag
        sign = -1 if inverse else 1

        def plus(a, b, c, s):
            return times(a, c) + sign * times(b, s)

        real = self._append(plus, [re, im, cos, sin])

        def minus(a, b, c, s):
            return times(b, c) - sign * times(a, s)

        return real, self._append(minus, [re, im, cos, sin])

    def _to_real(self, parts, axis, n, out) -> int:
        """sum_k w_k (a_k cos - b_k sin) / n, where w_k is 1 for frequencies that are
        their own mirror image (0 and n/2, whose sines are 0), else 2."""
        half = np.arange(n // 2 + 1)
        weight = np.where((half == 0) | (2 * half == n), 1, 2)
        cos, sin = self._waves(n, (len(half), n), weight, n)

        def back(a, b, c, s):
            return _times(a, c, axis=axis) - _times(b, s, axis=axis)

        return self._append(back, [*parts, cos, sin], out)

    def _waves(self, n, shape, weight, over) -> tuple[int, int]:
        """w_j cos(2 pi j k / n) / over and the same of sin, for j, k below `shape`."""
        key = n, shape, weight.tobytes(), over
        if key not in self.waves:
            self.waves[key] = self._new_waves(n, shape, weight, over)
        return self.waves[key]

    def _new_waves(self, n, shape, weight, over):
        index = np.outer(np.arange(shape[0]), np.arange(shape[1])) % n
        turns = np.arange(n)
        turns = np.where(2 * turns > n, turns - n, turns)
        given = (2.0 * turns, float(n), -1.0, weight[:, None], float(over))
        operands = [self._constant(np.asarray(x, np.float32)) for x in given]

        def table(wave, twice, n, minus_one, weight, over):
            angle = twice / n * jnp.arccos(minus_one)
            entries = wave(angle).at[index].get(mode="promise_in_bounds")
            return entries * weight / over

        cos, sin = (
            self._append(functools.partial(table, wave), operands)
            for wave in (jnp.cos, jnp.sin)
        )
        return cos, sin

    def _constant(self, array) -> int:
        number = len(self.result.avals)
        self.result.avals.append(jax.ShapeDtypeStruct(array.shape, array.dtype))
        self.result.constants[number] = array
        return number

    def _append(self, meaning, operands, out=None) -> int:
        """The equations of `meaning` on values; gives the number of its result."""
        once = list(dict.fromkeys(operands))  # x * x is to be seen as a square
        places = [once.index(i) for i in operands]
        traced = jax.make_jaxpr(lambda *a: meaning(*(a[p] for p in places)))(
            *(self.result.avals[i] for i in once)
        )
        equations, found = spliced(self.result, traced, once, self.source, out)
        self.result.equations += equations
        return found


def _times(x, matrix, *, axis):
    """x with the axis replaced by its product with the matrix."""
    return jnp.moveaxis(jnp.tensordot(x, matrix.astype(x.dtype), (axis, 0)), -1, axis)


def _kind(equation) -> str:
    kind = equation.operation.params["fft_type"]
    return (kind if hasattr(kind, "name") else lax.FftType(kind)).name


def _is_short(equation) -> bool:
    lengths = equation.operation.params["fft_lengths"]
    return len(lengths) > 0 and all(0 < n <= _LONGEST for n in lengths)
