"""`torchlean certificate`: certificates as theorems that Coq checks."""

import contextlib
import re
import tempfile
from pathlib import Path

from torchlean_check import CertificateError
from torchlean_jax import coq
from torchlean_jax.cli._arguments import add_command, writable_path
from torchlean_jax.cli._output import live, write_text
from torchlean_jax.domains._errors import InputError

TEXT = """\
Certificates in other forms.
`torchlean check` re-derives a certificate in Python's integers; what is written here
lets another program do it."""

COQ = """\
Write certificates as Coq theorems about their network, over the real numbers.
The file holds the graph, the input set, the property and evidence as exact integers,
and ends in a theorem for each certificate, which the checker of proofs/ (itself proved)
turns into a computation. With --run, coqc checks it; the statements are printed, with
the axioms that they rest on and the digest of the graph that Coq computed, which must
be the certificate's. With --extracted, that checker as an OCaml program (built once)
reads the file: much faster, and no theorem. Certificates of one call share one graph.
What the proved checker does not cover is refused by name; what `torchlean check` says
stands."""

EXAMPLES = """\
examples:
  torchlean certificate coq proof.tlc --out Proof.v
  torchlean certificate coq proofs/000.tlc proofs/001.tlc --run
  torchlean certificate coq proof.tlc --extracted

Certificates of networks with exp, logistic or tanh need the library coq-interval, and
are not for the extracted program.

exit code: 0 written, and with --run or --extracted accepted; 2 for bad usage, a
certificate that is refused, or no Coq (no OCaml) to run"""


def add_to(commands) -> None:
    command = add_command(commands, "certificate", None, text=TEXT, examples="")
    kinds = command.add_subparsers(title="commands", required=True, metavar="COMMAND")
    one = add_command(kinds, "coq", _coq, text=COQ, examples=EXAMPLES)
    one.add_argument("files", nargs="+", type=Path, metavar="X.tlc")
    one.add_argument("--out", type=writable_path, metavar="F.v", help="write it to F.v")
    one.add_argument(
        "--run", dest="prove", action="store_true", help="have coqc check it"
    )
    one.add_argument(
        "--extracted", action="store_true", help="have the extracted program check it"
    )


def _coq(options) -> int:
    if not (options.prove or options.extracted or options.out):
        raise InputError(
            "give --out F.v to write the theorem, --run or --extracted to check it"
        )
    names = [f"c{k}" for k in range(len(options.files))]
    blobs = [path.read_bytes() for path in options.files]
    try:
        text = coq.theorems(dict(zip(names, blobs, strict=True)))
    except CertificateError as error:
        raise InputError(str(error)) from error
    if options.out:
        if not re.fullmatch(r"[A-Za-z]\w*\.v", options.out.name):
            raise InputError(f"{options.out.name}: a Coq file is a NAME.v")
        write_text(options.out, text)
        print(f"written to {options.out}")
    if options.extracted:
        _extracted(options, text, names)
    if options.prove:
        _run(options, text, dict(zip(names, blobs, strict=True)))
    return 0


def _extracted(options, text: str, names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Proof.v"
        source.write_text(text, encoding="utf-8")
        verdicts = coq.run_extracted(source)
    files = dict(zip(names, options.files, strict=True))
    refused = [str(files[k]) for k in names if not verdicts.accepted.get(k)]
    if refused:
        raise coq.CoqError(f"the extracted checker refuses {', '.join(refused)}")
    for path in options.files:
        print(f"accepted  {path}")
    every = len(names)
    print(
        f"{every} of {every} accepted by the checker extracted from Coq "
        f"({verdicts.seconds:.2f} s); no theorem (--run)"
    )


def _run(options, text: str, certificates: dict[str, bytes]) -> None:
    files = coq.needed(text)
    reason = coq.missing(files)
    if reason is not None:
        raise coq.CoqError(reason)
    with contextlib.ExitStack() as stack:
        show = stack.enter_context(live("coqc"))
        show("the theory")
        coq.build(files)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = folder / "Proof.v"
        source.write_text(text, encoding="utf-8")
        show(f"{len(certificates)} theorems")
        outcome = coq.prove(source)
    arrays = coq.compare(outcome.digests, certificates)
    for name, path in zip(certificates, options.files, strict=True):
        print(f"proved  {path}")
        print(f"        {outcome.statements[f'holds_{name}']}")
    again = len(outcome.digests) - 1
    print(f"digest  {outcome.digests['graph']}")
    print(f"        of the graph, computed in Coq, with {again} of {arrays} arrays")
    print(f"axioms  {', '.join(outcome.axioms) or 'none'}")
    every = len(certificates)
    print(f"{every} of {every} accepted by coqc ({outcome.seconds:.1f} s)")
