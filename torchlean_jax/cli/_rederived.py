"""`torchlean verify margin-cert | leaf-cert`: files that hold bounds and no network.

`torchlean check` says of them what follows if their bounds hold. With the network, the
properties are proved here again, by `tl.verify`, and no number of the file is believed.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_check
import torchlean_jax as tl
from torchlean_check import _leaves, _margins
from torchlean_check._networks import Network, read_network
from torchlean_check._plain_json import numbers, read_plain
from torchlean_jax.cli._arguments import add_command, writable_path
from torchlean_jax.cli._output import live, write_json
from torchlean_jax.domains._errors import InputError

MARGIN = """\
Check a file of margins, and derive them again from the network.
A robust_margin_cert_v0_1 file holds bounds of logits. Without --weights, what follows
from them is checked and the bounds are named as assumed. With --weights and --data,
each example that the file calls certified is proved for every real input within its eps
of the image, cut to [0, 1]; the bounds of the file are not used."""

LEAF = """\
Check the leaves of a search, and prove them again from the network.
An abcrown_leaf_artifact_v0_1 file holds boxes with bounds. That the boxes cover the
root is always decided exactly. With --weights, the witness output is proved to be above
its threshold on each of them; the bounds of the file are not used."""

EXAMPLES = """\
examples:
  torchlean verify {name} file.json
  torchlean verify {name} file.json --weights net.json{more}

exit code: 0 all hold, 1 refused or refuted, 2 bad input, 3 some stay unknown"""


def add_to(commands) -> None:
    for name, run, text, more in (
        ("margin-cert", _margin, MARGIN, " --data test.json"),
        ("leaf-cert", _leaf, LEAF, ""),
    ):
        shown = EXAMPLES.format(name=name, more=more)
        one = add_command(commands, name, run, text=text, examples=shown)
        one.add_argument("file", type=Path, metavar="FILE")
        one.add_argument(
            "--weights",
            type=Path,
            metavar="NET.json",
            help="a table of layers.k.weight and layers.k.bias",
        )
        if more:
            one.add_argument(
                "--data",
                type=Path,
                metavar="DATA.json",
                help='the images: {"examples": [{"x": [...], "y": label}, ...]}',
            )
        one.add_argument("--json", type=writable_path, metavar="OUT",
                         help="write the verdicts to OUT as well")  # fmt: skip


def _margin(options) -> int:
    document, code = _checked(options)
    if code or options.weights is None:
        return code
    if options.data is None:
        raise InputError("--weights needs --data, the images that the file speaks of")
    return _proved(options, _images(document, options))


def _leaf(options) -> int:
    document, code = _checked(options)
    if code or options.weights is None:
        return code
    return _proved(options, _witnesses(document, options))


def _checked(options) -> tuple[dict, int]:
    """The file as an object, and 1 if the checker refuses it."""
    try:
        report = torchlean_check.check(options.file)
        document = read_plain(options.file.read_bytes())
    except torchlean_check.CertificateError as error:
        raise InputError(str(error)) from error
    kind = {"_margin": "robust_margin_cert_v0_1", "_leaf": _leaves.FORMAT}
    wanted = kind[options.run.__name__]
    if document.get("format") != wanted:
        raise InputError(f"{options.file}: is not {wanted}; torchlean check reads it")
    print(f"{'consistent' if report.accepted else 'refused'}  {options.file}: "
          f"{report.claim or report.reason}")  # fmt: skip
    return document, 0 if report.accepted else 1


def _network(path: Path) -> Network:
    try:
        return read_network(read_plain(path.read_bytes()), path.name)
    except torchlean_check.CertificateError as error:
        raise InputError(str(error)) from error


def _function(net: Network):
    """The network in float32; refused if a parameter is not a float32 number."""
    layers = []
    for k, layer in enumerate(net.layers):
        exact = [[*row, b] for row, b in zip(layer.weights, layer.bias, strict=True)]
        rounded = np.array([[float(v) for v in row] for row in exact], np.float32)
        if rounded.tolist() != exact:  # floats beside fractions: compared exactly
            raise InputError(
                f"layer {k} has parameters that are not float32 numbers; a proof about "
                "rounded ones would be one of another network"
            )
        layers.append((jnp.asarray(rounded[:, :-1].T), jnp.asarray(rounded[:, -1])))
    between = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid,
               "sin": jnp.sin, "": lambda x: x}[net.activation]  # fmt: skip

    def f(x):
        for k, (matrix, bias) in enumerate(layers):
            x = (between(x) if k else x) @ matrix + bias
        return x

    return f


Question = tuple[str, tl.Interval, object]


def _box(lo, hi) -> tl.Interval:
    """Outward: float32 ends at or beyond the exact ones."""
    low = np.array([float(v) for v in lo]).astype(np.float32)
    high = np.array([float(v) for v in hi]).astype(np.float32)
    for ends, wanted, way in ((low, lo, -np.inf), (high, hi, np.inf)):
        for k, exact in enumerate(wanted):
            off = (float(ends[k]) > exact) if way < 0 else (float(ends[k]) < exact)
            if off:
                ends[k] = np.nextafter(ends[k], np.float32(way))
    return tl.box(low, high)


def _images(document, options) -> Iterator[Question]:
    examples = _margins.read_margins(document)
    try:
        data = read_plain(options.data.read_bytes()).get("examples", [])
        (eps,) = numbers([document.get("eps")], "eps")
        images = [numbers(entry["x"], "data.x") for entry in data]
    except (torchlean_check.CertificateError, KeyError, TypeError) as error:
        raise InputError(f"{options.data}: {error}") from error
    for name, path in (("weights", options.weights), ("dataset", options.data)):
        said = document.get("meta", {}).get(f"{name}_sha256")
        if said not in (None, hashlib.sha256(path.read_bytes()).hexdigest()):
            raise InputError(f"{path} is not the file whose SHA-256 the file gives")
    if len(images) < len(examples):
        raise InputError(f"{options.data} has {len(images)} of {len(examples)} images")
    for k, example in enumerate(examples):
        if example.certified:
            lo = [min(max(v - eps, 0), 1) for v in images[k]]
            hi = [min(max(v + eps, 0), 1) for v in images[k]]
            spec = tl.spec.margin(example.label)
            yield f"example {k}", _box(lo, hi), spec


def _witnesses(document, options) -> Iterator[Question]:
    _, leaves = _leaves.read_leaves(document)
    for k, leaf in enumerate(leaves):
        row = [float(k == leaf.witness) for k in range(len(leaf.lb))]
        spec = tl.spec.linear(row, float(leaf.threshold[leaf.witness]))
        yield f"leaf {k}", _box(*zip(*leaf.box, strict=True)), spec


def _proved(options, questions: Iterator[Question]) -> int:
    f, verdicts = _function(_network(options.weights)), {}
    with live(options.file.name) as show:
        for name, box, spec in questions:
            show(name)
            try:
                verdicts[name] = tl.verify(f, box, spec).status
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"{name}: the network does not fit: {error}"
                ) from error
    counts = {s: list(verdicts.values()).count(s) for s in
              ("proved", "refuted", "unknown")}  # fmt: skip
    for name, status in verdicts.items():
        if status != "proved":
            print(f"{status}  {name}")
    print("  ".join(f"{count} {status}" for status, count in counts.items()))
    write_json(options.json, {"file": str(options.file), "verdicts": verdicts})
    return 1 if counts["refuted"] else 3 if counts["unknown"] else 0
