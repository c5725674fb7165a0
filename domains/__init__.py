"""What values mean: one folder per domain.

Import it as `torchlean_jax.domains`; the folder stands at the top of the repository
only so that readers find it.
"""

if __name__ != "torchlean_jax.domains":
    raise ImportError(
        f"imported as {__name__!r}, which would make a second copy of every class; "
        "write `from torchlean_jax.domains...` instead"
    )
