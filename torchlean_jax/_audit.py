"""`audit_compilation`: which operations of a program the compiler did not keep.

The program as JAX hands it over is compared with the program after optimisation. Every
instruction of both says which equation it belongs to and on which line that stands.
"""

import functools
import linecache
import math
import re
from dataclasses import dataclass

import jax

from torchlean_jax._faithful import FaithfulFunction
from torchlean_jax._hlo import Instruction, Module, parse
from torchlean_jax._trace import as_function, require_arrays


@dataclass(frozen=True)
class Finding:
    """An equation that does not run as it is written.

    primitive: its name; became: what runs in its place, or "nothing"; line: (file,
    number, text) or None; covered: whether the FP32 model holds for it all the same (a
    quotient may be a product with an inverse).
    """

    primitive: str
    became: str
    line: tuple[str, int, str] | None
    covered: bool

    def __str__(self) -> str:
        place = ""
        if self.line is not None:
            file, number, text = self.line
            place = f"   {file.rsplit('/', 1)[-1]}:{number}  {text}"
        note = "   (inside FP32)" if self.covered else ""
        return f"{self.primitive:<14} runs as {self.became}{place}{note}"


@dataclass(frozen=True)
class Audit:
    """What the compiler did to the operations of a program.

    findings: the equations that it replaced or removed; name: of the function.
    """

    name: str
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether every operation of the jaxpr runs as it is: then `tl.FP32` holds."""
        return not self.findings

    def __str__(self) -> str:
        if self.clean:
            return f"`{self.name}` runs as it is written"
        count = len(self.findings)
        noun = "equation does" if count == 1 else "equations do"
        head = f"{count} {noun} not run as written in `{self.name}`:"
        advice = "tl.faithful_jit compiles the function without these rewrites."
        return "\n".join([head, *(f"  {f}" for f in self.findings), advice])


def audit_compilation(f):
    """Which floating-point operations of `f` the compiler replaced or removed.

    `audit_compilation(f)(*args)` compiles `f` as `jax.jit(f)` would for these arguments
    and compares what runs with what is written: it names `y / sqrt(x)` turned into
    `y * rsqrt(x)`, `x / c` into `x * (1 / c)`, and a sum that was cancelled away. Where
    it is clean, a plain jit is one of the runs that `tl.FP32` and `tl.float_error`
    speak of. Rewrites that change no result (a quotient by a power of two, common
    subexpressions, constants computed once) are not named, nor is anything that the
    FP32 model leaves open: the order of sums, fused multiply-adds.

    f: a function, a function that `jax.jit` compiled, or a `tl.faithful_jit`.

    Returns an Audit: `.clean`, `.findings`, and a readable `str`. It speaks of this
    compiler, backend and these shapes. Raises InputError for arguments that are domain
    values.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> x = jnp.linspace(1.0, 2.0, 8)
    >>> normalise = lambda x: x / jnp.sqrt(x)
    >>> tl.audit_compilation(normalise)(x).clean
    False
    >>> tl.audit_compilation(tl.faithful_jit(normalise))(x).clean
    True
    """
    compiled = f if isinstance(f, FaithfulFunction) else _as_jitted(f)
    name = getattr(f, "__name__", type(f).__name__)

    @functools.wraps(compiled.lower, updated=())
    def audited(*args, **kwargs) -> Audit:
        require_arrays("audit_compilation", args, kwargs)
        lowered = compiled.lower(*args, **kwargs)
        written = parse(str(lowered.as_text(dialect="hlo", debug_info=True)))
        runs = parse(str(lowered.compile().as_text()))
        return Audit(name, tuple(_findings(written, runs)))

    return audited


def _as_jitted(f):
    return f if hasattr(f, "lower") else jax.jit(as_function(f))


# What an equation may run as. `sub` of a constant as a sum with its negative is exact.
_KEPT = {
    "add": {"add", "subtract"},
    "add_any": {"add", "subtract"},
    "sub": {"subtract", "add", "negate"},
    "mul": {"multiply"},
    "square": {"multiply"},
    "integer_pow": {"multiply", "divide"},
    "div": {"divide"},
    "rem": {"remainder"},
    "sqrt": {"sqrt"},
    "rsqrt": {"rsqrt"},
    "exp": {"exponential"},
    "exp2": {"exponential", "multiply"},
    "log": {"log"},
    "log1p": {"log-plus-one"},
    "expm1": {"exponential-minus-one"},
    "tanh": {"tanh"},
    "sin": {"sine"},
    "cos": {"cosine"},
    "pow": {"power"},
}
# Carried out by several instructions, or by any: only their absence says something.
_ANY = {"logistic", "tan", "erf", "erf_inv", "erfc", "cbrt", "atan2"}
_ANY |= {"asin", "acos", "atan", "asinh", "acosh", "atanh", "sinh", "cosh"}
_PRODUCT_PRIMITIVES = {"dot_general", "conv_general_dilated"}
_PRODUCTS = {"dot", "convolution", "custom-call"}
_ANY |= _PRODUCT_PRIMITIVES
_ONE_EACH = _KEPT.keys() - {"exp2"}
_ROUNDING = {
    *("add", "subtract", "multiply", "divide", "remainder", "sqrt", "rsqrt", "cbrt"),
    *("exponential", "exponential-minus-one", "log", "log-plus-one", "tanh", "tan"),
    *("logistic", "sine", "cosine", "power", "atan2", "erf", "dot", "convolution"),
}


def _findings(written: Module, runs: Module):
    kept, seen = {}, set()
    for computation in runs.computations.values():
        for instruction in computation.instructions.values():
            primitive, line = _equation(instruction)
            if not instruction.is_float:
                continue
            why = _replaced(primitive, instruction, computation)
            if why and (primitive, line, why) not in seen:
                seen.add((primitive, line, why))
                yield _finding(primitive, why, line)
            if not why:
                kept[primitive, line] = kept.get((primitive, line), 0) + 1
    replaced = {(primitive, line) for primitive, line, _ in seen}
    missing = [e for e in _Reader(written).missing(kept) if e not in replaced]
    for primitive, line in _but_turned_products(missing, runs):
        yield _finding(primitive, "nothing", line)


def _but_turned_products(missing, runs):
    """Without products that run under another name: (x y)^T as y^T x^T."""
    turned = sum(
        i.opcode in _PRODUCTS and _equation(i)[0] not in _PRODUCT_PRIMITIVES
        for computation in runs.computations.values()
        for i in computation.instructions.values()
    )
    products = [e for e in missing if e[0] in _PRODUCT_PRIMITIVES]
    return [e for e in missing if e not in products or len(products) > turned]


def _finding(primitive, became, line):
    covered = primitive == "div" and became == "multiply"
    if line is not None:
        file, number, *_ = line
        line = file, number, linecache.getline(file, number).strip()
    return Finding(primitive, became, line, covered)


def _equation(instruction: Instruction):
    """(primitive, place) of the equation that an instruction belongs to."""
    return instruction.path.rsplit("/", 1)[-1], instruction.line


def _replaced(primitive, instruction, computation):
    """The opcode that runs in place of the primitive, or None if it is its own."""
    opcode = instruction.opcode
    if primitive not in _KEPT or opcode not in _ROUNDING:
        return None
    if opcode in _KEPT[primitive]:
        return None
    numbers = [_constant(n, computation) for n in instruction.operands]
    scaled = opcode == "multiply" and any(map(_is_scale, numbers))
    doubled = opcode == "add" and len(set(instruction.operands)) == 1
    # x / 4 as x * 0.25, y + y as y * 2, y * 2 as y + y: the same floats
    if (primitive in ("div", "add") and scaled) or (primitive == "mul" and doubled):
        return None
    return opcode


def _is_scale(number):
    """Whether multiplying by `number` is exact: a power of two."""
    return number is not None and abs(math.frexp(number)[0]) == 0.5


def _constant(name, computation):
    """The number that an operand holds in every element, if that can be seen."""
    instruction = computation.instructions.get(name)
    while instruction is not None and instruction.opcode in _SPREADING:
        instruction = computation.instructions.get(instruction.operands[0])
    if instruction is None or instruction.opcode != "constant":
        return None
    return _one_number(instruction.text)


def _one_number(text):
    numbers = set(re.findall(r"[-+\w.]+", text))
    try:
        return float(numbers.pop()) if len(numbers) == 1 else None
    except ValueError:
        return None


_SPREADING = ("broadcast", "bitcast", "reshape", "copy")


class _Reader:
    """The program as it is written: its operations, equal ones counted once."""

    def __init__(self, module: Module):
        self.module = module
        self.numbers = {}  # expression -> its number
        self.places = {}  # number -> equations that compute it
        self.constant = set()  # numbers of expressions without inputs
        self.values = {}  # number -> what it holds in every element, where it is known

    def missing(self, kept):
        """Equations of which fewer operations run than are written."""
        inputs = self.module.computations[self.module.entry].parameters
        self.inside(self.module.entry, [self.number("input", n) for n in inputs], None)
        wanted = {}
        for number, equations in self.places.items():
            if number in self.constant or any(kept.get(e, 0) for e in equations[1:]):
                continue
            wanted.setdefault(equations[0], []).append(number)
        for (primitive, line), numbers in wanted.items():
            enough = len(numbers) if primitive in _ONE_EACH else 1
            if kept.get((primitive, line), 0) < enough:
                yield primitive, line

    def number(self, *expression):
        return self.numbers.setdefault(expression, len(self.numbers))

    def inside(self, name, arguments, line):
        """What a computation returns: a number, or a tuple of them."""
        computation = self.module.computations[name]
        done = {}
        for each in _needed(computation):
            instruction = computation.instructions[each]
            operands = [done[n] for n in instruction.operands]
            done[each] = self.evaluated(instruction, operands, arguments, line)
        return done[computation.root]

    def evaluated(self, instruction, operands, arguments, line):
        opcode = instruction.opcode
        here = instruction.line or line
        if opcode == "parameter":
            return arguments[int(instruction.text)]
        if opcode == "tuple":
            return tuple(operands)
        if opcode == "get-tuple-element" and isinstance(operands[0], tuple):
            return operands[0][int(re.findall(r"index=(\d+)", instruction.text)[0])]
        if opcode == "call":
            return self.inside(instruction.called[0], operands, here)
        if opcode in ("while", "conditional"):
            return self._with_bodies(instruction, operands, here)
        attributes = re.sub(r"metadata=\{[^}]*\}", "", instruction.text)
        result = self.number(opcode, *operands, attributes)
        if opcode == "constant":
            self.values[result] = _one_number(instruction.text)
        elif opcode in _SPREADING and operands[0] in self.values:
            self.values[result] = self.values[operands[0]]
        if opcode in ("constant", "iota") or (
            operands and all(map(self._is_constant, operands))
        ):
            self.constant.add(result)
        elif not self._is_idle(opcode, operands):
            self._note(instruction, result, here)
        return result

    def _with_bodies(self, instruction, operands, line):
        """A loop reads something else in each round: its inputs are equal to
        nothing."""
        if instruction.opcode == "while":
            operands = [None, self.number("loop", len(self.numbers))]
            for name in instruction.called:
                self.inside(name, operands[1:], line)
        else:
            for name, operand in zip(instruction.called, operands[1:], strict=True):
                self.inside(name, [operand], line)
        return self.number("result", len(self.numbers))

    def _is_constant(self, number):
        flat = number if isinstance(number, tuple) else (number,)
        return all(n in self.constant for n in flat)

    def _is_idle(self, opcode, operands):
        """Adding nothing, multiplying by one: leaving that out changes no result."""
        idle = {"add": 0.0, "subtract": 0.0, "multiply": 1.0, "divide": 1.0}.get(opcode)
        if idle is None:
            return False
        values = [self.values.get(n) for n in operands]
        return idle == values[1] or (
            opcode in ("add", "multiply") and idle == values[0]
        )

    def _note(self, instruction, result, line):
        primitive = instruction.path.rsplit("/", 1)[-1]
        counted = primitive in _KEPT or primitive in _ANY
        if counted and instruction.is_float and instruction.opcode in _ROUNDING:
            equations = self.places.setdefault(result, [])
            if (primitive, line) not in equations:
                equations.append((primitive, line))


def _needed(computation):
    """The instructions that the root needs, in an order in which they can be done."""
    needed, waiting = set(), [computation.root]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += computation.instructions[name].operands
    return [name for name in computation.instructions if name in needed]
