"""`torchlean kernels compile`: the machine code of kernels, without a GPU."""

import functools
from dataclasses import asdict

import jax

from torchlean_jax.cli._arguments import add_command, writable_path
from torchlean_jax.cli._output import live, provenance, write_json
from torchlean_jax.contracts import contract, contracts
from torchlean_jax.contracts._cuda import lowered
from torchlean_jax.contracts._machine import GPUS, Gpu, compiled
from torchlean_jax.domains._errors import InputError

TEXT = """\
Compile kernels to the machine code of a GPU, without one.
At a shape as in a model: what each kernel takes of a multiprocessor, in registers for a
thread, bytes of shared memory and bytes that did not fit into registers, and how many
programs it can hold at once. Needs the package `triton` (extra: ptx)."""

CODES = """\
exit code: 0 if every kernel is compiled, 1 if one cannot be, 2 for bad usage, 3 where
there is no compiler."""


def add_to(kinds) -> None:
    command = add_command(kinds, "compile", _run, text=TEXT, examples=CODES)
    command.add_argument("names", nargs="*", metavar="NAME", help="names of kernels")
    command.add_argument(
        "--gpu", choices=GPUS, default="a100", help="whose code (default: a100)"
    )
    command.add_argument("--dtype", help="default: bfloat16, where a kernel takes it")
    command.add_argument(
        "--json", type=writable_path, metavar="FILE", help="write what was found"
    )


def _run(options) -> int:
    named = [contract(name) for name in dict.fromkeys(options.names)]
    wanted = [c.terms for c in named or contracts() if c.terms.typical is not None]
    rows, missing = [], ""
    with live("compiling") as show:
        for terms in wanted:
            show(terms.name)
            dtype = dtype_of(terms, options.dtype)
            try:
                for row in _found(terms, dtype, GPUS[options.gpu]):
                    print(_line(row), flush=True)
                    rows.append(row)
            except ImportError as error:
                missing = str(error)
                break
    facts = provenance(jax.devices()[0])
    write_json(options.json, {"kernels": rows, "not run": missing, **facts})
    if missing:
        print(f"not run: {missing}")
        return 3
    return 1 if any("error" in row for row in rows) else 0


def dtype_of(terms, wanted) -> str:
    """That dtype, if the kernel takes it; by default what models run in."""
    if wanted is None:
        return "bfloat16" if "bfloat16" in terms.dtypes else terms.dtypes[0]
    if wanted not in terms.dtypes:
        known = ", ".join(terms.dtypes)
        raise InputError(f"{terms.name} has {known}, not {wanted!r}")
    return wanted


def _found(terms, dtype, gpu: Gpu):
    for program in terms.programs:
        shapes = jax.eval_shape(
            functools.partial(program.arguments, shape=terms.typical, dtype=dtype),
            jax.random.key(0),
        )
        known = {kernel.name: kernel for kernel in lowered(program.kernel, *shapes)}
        for kernel in known.values():
            row = {"kernel": kernel.name, "dtype": dtype, "gpu": gpu.name}
            try:
                found = compiled(kernel, gpu)
            except InputError as error:
                yield row | {"error": str(error)}
                continue
            held = {"programs": found.programs(gpu), "occupancy": found.occupancy(gpu)}
            yield row | asdict(found) | held


def _line(row) -> str:
    if "error" in row:
        return f"{row['kernel']:<28} {row['error']}"
    taken = (
        f"{row['registers']:>3} registers, {row['shared']:>6} bytes shared, "
        f"{row['spilled']:>4} spilled, {row['warps']:>2} warps"
    )
    held = f"{row['programs']:>2} at once, {row['occupancy']:.0%} of the warps"
    return f"{row['kernel']:<28} {taken}; {held}"
