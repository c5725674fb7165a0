"""`torchlean kernels`: fused kernels, and whether they keep their contracts."""

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict

from torchlean_jax.cli import _bench, _machine, _sanitize
from torchlean_jax.cli._arguments import add_command, count, on_device, writable_path
from torchlean_jax.cli._output import live, provenance, write_json
from torchlean_jax.contracts import (
    CLAUSES,
    Clause,
    Contract,
    ContractReport,
    contract,
    contracts,
)
from torchlean_jax.contracts._jobs import Job, in_processes, split
from torchlean_jax.domains._errors import InputError

TEXT = """\
Fused kernels, each beside the formula that it must equal.
A contract is checked clause by clause: that the kernel is the formula as a function and
its reverse mode the derivative (meaning), that its float32 error stays under a derived
tolerance (rounding), that no access is out of bounds or raced (memory), the cases at
the edge (edges), bits that do not depend on the batch (determinism), and that every
product is lowered for CUDA in float32 (precision). Without a command, list kernels."""

LIST = """\
List the kernels, with their formulas.
Nothing is checked: that is what `torchlean kernels check` does."""

CHECK = """\
Check the contracts of some kernels, or of all.
Each clause is decided at every named shape and dtype of the kernel, unless some are
asked for, and printed when it fails, or when one kernel is named. With --device gpu the
kernels themselves run there too, beside the real numbers."""

EXPLAIN = """\
Explain what the contract of a kernel says.
The formula, the programs with their tolerances and the reason for these, the shapes,
dtypes and edges at which the contract is checked, the bytes that kernels bound by
memory load and store, each time that they do, and what is assumed."""

EXAMPLES = """\
examples:
  torchlean kernels
  torchlean kernels explain rms_norm
  torchlean kernels check rms_norm --shape ragged --dtype float32
  torchlean kernels check --clause memory precision --json kernels.json
  torchlean kernels check --sample
  torchlean kernels compile attention --gpu h100
  torchlean kernels bench rms_norm attention --json speed.json"""

CODES = """\
exit code: 0 if every clause that was asked for passes, 1 if one fails, 2 for bad usage,
3 if none fails but some were not run."""


def add_to(commands) -> None:
    command = add_command(commands, "kernels", _list, text=TEXT, examples=EXAMPLES)
    kinds = command.add_subparsers(title="commands", metavar="COMMAND")
    add_command(kinds, "list", _list, text=LIST, examples="exit code: 0")
    explain = add_command(kinds, "explain", _explain, text=EXPLAIN)
    explain.add_argument("names", nargs="+", metavar="NAME", help="names of kernels")
    check = add_command(kinds, "check", _check, text=CHECK, examples=CODES)
    check.add_argument("names", nargs="*", metavar="NAME", help="names of kernels")
    check.add_argument("--shape", nargs="+", metavar="NAME", help="named shapes")
    check.add_argument("--dtype", nargs="+", metavar="DTYPE", help="dtypes")
    check.add_argument(
        "--clause", nargs="+", metavar="CLAUSE", default=CLAUSES, help="clauses"
    )
    check.add_argument(
        "--sample",
        action="store_true",
        help="one shape of each kernel, in its first dtype, and every clause",
    )
    check.add_argument(
        "--device",
        choices=("cpu", "gpu"),
        help="gpu: run the kernels on a GPU as well, in the clause of rounding",
    )
    check.add_argument(
        "--jobs",
        type=count,
        default=2,
        metavar="N",
        help="processes that share the kernels, or the shapes of one (default 2); on a "
        "GPU there is one",
    )
    check.add_argument(
        "--json",
        type=writable_path,
        metavar="FILE",
        help="write every clause to FILE: pass, fail or not run, and why",
    )
    _machine.add_to(kinds)
    _bench.add_to(kinds)
    _sanitize.add_to(kinds)


def _list(options) -> int:
    width = max(len(each.name) for each in contracts())
    for each in contracts():
        print(f"{each.name:<{width}}  {each.terms.formula}")
    return 0


