"""`equivalent`: whether two programs are the same function of the reals."""

import functools
import math
from dataclasses import dataclass, replace

import jax
from jax.ad_checkpoint import checkpoint_name
from jax.core import Tracer

from torchlean_jax._trace import as_function
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.finite_field import CUT
from torchlean_jax.equivalence._pair import Pair, pair
from torchlean_jax.equivalence._parting import Parting, parting
from torchlean_jax.equivalence._reals import (
    Witness,
    disagreeing,
    find_witness,
    rounded_constants,
    runs,
    sample_points,
    suspicious_points,
)
from torchlean_jax.equivalence._residues import CERTAIN, Agreement, Point, agreement

# Below this share of the value two programs are said to differ by a rounding: 64 units
# in the last place of a binary32. A label of a difference that is proven.
_ROUNDING = 2.0**-18


@dataclass(frozen=True)
class Equivalence:
    """The answer of `tl.equivalent`; true in an `if` or `assert` only if it is "equal".

    equal: True, False, or None where neither could be established (`reason`).
    witness: for False, an input with both values. where: the first place at which the
    two graphs part, seen from the output that differs, as far as residues can tell.
    error_probability: for True, a bound on the probability that the random points were
    unlucky; degree, primes, points: what it follows from. is_rounding: whether the
    difference is of the size of a rounded constant. assumptions: what else the answer
    rests on.
    """

    equal: bool | None
    reason: str
    witness: Witness | None = None
    where: Parting | None = None
    error_probability: float | None = None
    degree: float | None = None
    primes: tuple[int, ...] = ()
    points: int = 0
    is_rounding: bool = False
    assumptions: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.equal is True

    def __str__(self) -> str:
        verdict = {True: "equal", False: "different", None: "undecided"}[self.equal]
        lines = [f"{verdict}: {self.reason}"]
        if self.error_probability is not None:
            lines.append(
                f"  probability of error at most {self.error_probability:.1e} (degree "
                f"{self.degree:.3g}, {self.points} points, {len(self.primes)} primes "
                f"from {min(self.primes)})"
            )
        if self.witness is not None:
            w = self.witness
            lines.append(
                f"  output {w.output}, element {w.element}: {w.values[0]} and "
                f"{w.values[1]}, {w.difference:.3g} apart"
            )
            lines.append(f"  at {w.input}")
        if self.where is not None:
            lines += [f"  {line}" for line in str(self.where).splitlines()]
        lines += [f"  assuming {line}" for line in self.assumptions]
        return "\n".join(lines)


def equivalent(f, g, *, points: int = 2, seed: int = 0):
    """Whether `f` and `g` are the same function of the real numbers.

    `equivalent(f, g)(*args)` traces both at the shapes of `args` (arrays, or
    `jax.ShapeDtypeStruct` for float arguments; integers, booleans and keys are taken as
    they are) and answers with an `Equivalence`:

    * **equal**: evaluated over finite fields at `points` random points, all outputs
      agree (`tl.FiniteField`). The two are the same rational function of inputs and
      exponentials, except with the stated probability, *wherever both are defined*;
      that there is such a place is checked by running both in floating point. Two
      programs may be equal and yet not equally accurate.
    * **different**: there is an input at which they provably return different real
      numbers (`tl.Real`, balls that are more than 1e-30 apart), or a number and none.
    * **undecided** (None): neither. Functions that a finite field does not know are
      uninterpreted (see `tl.FiniteField`), so programs that differ only by an identity
      of theirs, such as sqrt(x)**2 = x for x > 0, stay undecided if no witness is
      found. `reason` says at how many points they agree to within 1e-30.

    Probability: a nonzero polynomial of degree D vanishes at a random point mod a prime
    with probability at most D / prime (Schwartz 1980, Zippel 1979). Degrees are counted
    along the program; powers w**x of an element w of order q count as variables with q
    values, and every uninterpreted function value as one. The two towers of primes of a
    point are independent, and so are the points. Two different arguments of such a
    function must not share a name of 62 bits: the same bound for every pair of them is
    added. Beyond the theorem this rests on the assumption that w**x at different x, and
    the hash that stands for uninterpreted functions, behave like independent uniform
    values. Layers of exponentials are cut where both programs have the same values;
    `tl.cut` marks such places by hand.

    Numbers of magnitude 1e30 or more in the programs count as infinite, as masks do.

    points: random points, each with its own primes. seed: of all random choices.

    Raises InputError for functions of integers only, outputs of different structure or
    shape, random bits drawn inside, and calls back into Python.

    >>> import jax, jax.numpy as jnp, torchlean_jax as tl
    >>> stable = lambda x: jax.nn.logsumexp(x)
    >>> plain = lambda x: jnp.log(jnp.sum(jnp.exp(x)))
    >>> tl.equivalent(stable, plain)(jnp.ones(5)).equal
    True
    >>> halved = lambda x: jnp.log(jnp.mean(jnp.exp(x)))
    >>> report = tl.equivalent(stable, halved)(jnp.ones(5))
    >>> report.equal, report.witness.values
    (False, ('2.60943791243410', '1.00000000000000'))
    """
    if points < 1:
        raise InputError(f"points counts from 1, got {points}")
    functions = as_function(f), as_function(g)
    names = tuple(getattr(h, "__name__", type(h).__name__) for h in functions)

    @functools.wraps(functions[0], updated=())
    def compared(*args, **kwargs) -> Equivalence:
        if any(isinstance(x, Tracer) for x in jax.tree.leaves((args, kwargs))):
            raise InputError("equivalent runs on arrays, not under jit, vmap or grad")
        question = pair(*functions, names, args, kwargs)
        return _answer(question, points, seed)

    return compared


