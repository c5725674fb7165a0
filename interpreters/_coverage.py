"""The coverage table: what each domain does with each primitive of the census.

The census is the set of primitives that 24 flax models (forward and gradient) and
common calls of jax.numpy, optax and jax.scipy use, on JAX 0.10 and 0.12. A further
domain is one more column.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torchlean_jax.domains import _families
from torchlean_jax.domains._domain import Domain, is_eager
from torchlean_jax.domains.dependence import Dependence
from torchlean_jax.domains.finite_field import FiniteField
from torchlean_jax.domains.fp32 import FP32
from torchlean_jax.domains.ieee32 import IEEE32
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.real import Real
from torchlean_jax.interpreters import _control

CENSUS = {
    "Elementwise, monotone": (
        "exp exp2 expm1 log log1p log2 logistic tanh sqrt rsqrt cbrt erf erfc erf_inv "
        "asin acos atan asinh acosh atanh sinh floor ceil round sign"
    ).split(),
    "Elementwise, other": (
        "abs neg square integer_pow pow sin cos tan cosh one_minus_square polynomial "
        "lgamma digamma polygamma is_finite nextafter real imag conj complex atan2 not "
        "reduce_precision"
    ).split(),
    "Arithmetic and comparison": (
        "add add_any sub mul div rem max min clamp and or xor shift_right_logical "
        "eq ne lt le gt ge lt_to le_to select_n"
    ).split(),
    "Layout": (
        "broadcast_in_dim reshape transpose squeeze concatenate slice rev pad split "
        "stack unstack tile copy iota empty empty2 convert_element_type "
        "bitcast_convert_type stop_gradient device_put"
    ).split(),
    "Indexing and order": (
        "gather scatter scatter-add scatter-max scatter-min scatter-mul dynamic_slice "
        "dynamic_update_slice select_and_scatter_add select_and_gather_add top_k sort "
        "argmax argmin"
    ).split(),
    "Reductions": (
        "reduce_sum reduce_max reduce_min reduce_prod reduce_and reduce_or "
        "reduce_window_max reduce_window_min reduce_window_sum cumsum cumprod cummax "
        "cummin cumlogsumexp"
    ).split(),
    "Contractions": "dot_general conv_general_dilated ragged_dot_general fft".split(),
    "Linear algebra": (
        "cholesky triangular_solve lu qr geqrf householder_product eigh svd "
        "custom_linear_solve"
    ).split(),
    "Random": (
        "random_bits random_fold_in random_seed random_split random_wrap random_unwrap "
        "random_gamma"
    ).split(),
    "Structural": (
        "jit scan while cond custom_jvp_call custom_vjp_call remat2 platform_index "
        "call_hi_primitive debug_print pallas_call get swap"
    ).split(),
    "Recognised calls": "call:softplus call:logaddexp call:silu".split(),
}


@dataclass(frozen=True)
class Decision:
    """What is done with a primitive: `"rule"`, `"walk"`, `"as is"`, `"refused"` or
    `"missing"`.

    `"walk"`: the interpreter opens it and walks what is inside. `"as is"`: it reads no
    number that could be undecided, and runs unchanged. `reason` says why a primitive is
    refused.
    """

    kind: str
    reason: str = ""


Column = tuple[str, Callable[[str], Decision]]


def forward_column(title: str, domain: Domain) -> Column:
    """The column of a domain that the forward walk runs."""

    def decide(name):
        if domain.rules.find(name) is not None:
            return Decision("rule")
        if name in _control.HANDLERS or name.startswith("call:"):
            return Decision("walk")
        reason = domain.rules.why_refused(name)
        if reason:
            return Decision("refused", reason)
        as_is = name in _families.INTEGER_ONLY
        as_is |= is_eager(domain) and name in _families.BITWISE
        return Decision("as is" if as_is else "missing")

    return title, decide


COLUMNS: list[Column] = [
    forward_column("Interval", Interval),
    forward_column("Real", Real()),
    forward_column("FP32", FP32()),
    forward_column("IEEE32", IEEE32()),
    forward_column("Dependence", Dependence(count=1)),
    forward_column("FiniteField", FiniteField()),
]


def coverage(columns: list[Column] | None = None) -> dict[str, dict[str, Decision]]:
    """For each primitive of the census, the decision of each column by its title.

    >>> coverage()["tanh"]["Interval"].kind, coverage()["while"]["Interval"].kind
    ('rule', 'walk')
    """
    columns = COLUMNS if columns is None else columns
    names = [name for group in CENSUS.values() for name in group]
    return {name: {title: decide(name) for title, decide in columns} for name in names}


def coverage_page(columns: list[Column] | None = None) -> str:
    """The coverage table as Markdown, with the reasons for refusals below it."""
    columns = COLUMNS if columns is None else columns
    table = coverage(columns)
    titles = [title for title, _ in columns]
    lines = [_INTRODUCTION, *_counts(table, titles)]
    for group, names in CENSUS.items():
        lines += ["", f"## {group}", "", "| primitive | " + " | ".join(titles) + " |"]
        lines.append("|---" * (len(titles) + 1) + "|")
        for name in names:
            cells = " | ".join(table[name][title].kind for title in titles)
            lines.append(f"| `{name}` | {cells} |")
    return "\n".join([*lines, *_reasons(table, titles)]) + "\n"


_INTRODUCTION = """\
# Coverage

What each domain does with each primitive that models use. Generated by
`torchlean coverage`; do not edit.

* **rule**: there is a rule, with a containment test.
* **walk**: the interpreter walks what is inside.
* **as is**: it reads no number that could be undecided, and runs unchanged.
* **refused**: on purpose; the reason is below.
* **missing**: nobody has decided yet.
"""


def _counts(table, titles):
    lines = ["| |" + "".join(f" {title} |" for title in titles)]
    lines.append("|---" * (len(titles) + 1) + "|")
    for kind in ("rule", "walk", "as is", "refused", "missing"):
        counts = [
            sum(row[title].kind == kind for row in table.values()) for title in titles
        ]
        lines.append(f"| {kind} | " + " | ".join(map(str, counts)) + " |")
    return lines


def _reasons(table, titles):
    lines = []
    for title in titles:
        by_reason = {}
        for name, row in table.items():
            if row[title].kind == "refused":
                by_reason.setdefault(row[title].reason, []).append(f"`{name}`")
        if by_reason:
            lines += ["", f"## Why {title} refuses", ""]
            lines += [
                f"* {', '.join(names)}: {why}." for why, names in by_reason.items()
            ]
    return lines
