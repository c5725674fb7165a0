"""Complex values in two real parts: the same function, and bounds that pass a
transform. The oracles are NumPy's transforms and exact ranges of linear maps."""

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax.interpreters import _complex_parts
from torchlean_jax.interpreters._complex_parts import in_real_parts
from torchlean_jax.interpreters._graph import flatten

KINDS = {
    "fft": lambda m, z, **k: m.fft(z, **k),
    "ifft": lambda m, z, **k: m.ifft(z, **k),
    "rfft": lambda m, z, **k: m.rfft(z.real, **k),
    "irfft": lambda m, z, **k: m.irfft(z, **k),
    "irfft, odd": lambda m, z, **k: m.irfft(z, n=2 * z.shape[-1] - 1, **k),
    "fftn": lambda m, z, **k: m.fftn(z, **k),
    "ifftn": lambda m, z, **k: m.ifftn(z, **k),
    "rfftn": lambda m, z, **k: m.rfftn(z.real, **k),
    "irfftn": lambda m, z, **k: m.irfftn(z, **k),
    "irfftn, odd": lambda m, z, **k: m.irfftn(z, s=(3, 7), axes=(0, 1), **k),
}


def rewritten(function, *args):
    """The outputs of the rewritten graph, run in one piece, and the graph."""
    traced = jax.make_jaxpr(function)(*args)
    graph = in_real_parts(flatten(traced.jaxpr, traced.consts))

    @jax.jit
    def run(*args):
        values = graph.constants | dict(zip(graph.inputs, args, strict=True))
        for equation in graph.equations:
            (out,) = equation.outputs
            found = equation.operation(*(values[i] for i in equation.inputs))
            values[out] = found
        return [values[n] for n in graph.outputs]

    return run(*args), graph


def in_parts(function):
    """The real and the imaginary part, so that both are read."""
    return lambda x, y: jnp.stack(
        [jnp.real(z := function(lax.complex(x, y))), jnp.imag(z)]
    )


def drawn(*shape):
    return np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)


def agrees(functions, oracles, shape):
    """Whether each of `functions` is, in parts, what its oracle says, and the graph."""
    x, y = drawn(*shape)
    found, graph = rewritten(lambda x, y: [in_parts(f)(x, y) for f in functions], x, y)
    for each, oracle in zip(found, oracles, strict=True):
        wanted = oracle(x.astype(float) + 1j * y)
        # sums of at most 60 terms below 4 in binary32, in two stages
        close = np.allclose(
            each, [wanted.real, wanted.imag], rtol=0, atol=60 * 2**-22 * 4
        )
        if not close:
            return False, graph
    return True, graph


@pytest.mark.parametrize("kind", KINDS)
def test_a_transform_is_numpys(kind):
    """In each of the norms, at an even and an odd length, of one point too."""
    transform = KINDS[kind]
    lengths = {"backward": 4, "ortho": 5, "forward": 1 if "ir" not in kind else 3}
    functions, oracles = [], []
    for norm, last in lengths.items():
        cut = lambda z, last=last: z[:, :last]
        functions.append(lambda z, n=norm, c=cut: transform(jnp.fft, c(z), norm=n))
        oracles.append(lambda z, n=norm, c=cut: transform(np.fft, c(z), norm=n))
    close, graph = agrees(functions, oracles, (3, 5))
    assert close
    assert not any(reads_a_transform(graph, out) for out in graph.outputs)


def reads_a_transform(graph, number):
    """Whether a value still depends on a transform of the program."""
    producer, front, seen = graph.producer(), [number], set()
    while front:
        equation = producer.get(front.pop())
        if equation is None or id(equation) in seen:
            continue
        seen.add(id(equation))
        if equation.name == "fft":
            return True
        front += equation.inputs
    return False


W = drawn(4, 5)[0] + 1j * drawn(4, 5)[1]

# of a complex 4 x 5 array; the mistakes that wait: a real operand is no pair of itself,
# a predicate is the same for both parts
STEPS = {
    "product": (lambda z: z * W * z, lambda z: z * W * z),
    "square": (jnp.square, np.square),
    "power": (lambda z: z**2, lambda z: z**2),
    "conjugate": (lambda z: jnp.conj(z) * z, lambda z: z.conj() * z),
    "of a real": (lambda z: lax.conj(z.real) + z, lambda z: z.real + z),
    "matrices": (lambda z: z @ W.T, lambda z: z @ W.T),
    "a real matrix": (
        lambda z: lax.dot_general(
            z.real, z, (((1,), (1,)), ((), ())), preferred_element_type=z.dtype
        ),
        lambda z: z.real @ z.T,
    ),
    "by a real": (lambda z: z / 3 - z.real * 2, lambda z: z / 3 - z.real * 2),
    "cases": (
        lambda z: jnp.where(z.real > 0, z, z.imag),
        lambda z: np.where(z.real > 0, z, z.imag),
    ),
    "moved": (
        lambda z: jnp.pad(z[::-1, 1:3].T, 1, constant_values=2 - 1j),
        lambda z: np.pad(z[::-1, 1:3].T, 1, constant_values=2 - 1j),
    ),
    "sums": (lambda z: z.sum(0) + z.cumsum(1), lambda z: z.sum(0) + z.cumsum(1)),
    "written": (
        lambda z: lax.dynamic_update_slice(z, -z[:2, :2], (1, 2)),
        lambda z: np.concatenate(
            [z[:1], np.hstack([z[1:3, :2], -z[:2, :2], z[1:3, 4:]]), z[3:]]
        ),
    ),
    "what is not said": (
        lambda z: jnp.exp(z / 4) * jnp.abs(z), lambda z: np.exp(z / 4) * abs(z)
    ),
}  # fmt: skip


