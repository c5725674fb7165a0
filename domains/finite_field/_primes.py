"""The number systems of one evaluation: primes q | p - 1, and what turns q into p.

Sums mod q become products mod p through w**x, where w has order q mod p. Arrays are
NumPy's uint64; every modulus is below 2**31, so that a product of two residues fits.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

# NumPy makes scalars of arrays without axes.
Residues = np.ndarray | np.uint64

_HALF = 16  # bits of an exponent that one table of powers answers


@dataclass(frozen=True)
class Tower:
    """A prime q, and a prime p = order * q + 1.

    generator: an element of order q mod p; imaginary: one of order 4, in place of the
    imaginary unit; circle: x -> generator**(circle * x) in place of exp(i x).
    """

    p: int
    q: int
    order: int
    generator: int
    imaginary: int
    circle: int

    @staticmethod
    def random(rng: np.random.Generator, order: int) -> "Tower":
        """Primes drawn anew: no program knows them beforehand. 4 divides `order`."""
        p, q = _prime_pair(rng, order)
        while True:
            h = int(rng.integers(2, p))
            generator, root = pow(h, order, p), pow(h, q, p)
            if generator != 1 and _has_order(root, order, p):
                break
        circle = int(rng.integers(2, q))
        return Tower(p, q, order, generator, pow(root, order // 4, p), circle)

    def root_of_unity(self, n: int) -> int:
        """exp(2 pi i / n), for n that divides `order`; its n/4-th power is i."""
        return _root(self, n)

    @functools.cached_property
    def _powers(self) -> tuple[np.ndarray, np.ndarray]:
        low = powers(self.generator, 1 << _HALF, self.p)
        step = pow(self.generator, 1 << _HALF, self.p)
        return low, powers(step, (self.q >> _HALF) + 1, self.p)

    def power(self, exponents: Residues) -> Residues:
        """generator**x mod p for residues x mod q."""
        low, high = self._powers
        x = exponents.astype(np.int64)
        found = low[x & ((1 << _HALF) - 1)] * high[x >> _HALF]
        return np.asarray(found % np.uint64(self.p))

    def logarithm(self, x: Residues) -> Residues:
        """y mod q with generator**y = x, up to a factor whose `order`-th power is 1.

        Hence log(a b) = log a + log b, and log a = log -a: the caller sees to signs.
        Baby steps and giant steps (Shanks). x: nonzero residues mod p.
        """
        inside = power_mod(x, self.order, self.p)
        flat, back = np.unique(inside, return_inverse=True)
        found = self._discrete_logarithm(flat)
        return (found * np.uint64(pow(self.order, -1, self.q)) % np.uint64(self.q))[
            back.reshape(x.shape)
        ]

    @functools.cached_property
    def _baby_steps(self) -> tuple[np.ndarray, np.ndarray]:
        rows = powers(self.generator, 1 << 10, self.p)
        step = pow(self.generator, 1 << 10, self.p)
        columns = powers(step, 1 << 10, self.p)
        steps = (columns[:, None] * rows % np.uint64(self.p)).ravel()
        order = np.argsort(steps)
        return steps[order], order.astype(np.uint64)

    def _discrete_logarithm(self, x):
        steps, exponents = self._baby_steps
        size = len(steps)
        giant = np.uint64(pow(self.generator, -size, self.p))
        result = np.zeros(x.shape, np.uint64)
        left, here = np.arange(x.size), x.copy()
        for k in range(self.q // size + 1):
            at = np.minimum(np.searchsorted(steps, here), size - 1)
            hit = steps[at] == here
            result[left[hit]] = exponents[at[hit]] + np.uint64(k * size)
            left, here = left[~hit], here[~hit] * giant % np.uint64(self.p)
            if not left.size:
                break
        return result


@functools.cache
def _root(tower: Tower, n):
    """Of all roots of order n, one whose n/4-th power is the tower's i."""
    p = tower.p
    candidates = (pow(h, (p - 1) // n, p) for h in range(2, p))
    root = next(x for x in candidates if _has_order(x, n, p))
    if n % 4 == 0 and pow(root, n // 4, p) != tower.imaginary:
        root = pow(root, -1, p)
    return root


def powers(base: int, count: int, modulus: int) -> np.ndarray:
    """base**0, base**1, ... mod `modulus`: doubled until there are `count`."""
    found, m = np.ones(1, np.uint64), np.uint64(modulus)
    while len(found) < count:
        jump = np.uint64(pow(base, len(found), modulus))
        found = np.concatenate([found, found * jump % m])
    return found[:count]


def power_mod(x: Residues, exponent: int, modulus: int) -> Residues:
    """x**exponent mod `modulus`, for an exponent from 0."""
    result, m = np.ones_like(x), np.uint64(modulus)
    while exponent:
        if exponent & 1:
            result = result * x % m
        exponent >>= 1
        if exponent:
            x = x * x % m
    return np.asarray(result)


def inverse_mod(x: Residues, modulus: int) -> Residues:
    """1/x mod `modulus` for nonzero residues: three products each (Montgomery)."""
    flat, m = x.reshape(-1), np.uint64(modulus)
    if flat.size <= 256:
        return power_mod(x, modulus - 2, modulus)
    half = flat.size // 2
    a, b = flat[:half], flat[half : 2 * half]
    of_both = inverse_mod(a * b % m, modulus)
    rest = power_mod(flat[2 * half :], modulus - 2, modulus)
    return np.concatenate([of_both * b % m, of_both * a % m, rest]).reshape(x.shape)


def _prime_pair(rng, order):
    top = (1 << 31) // order
    if top < 1 << 20:
        raise ValueError(f"no room for a prime q below 2**31 / {order}")
    while True:
        q = int(rng.integers(top // 2, top - 1)) | 1
        p = order * q + 1
        # (p - 1)/q has to hold no further q, which sizes see to: order < q
        if is_prime(q) and is_prime(p):
            return p, q


def is_prime(n: int) -> bool:
    """Miller and Rabin's test, which is a proof below 3.4e14 with these bases."""
    small = (2, 3, 5, 7, 11, 13, 17)
    if n in small or any(n % k == 0 for k in small):
        return n in small
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for a in small:
        x = pow(a, d, n)
        if x in (1, n - 1):
            continue
        if not any((x := x * x % n) == n - 1 for _ in range(s - 1)):
            return False
    return True


def _has_order(x, n, p):
    primes = [k for k in range(2, math.isqrt(n) + 2) if n % k == 0 and is_prime(k)]
    rest = n
    for k in primes:
        while rest % k == 0:
            rest //= k
    primes += [rest] if rest > 1 else []
    return pow(x, n, p) == 1 and all(pow(x, n // k, p) != 1 for k in primes)
