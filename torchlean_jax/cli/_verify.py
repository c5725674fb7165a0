"""`torchlean verify WHAT`: the claims that come with the package."""

from torchlean_jax.cli import _digits, _known, _rederived, _suite, _vnnlib


def add_to(commands) -> None:
    command = commands.add_parser(
        "verify",
        help="decide a property for every input in a set",
        description="Decide a property for every input in a set. (For a model of your "
        "own, call torchlean_jax.verify.)",
    )
    what = command.add_subparsers(title="what", required=True, metavar="WHAT")
    _digits.add_to(what)
    _known.add_to(what)
    _vnnlib.add_to(what)
    _suite.add_to(what)
    _rederived.add_to(what)