def test_arithmetic_is_numpys():
    functions, oracles = zip(*STEPS.values(), strict=True)
    assert agrees(functions, oracles, (4, 5))[0]


def bounds_of(function, box):
    with jax.enable_x64(True):
        found = tl.bounds(function, method="crown")(box)
    return np.asarray(found.lo, float), np.asarray(found.hi, float)


BOX = tl.box(np.array([-1, 0, 0.5, 2, -3], "f"), np.array([0, 0, 1, 2.5, 4], "f"))


def there(x):
    """Both parts of a spectrum, and the way back through the odd one."""
    z = jnp.fft.rfft(x)
    back = jnp.fft.irfft(z[:2] * (1 + 2j), n=3)
    return jnp.concatenate([z.real, z.imag, back])


def ranges():
    """Of `there` on BOX, in balls: row by row the middle and the radius times |row|.

    x^_k = sum_j x_j w^(jk), w = e^(-2 pi i / 5); back to 3 points of the first two
    modes z_0, z_1: (z_0 + 2 Re(z_1 e^(2 pi i j / 3))) / 3, each z times 1 + 2i.
    """
    n, half = 5, 3
    turn = lambda j, k, n: flint.acb(0, flint.arb(flint.fmpq(2 * j * k, n)))
    wave = lambda j, k, n=5: (turn(j, k, n) * flint.acb.pi()).exp()
    rows = [[wave(-j, k) for j in range(n)] for k in range(half)]
    times = flint.acb(1, 2)
    back = [
        [(a * times).real / 3 + 2 * (b * times * wave(j, 1, 3)).real / 3
         for a, b in zip(rows[0], rows[1], strict=True)]
        for j in range(half)
    ]  # fmt: skip
    matrix = [[c.real for c in r] for r in rows] + [[c.imag for c in r] for r in rows]
    lo, hi = np.asarray(BOX.lo, float), np.asarray(BOX.hi, float)
    for row in [*matrix, *back]:
        least, most = flint.arb(0), flint.arb(0)
        for c, low, high in zip(row, lo, hi, strict=True):
            least += c * float(low if c > 0 else high)
            most += c * float(high if c > 0 else low)
        yield least, most


def encloses(lo, hi):
    with flint.ctx.workprec(200):
        return all(
            flint.arb(below) <= least and flint.arb(above) >= most
            for below, above, (least, most) in zip(lo, hi, ranges(), strict=True)
        )


def test_bounds_of_linear_maps_are_their_ranges():
    lo, hi = bounds_of(there, BOX)
    assert encloses(lo, hi)
    exact = np.array([[float(e.mid()) for e in ends] for ends in ranges()]).T
    # back-substitution through linear maps loses roundings alone, the last to binary32
    np.testing.assert_allclose([lo, hi], exact, rtol=0, atol=12 * 2**-22)


def test_a_wrong_conjugate_is_noticed(monkeypatch):
    right = _complex_parts._Rewriting._along

    def conjugate(self, parts, axis, n, shape, inverse):
        re, im = right(self, parts, axis, n, shape, inverse)
        return re, self._append(lax.neg, [im])

    monkeypatch.setattr(_complex_parts._Rewriting, "_along", conjugate)
    assert not agrees([jnp.fft.fft], [np.fft.fft], (3, 5))[0]
    assert not encloses(*bounds_of(there, BOX))


def test_parts_that_are_confused_are_noticed(monkeypatch):
    """A real operand taken for a pair of itself, as it was once."""
    right = _complex_parts._Rewriting._of

    def twice(self, number):
        aval = self.result.avals[number]
        is_complex = jnp.issubdtype(aval.dtype, jnp.complexfloating)
        return right(self, number) if is_complex else (number, number)

    monkeypatch.setattr(_complex_parts._Rewriting, "_of", twice)
    for name in ("of a real", "a real matrix"):
        function, oracle = STEPS[name]
        assert not agrees([function], [oracle], (4, 5))[0]


def test_executions_do_not_take_this_road():
    """The bound holds of the reals; what a machine's transform does is not known."""

    def back(x):
        return jnp.fft.irfft(2 * jnp.fft.rfft(x), n=4)[:1]

    box = tl.box(np.zeros(4, np.float32), np.ones(4, np.float32))
    below_3 = tl.spec.linear([[-1.0]], [-3.0])
    of_reals = tl.verify(back, box, below_3, attack=False, certificate=False)
    assert of_reals.status == "proved"
    with pytest.raises(tl.MissingRuleError, match="fft"):
        tl.verify(back, box, below_3, attack=False, semantics="fp32")
