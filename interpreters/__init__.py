"""How a jaxpr is walked: forward, backward, and through control flow.

Import it as `torchlean_jax.interpreters`; the folder stands at the top of the
repository only so that readers find it.
"""

if __name__ != "torchlean_jax.interpreters":
    raise ImportError(
        f"imported as {__name__!r}, which would make a second copy of every class; "
        "write `from torchlean_jax.interpreters...` instead"
    )
