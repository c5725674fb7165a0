"""Lines without their first words, or a table of the user's own (`zoo._lines`)."""

from torchlean_jax.zoo._lines import Lines, lines

__all__ = ["Lines", "lines"]
