"""The monomials of truncated power series in several variables, by degree."""


class Grades:
    """Which monomials there are, by degree: tuples of exponents.

    What multiplies to none of them is 0: a product with it has to be none as well.
    """

    def __init__(self, monomials: list[list[tuple[int, ...]]]):
        self.monomials = monomials
        self.places = [{m: k for k, m in enumerate(grade)} for grade in monomials]
        self._pairs: dict = {}

    def size(self, degree: int) -> int:
        return len(self.monomials[degree])

    def pairs(self, i: int, k: int) -> list[tuple[int, int, int]]:
        """Places of two monomials of these degrees, and of their product."""
        if (i, k) not in self._pairs:
            found, places = [], self.places[i + k]
            for p, a in enumerate(self.monomials[i]):
                for q, b in enumerate(self.monomials[k]):
                    both = tuple(x + y for x, y in zip(a, b, strict=True))
                    if both in places:
                        found.append((p, q, places[both]))
            self._pairs[i, k] = found
        return self._pairs[i, k]
