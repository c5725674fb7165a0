"""A kernel beside its formula, and how its promise is checked."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from torchlean_jax.contracts import (
    _determinism,
    _edges,
    _meaning,
    _memory,
    _precision,
    _rounding,
)
from torchlean_jax.contracts._arguments import floats
from torchlean_jax.contracts._report import Clause, ContractReport
from torchlean_jax.domains._errors import InputError, TorchLeanError
from torchlean_jax.interpreters._kernel_call import kernel_bytes, unrolled
from torchlean_jax.interpreters._kernel_memory import Moved
from torchlean_jax.pallas_kernels._terms import Program, Terms

CLAUSES = ("meaning", "rounding", "memory", "edges", "determinism", "precision")
_SEED = 2026


@dataclass(frozen=True)
class Contract:
    """What a kernel promises (`terms`), as something that can be checked.

    Clauses: `meaning`, the kernel is the formula as a function of the reals, and its
    reverse mode the derivative; `rounding`, its float32 error stays under a derived
    tolerance; `memory`, no access out of bounds or before a write, no race; `edges`;
    `determinism`, the same bits on every run and, where promised, in every batch;
    `precision`, every product is lowered for CUDA in float32.
    """

    terms: Terms

    @property
    def name(self) -> str:
        return self.terms.name

    def check(
        self,
        *,
        shapes: Sequence[str] | None = None,
        dtypes: Sequence[str] | None = None,
        clauses: Sequence[str] = CLAUSES,
        device: Any = None,
        watch: Callable[[Clause], None] | None = None,
    ) -> ContractReport:
        """Check these clauses at these named shapes and dtypes, by default at all.

        device: a GPU, on which the clause of rounding then runs the kernels as well.
        watch: called with each clause when it is decided.

        Raises: InputError for a shape, dtype or clause that the contract has not.

        >>> from torchlean_jax.contracts import contract
        >>> report = contract("rms_norm").check(shapes=["ragged"], clauses=["memory"])
        >>> report.ok
        True
        """
        asked = self.asked(shapes=shapes, dtypes=dtypes, clauses=clauses)
        found = []
        for clause in self._questions(**asked, device=device):
            found.append(clause)
            if watch is not None:
                watch(clause)
        return ContractReport(tuple(found))

    def asked(
        self,
        *,
        shapes: Sequence[str] | None = None,
        dtypes: Sequence[str] | None = None,
        clauses: Sequence[str] = CLAUSES,
    ) -> dict[str, tuple[str, ...]]:
        """These arguments of `check` in full, without clauses that do not speak of the
        kernel. Raises: as `check`."""
        terms = self.terms
        known = self._known("clause", clauses, CLAUSES)
        return {
            "shapes": self._known("shape", shapes, tuple(terms.shapes)),
            "dtypes": self._known("dtype", dtypes, terms.dtypes),
            "clauses": tuple(c for c in known if c in (terms.clauses or CLAUSES)),
        }

    def bytes(self, dtype: str = "float32") -> list[Moved]:
        """What each kernel moves at the shape `streaming`; empty without one."""
        terms = self.terms
        if terms.streaming is None:
            return []
        found = {}
        for program in terms.programs:
            args = _arguments(program, terms.streaming, dtype)
            found |= {m.name: m for m in kernel_bytes(program.kernel)(*args)}
        return list(found.values())

    def sample(self) -> dict[str, list[str]]:
        """One shape and one dtype, as options of `check`: what can be checked often."""
        shapes = list(self.terms.shapes)
        ragged = "ragged" if "ragged" in shapes else shapes[0]
        return {"shapes": [ragged], "dtypes": [self.terms.dtypes[0]]}

    def _known(self, what, wanted, known):
        unknown = [name for name in wanted or () if name not in known]
        if unknown:
            raise InputError(
                f"{self.name} has no {what} {', '.join(map(repr, unknown))}; "
                f"it has {', '.join(known)}"
            )
        return tuple(known) if wanted is None else tuple(wanted)

    def _questions(self, shapes, dtypes, clauses, device) -> Iterator[Clause]:
        terms = self.terms
        for shape in shapes:
            for program in terms.programs:
                yield from self._about(program, shape, dtypes, clauses, device)
            if "meaning" in clauses:
                args = _arguments(terms.programs[0], terms.shapes[shape], "float32")
                args = floats(args)
                yield self._decided(
                    "meaning",
                    f"grad of {terms.name}",
                    shape,
                    "float32",
                    lambda a=args: _meaning.differentiates(terms, a),
                )
            if "determinism" in clauses and (axis := terms.rows) is not None:
                for dtype in dtypes:
                    args = _arguments(terms.programs[0], terms.shapes[shape], dtype)
                    args = floats(args)
                    yield self._decided(
                        "determinism",
                        f"{terms.name} on {jax.default_backend()}",
                        shape,
                        dtype,
                        lambda a=args, x=axis: _determinism.rows_keep_their_bits(
                            terms.differentiable, a, x
                        ),
                    )
        if "edges" in clauses:
            for edge in terms.edges:
                yield self._decided(
                    "edges", edge.name, "", "", lambda e=edge: _edges.holds(terms, e)
                )

    def _about(
        self, program: Program, shape, dtypes, clauses, device
    ) -> Iterator[Clause]:
        terms = self.terms

        def ask(clause, dtype, question):
            return self._decided(clause, program.name, shape, dtype, question)

        for dtype in dtypes:
            args = _arguments(program, terms.shapes[shape], dtype)
            if "meaning" in clauses and dtype == "float32":
                yield ask("meaning", dtype, lambda a=args: _meaning.equal(program, a))
            if "rounding" in clauses:
                yield ask(
                    "rounding",
                    dtype,
                    lambda a=args: _rounding.within_tolerance(program, a, device),
                )
            if "memory" in clauses:
                yield ask("memory", dtype, lambda a=args: _memory.is_clean(program, a))
            if "determinism" in clauses and (axis := terms.rows) is not None:
                yield ask(
                    "determinism",
                    dtype,
                    lambda a=args, x=axis: _determinism.rows_keep_their_bits(
                        unrolled(program.kernel), a, x
                    ),
                )
            if "precision" in clauses:
                yield ask(
                    "precision", dtype, lambda a=args: _precision.is_stated(program, a)
                )

    def _decided(self, clause, program, shape, dtype, question) -> Clause:
        start = time.perf_counter()
        try:
            holds, detail = question()
            status = "pass" if holds else "fail"
        except ImportError as error:
            status, detail = "not run", str(error)
        except TorchLeanError as error:
            status, detail = "fail", str(error).splitlines()[0]
        except Exception as error:  # of a kernel: one clause of it fails, not the check
            first = str(error).strip().splitlines() or [""]
            status, detail = "fail", f"{type(error).__name__}: {first[0]}"
        seconds = time.perf_counter() - start
        return Clause(self.name, clause, program, shape, dtype, status, detail, seconds)


def _arguments(program: Program, shape, dtype):
    return program.arguments(jax.random.key(_SEED), shape, jnp.dtype(dtype))
