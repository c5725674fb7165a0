"""Clock ticks whose difference changes type."""

import jax
import jax.numpy as jnp

from torchlean_jax.bugzoo._card import Card, Finding


def faulty(now, start):
    return (now - start).astype(jnp.float32) / 1000.0


def fixed(now, start):
    return (now - start.astype(now.dtype)).astype(jnp.float32) / 1000.0


def examine(seconds_between):
    now, start = jnp.uint32(2**31 + 5000), jnp.int32(2000)
    seconds = seconds_between(now, start)
    shown = f"from tick {start} to tick {now}: {seconds} s"
    try:
        with jax.numpy_dtype_promotion("strict"):
            jax.eval_shape(seconds_between, now, start)
    except jax.dtypes.TypePromotionError as error:
        return Finding(False, f"{shown}; refused: {str(error).splitlines()[0]}")
    return Finding(True, f"{shown}; no type changes by itself")


CARD = Card(
    name="unsigned-meets-signed",
    title="Unsigned meets signed",
    family="integers",
    story=(
        "uint32 and int32 meet in int64; without x64, which is the default, JAX cuts "
        "that down to int32, and what is above 2^31 becomes negative. Hashes, token "
        "counters and clocks live there. NumPy gives the right number for the same "
        "line, and small test values do as well."
    ),
    contract="No operand changes its type unless the program says so.",
    check="jax.numpy_dtype_promotion",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="ruled out by types",
    reports=("jax-ml/jax#9931", "jax-ml/jax#4490", "jax-ml/jax#10813"),
    library="jax",
)