def cut(x):
    """`x` itself, marked as a value that `tl.equivalent` takes as a variable.

    For layers of exponentials written differently in two programs: cut both at a value
    that they have in common. Any other domain, and JAX, see the identity.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> twice = lambda x: jnp.exp(tl.cut(jnp.exp(x)))
    >>> tl.equivalent(twice, lambda x: jnp.exp(jnp.exp(x)))(jnp.float32(1)).equal
    True
    """
    return jax.tree.map(lambda leaf: checkpoint_name(leaf, CUT), x)


def _answer(question: Pair, points: int, seed: int) -> Equivalence:
    found = agreement(functools.partial(Point.of, question), points, seed)
    if found.holds and found.error_probability > CERTAIN:
        found = replace(
            found,
            problem=f"residues agree, but at degree {found.degree:.3g} that may be "
            f"chance (probability {found.error_probability:.1e}): mark values that "
            "both programs have by tl.cut",
        )
    if found.holds and found.somewhere:
        return _confirmed(question, found, seed)
    witness, agreed, problem = find_witness(question, sample_points(question, seed))
    if witness is None and agreed:
        witness, _, _ = find_witness(question, suspicious_points(question, seed))
    assumptions = _assumptions(question, found)
    if witness is not None:
        return _different(question, found, witness)
    why = found.problem.splitlines()[0] if found.problem else ""
    reason = (
        why or "as expressions they differ, by what finite fields know of functions"
    )
    reason += (
        f"; over the reals they agree to within 1e-30 at {agreed} points"
        if agreed
        else f"; over the reals: {problem}"
    )
    where = None if agreed or found.problem else parting(question, seed)
    return Equivalence(None, reason, where=where, assumptions=assumptions)


def _confirmed(question: Pair, found: Agreement, seed: int) -> Equivalence:
    """Agreement of residues, after a look at where the programs are defined."""
    points = sample_points(question, seed)
    run = runs(question)
    hints = [disagreeing(run, leaves) for leaves in points]
    suspects = [p for p, (differs, _) in zip(points, hints, strict=True) if differs]
    witness, agreed, problem = find_witness(question, suspects)
    if witness is not None:
        return _different(question, found, witness)
    assumptions = _assumptions(question, found)
    if agreed < len(suspects):
        reason = (
            "residues agree, but floating-point runs look different, and over the "
            f"reals: {problem}"
        )
        return Equivalence(None, reason, assumptions=assumptions)
    if not any(defined for _, defined in hints):
        reason = (
            "residues agree, but at no point that was tried do both programs have a "
            "value: pass an example at which they do"
        )
        return Equivalence(None, reason, assumptions=assumptions)
    return Equivalence(
        True,
        "the same function of the reals wherever both are defined",
        error_probability=found.error_probability,
        degree=found.degree,
        primes=found.primes,
        points=found.points,
        assumptions=assumptions,
    )


def _different(question, found, witness) -> Equivalence:
    is_rounding = witness.relative < _ROUNDING
    close = rounded_constants(question) if is_rounding else []
    reason = "there is an input at which they return different numbers"
    if math.isinf(witness.difference):
        reason = "there is an input at which one is infinite or no number"
    if is_rounding:
        reason = "they differ by no more than the rounding of a constant"
        reason += "".join(f", {a!r} and {b!r}" for a, b in close[:3])
    return Equivalence(
        False,
        reason,
        witness=witness,
        where=None if found.problem else parting(question, found.seed),
        is_rounding=is_rounding,
        assumptions=_assumptions(question, found),
    )


def _assumptions(question: Pair, found: Agreement) -> tuple[str, ...]:
    lines = []
    if found.has_finite_mask:
        lines.append("constants of magnitude 1e30 or more are masks: infinite")
    if any(u.any() for u in found.undefined):
        lines.append("elements that are 0/0 in both programs agree")
    if question.float_shapes < len(question.leaves):
        lines.append("the integer arguments that were given")
    return tuple(lines)
