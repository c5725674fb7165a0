"""Settings of GPT-2 on bytes, and the entry of a checkpoint that is read."""

import functools
import os
from dataclasses import replace
from pathlib import Path

from torchlean_jax.zoo import _language as shared
from torchlean_jax.zoo._entry import Entry, Trained
from torchlean_jax.zoo._sampling import generate
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.gpt.model import VOCABULARY
from torchlean_jax.zoo.gpt2 import checkpoint, tokens
from torchlean_jax.zoo.gpt2.claims import CLAIMS, tokens_round_trip
from torchlean_jax.zoo.gpt2.model import Config, network

CONFIG = Config(width=64, depth=2, heads=4, context=64)
SETTINGS = Settings(
    steps=4000,
    batch=16,
    lr=4e-3,
    schedule="warmup-cosine",
    weight_decay=0.05,
    b2=0.98,
)


def make(config: Config = CONFIG, settings: Settings = SETTINGS) -> Entry:
    """The entry at other sizes.

    >>> make(Config(depth=1)).network.make.keywords["config"].depth
    1
    """
    return shared.entry(
        "gpt2",
        "GPT-2 on bytes; reads checkpoints as published",
        network(config),
        CLAIMS,
        settings,
        context=config.context,
        remembered=config.context,
        most=2.7,
        read=read,
    )


def read(path: os.PathLike | str, heads: int | None = None) -> Trained:
    """The entry at the sizes of a published checkpoint, with its variables.

    It writes text if its tokens can be bytes, or if its folder holds the files of a
    byte-pair encoding (`tokens.read`, when it is first used). Errors are those of
    `checkpoint.read`, which says what is read.
    """
    config, variables = checkpoint.read(path, heads)
    entry, path = make(config), Path(path)
    folder = path if path.is_dir() else path.parent
    if tokens.there_are(folder):
        entry = _with_tokens(entry, config, folder)
    elif config.vocabulary != VOCABULARY:
        entry = replace(entry, sample=None, show=None)
    return Trained(entry, variables, SETTINGS)


def _with_tokens(entry: Entry, config: Config, folder: Path) -> Entry:
    pairs = functools.cache(lambda: tokens.read(folder, config.vocabulary))

    def sample(variables, prompt: str, sampling, key) -> str:
        known = pairs()
        written = generate(
            network(config),
            variables,
            config.context,
            known.encode(prompt),
            sampling,
            key,
            known.size,
        )
        return known.decode(written)

    claims = (*entry.claims, tokens_round_trip(pairs))
    return replace(entry, sample=sample, show=None, claims=claims)


ENTRY = make()
