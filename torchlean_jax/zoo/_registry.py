"""Which entries there are. Each is imported when it is asked for."""

import importlib

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._extras import import_extra

NAMES = (
    "mlp",
    "cnn",
    "resnet",
    "vit",
    "ae",
    "vae",
    "vqvae",
    "diffusion",
    "rnn",
    "lstm",
    "gru",
    "kan",
    "fno",
    "darcy",
    "pinn",
    "gpt",
    "mamba",
    "mamba2",
    "ppo",
    "dqn",
    "adder",
    "gpt2",
    "pendulum",
    "encoder",
    "fnet",
    "mae",
    "gan",
)


def entry(name: str):
    """The entry of that name.

    Raises InputError for an unknown name and MissingExtraError without flax.

    >>> entry("mlp").name
    'mlp'
    """
    if name not in NAMES:
        raise InputError(f"no entry {name!r} in the zoo: there are {', '.join(NAMES)}")
    import_extra("flax.nnx", extra="zoo", purpose="the model zoo")
    return importlib.import_module(f"torchlean_jax.zoo.{name}").ENTRY


def entries():
    """All entries, in the order of the list."""
    return [entry(name) for name in NAMES]
