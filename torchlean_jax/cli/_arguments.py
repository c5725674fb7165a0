"""Options that several commands share: what they are called, and what they accept."""

import argparse
import contextlib
import math
from pathlib import Path

import jax

from torchlean_jax.domains._errors import InputError

METHODS = ("ibp", "forward", "zonotope", "crown-ibp", "crown", "alpha-crown")


class Parser(argparse.ArgumentParser):
    """An argument parser that reports bad usage in one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_command(
    commands, name, run, *, text, examples="", **shared
) -> argparse.ArgumentParser:
    """A sub-command whose first sentence of `text` is also its line in the list."""
    command = commands.add_parser(
        name,
        help=text.partition(".")[0],
        description=text,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **shared,
    )
    command.set_defaults(run=run)
    return command


def add_computing(command: argparse.ArgumentParser) -> None:
    """--json, --seed and --device."""
    command.add_argument(
        "--json",
        type=writable_path,
        metavar="FILE",
        help="write the results to FILE as well",
    )
    command.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="of everything random (default 0); the same seed gives the same results",
    )
    command.add_argument(
        "--device",
        choices=("cpu", "gpu"),
        help="where to compute (default: what JAX prefers)",
    )


def add_method(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--method",
        choices=METHODS,
        default="crown",
        help="how bounds are computed (default crown)",
    )


def add_norm(command: argparse.ArgumentParser, of: str) -> None:
    command.add_argument(
        "--norm",
        choices=("inf", "1", "2"),
        default="inf",
        help=f"in which {of} is measured: inf (a box, the default), 1 or 2 (a ball)",
    )


@contextlib.contextmanager
def on_device(name: str | None):
    """Compute on the first device of that kind, or where JAX would. Yields it."""
    if name is None:
        yield jax.devices()[0]
        return
    try:
        device = jax.devices(name)[0]
    except RuntimeError as error:
        raise InputError(
            f"--device {name}: JAX finds no {name} here, only "
            f"{', '.join(sorted({d.platform for d in jax.devices()}))}. For an NVIDIA "
            "GPU, pip install 'torchlean-jax[cuda13]' (or cuda12)"
        ) from error
    before = jax.config.values["jax_default_device"]
    # in every thread that computes, and `jax.default_device` sets it for this one
    jax.config.update("jax_default_device", device)
    try:
        yield device
    finally:
        jax.config.update("jax_default_device", before)


def seed(text: str) -> int:
    number = _number(int, text)
    if not 0 <= number < 2**31:
        raise argparse.ArgumentTypeError(f"{text} is not in 0 .. 2**31 - 1")
    return number


def count(text: str) -> int:
    number = _number(int, text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def radius(text: str) -> float:
    number = _number(float, text)
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number, 0 or more")
    return number


def positive(text: str) -> float:
    number = radius(text)
    if number == 0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number


def writable_path(text: str) -> Path:
    """A path to write to; a missing folder is reported now, not after a minute."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder")
    return path


def _number(kind, text):
    try:
        return kind(text)
    except ValueError:
        noun = "an integer" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"{text!r} is not {noun}") from None
