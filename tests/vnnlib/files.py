"""VNN-LIB files made by chance, and points at which their inequalities are ties."""

from fractions import Fraction


def declared(inputs, outputs):
    names = [f"X_{i}" for i in range(inputs)] + [f"Y_{j}" for j in range(outputs)]
    return "".join(f"(declare-const {name} Real)\n" for name in names)


def boxed(lo, hi):
    return "".join(
        f"(assert (<= X_{i} {high}))\n(assert (>= X_{i} {low}))\n"
        for i, (low, high) in enumerate(zip(lo, hi, strict=True))
    )


class Chance:
    """Formulas over few numbers, so that points meet their boundaries."""

    def __init__(self, random, numbers):
        self.random, self.numbers = random, numbers

    def term(self, names, depth=2):
        kind = self.random.randrange(6 if depth else 2)
        if kind == 0:
            return self.random.choice(names)
        if kind == 1:
            return self.random.choice(self.numbers)
        if kind == 2:
            factor = self.random.choice(self.numbers)
            return f"(* {factor} {self.term(names, depth - 1)})"
        head = "-" if kind == 3 else "+"
        count = self.random.randint(1 if head == "-" else 2, 3)
        parts = " ".join(self.term(names, depth - 1) for _ in range(count))
        return f"({head} {parts})"

    def formula(self, names, operators, depth=3):
        kind = self.random.randrange(5 if depth else 1)
        if kind < 2:
            left, right = self.term(names), self.term(names)
            return f"({self.random.choice(operators)} {left} {right})"
        if kind == 4 and "<" in operators:
            return f"(not {self.formula(names, operators, depth - 1)})"
        head = self.random.choice(["and", "or"])
        parts = [
            self.formula(names, operators, depth - 1)
            for _ in range(self.random.randint(1, 3))
        ]
        return f"({head} {' '.join(parts)})"

    def point(self, count):
        values = [Fraction(n) for n in self.numbers]
        values += [v + Fraction(d, 8) for v in values for d in (-1, 1)]
        return [self.random.choice(values) for _ in range(count)]
