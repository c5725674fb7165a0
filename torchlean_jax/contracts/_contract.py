"""A kernel beside its formula, and how its promise is checked."""

import functools
import time
from collections.abc import Iterator, Sequence
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
from torchlean_jax.contracts._report import Clause, ContractReport, Question
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
    ) -> ContractReport:
        """Check these clauses at these named shapes and dtypes, by default at all.

        device: a GPU, on which the clause of rounding then runs the kernels as well.

        Raises: InputError for a shape, dtype or clause that the contract has not.

        >>> from torchlean_jax.contracts import contract
        >>> report = contract("rms_norm").check(shapes=["ragged"], clauses=["memory"])
        >>> report.ok
        True
        """
        asked = self.questions(shapes=shapes, dtypes=dtypes, clauses=clauses)
        return ContractReport(tuple(self.answer(each, device) for each in asked))

    def questions(
        self,
        *,
        shapes: Sequence[str] | None = None,
        dtypes: Sequence[str] | None = None,
        clauses: Sequence[str] = CLAUSES,
    ) -> list[Question]:
        """What `check` decides, in its order; nothing is computed. Raises: as `check`.

        >>> from torchlean_jax.contracts import contract
        >>> asked = {"shapes": ["one"], "dtypes": ["float16"], "clauses": ["memory"]}
        >>> [question.where for question in contract("rms_norm").questions(**asked)]
        ['rms_norm one float16', 'rms_norm_backward one float16']
        """
        terms = self.terms
        known = self._known("clause", clauses, CLAUSES)
        spoken = [c for c in known if c in (terms.clauses or CLAUSES)]
        shapes = self._known("shape", shapes, tuple(terms.shapes))
        dtypes = self._known("dtype", dtypes, terms.dtypes)
        found = [q for s in shapes for q in self._at(s, dtypes, spoken)]
        if "edges" in spoken:
            names = [edge.name for edge in terms.edges]
            found += [Question(self.name, "edges", name, "", "") for name in names]
        return found

    def answer(self, question: Question, device: Any = None) -> Clause:
        """That question, one of `questions`, decided here; device: as of `check`."""
        start = time.perf_counter()
        try:
            holds, detail = self._decided(question, device)
            status = "pass" if holds else "fail"
        except ImportError as error:
            status, detail = "not run", str(error)
        except TorchLeanError as error:
            status, detail = "fail", str(error).splitlines()[0]
        except Exception as error:  # of a kernel: one clause of it fails, not the check
            first = str(error).strip().splitlines() or [""]
            status, detail = "fail", f"{type(error).__name__}: {first[0]}"
        return question.answered(status, detail, time.perf_counter() - start)

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
        """One shape, in float32 and in one narrow dtype if there is one, as options of
        `check`: what can be checked often."""
        shapes = list(self.terms.shapes)
        ragged = "ragged" if "ragged" in shapes else shapes[0]
        return {"shapes": [ragged], "dtypes": list(self.terms.dtypes[:2])}

    def _known(self, what, wanted, known):
        unknown = [name for name in wanted or () if name not in known]
        if unknown:
            raise InputError(
                f"{self.name} has no {what} {', '.join(map(repr, unknown))}; "
                f"it has {', '.join(known)}"
            )
        return tuple(known) if wanted is None else tuple(wanted)

    def _at(self, shape, dtypes, clauses) -> Iterator[Question]:
        """What is asked at a shape: of every program, then of the public function."""
        terms = self.terms
        rows = terms.rows is not None
        ask = functools.partial(Question, self.name)
        for program in terms.programs:
            for dtype in dtypes:
                for clause in clauses:
                    of_dtype = clause != "meaning" or dtype == "float32"
                    of_kernel = clause != "edges" and (clause != "determinism" or rows)
                    if of_dtype and of_kernel:
                        yield ask(clause, program.name, shape, dtype)
        if "meaning" in clauses:
            yield ask("meaning", f"grad of {terms.name}", shape, "float32")
        if "determinism" in clauses and rows:
            where = f"{terms.name} on {jax.default_backend()}"
            for dtype in dtypes:
                yield ask("determinism", where, shape, dtype)

    def _decided(self, question: Question, device) -> tuple[bool, str]:
        terms, clause = self.terms, question.clause
        if clause == "edges":
            (edge,) = (e for e in terms.edges if e.name == question.program)
            return _edges.holds(terms, edge)
        of_name = {program.name: program for program in terms.programs}
        program = of_name.get(question.program)
        shape = terms.shapes[question.shape]
        if program is None:  # the public function, which takes what the first one takes
            args = floats(_arguments(terms.programs[0], shape, question.dtype))
            if clause == "meaning":
                return _meaning.differentiates(terms, args)
            return self._rows_keep_their_bits(terms.differentiable, args)
        args = _arguments(program, shape, question.dtype)
        if clause == "meaning":
            return _meaning.equal(program, args)
        if clause == "rounding":
            return _rounding.within_tolerance(program, args, device)
        if clause == "memory":
            return _memory.is_clean(program, args)
        if clause == "precision":
            return _precision.is_stated(program, args)
        return self._rows_keep_their_bits(unrolled(program.kernel), args)

    def _rows_keep_their_bits(self, f, args) -> tuple[bool, str]:
        rows = self.terms.rows
        assert rows is not None  # or it would not have been asked
        return _determinism.rows_keep_their_bits(f, args, rows)


# clauses about one program at one shape and dtype follow each other
@functools.lru_cache(maxsize=4)
def _arguments(program: Program, shape, dtype: str):
    return program.arguments(jax.random.key(_SEED), shape, jnp.dtype(dtype))