def _explain(options) -> int:
    for number, each in enumerate(map(contract, options.names)):
        if number:
            print()
        _describe(each)
    return 0


def _describe(each: Contract) -> None:
    terms = each.terms
    print(f"{terms.name}: {terms.summary}\n")
    rows = {"formula": terms.formula}
    for program in terms.programs:
        rows[program.name] = (
            f"its float32 error stays under {program.slack:g} times what any order of "
            f"evaluating the formula may have: {program.because}"
        )
    rows["shapes"] = ", ".join(f"{k} {v}" for k, v in terms.shapes.items())
    rows["dtypes"] = ", ".join(terms.dtypes)
    rows["edges"] = ", ".join(edge.name for edge in terms.edges)
    rows["bits"] = "the same on every run on one machine" + (
        ", for a row in every batch" if terms.rows is not None else ""
    )
    if moved := each.bytes():
        shape = f"at {terms.streaming} in float32"
        rows["bytes"] = "; ".join([shape, *map(str, moved)])
    rows["assumed"] = "; ".join(
        (
            *terms.assumed,
            "Triton and the GPU compute what the lowered IR says, with functions as "
            "close as those of XLA on CPUs",
        )
    )
    width = max(map(len, rows)) + 2
    for name, text in rows.items():
        lines = textwrap.wrap(
            text,
            88,
            initial_indent=f"{name:<{width}}",
            subsequent_indent=" " * width,
        )
        print(*lines, sep="\n")


def _check(options) -> int:
    wanted = [contract(name) for name in dict.fromkeys(options.names)] or contracts()
    if options.sample and (options.shape or options.dtype):
        raise InputError("--sample chooses the shape and the dtype itself")
    chosen = {"shapes": options.shape, "dtypes": options.dtype}
    jobs = [
        Job(
            each.name,
            **each.asked(
                **(each.sample() if options.sample else chosen), clauses=options.clause
            ),
        )
        for each in wanted
    ]
    found: list[Clause] = []
    with on_device(options.device) as device, live("checking") as show:

        def watch(clause: Clause) -> None:
            found.append(clause)
            show(f"{clause.kernel} {clause.clause} {clause.program} {clause.shape}")
            if clause.status != "pass" or options.names:
                print(clause, flush=True)

        gpu = device if options.device == "gpu" else None
        for clauses in _decided(jobs, options.jobs, gpu, watch):
            for (kernel, clause), counts in ContractReport(clauses).summary().items():
                parts = ", ".join(f"{n} {status}" for status, n in counts.items())
                print(f"{kernel:<28}{clause:<13}{parts}", flush=True)
    seconds = sum(clause.seconds for clause in found)
    kernels = "1 kernel" if len(wanted) == 1 else f"{len(wanted)} kernels"
    print(f"{kernels}, {len(found)} clauses ({seconds:.1f} s)")
    rows = [asdict(clause) for clause in found]
    write_json(options.json, {"clauses": rows, **provenance(device)})
    statuses = {clause.status for clause in found}
    return 1 if "fail" in statuses else 3 if "not run" in statuses else 0


def _decided(
    jobs: list[Job], processes: int, gpu, watch: Callable[[Clause], None]
) -> Iterator[tuple[Clause, ...]]:
    """The clauses of each kernel, every one shown to `watch` first. On a GPU there is
    one process, which has its memory."""
    parts = split(jobs)
    if gpu is not None or min(processes, len(parts)) < 2:
        for job in jobs:
            asked = {"shapes": job.shapes, "dtypes": job.dtypes, "clauses": job.clauses}
            report = contract(job.kernel).check(**asked, device=gpu, watch=watch)
            yield report.clauses
        return
    of_one: list[Clause] = []
    for clauses in in_processes(parts, processes):
        for clause in clauses:
            watch(clause)
        if len(jobs) > 1:
            yield clauses
        else:
            of_one += clauses
    yield tuple(of_one)
