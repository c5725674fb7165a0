"""Handwritten digits, or a table of the user's own (`zoo._images`)."""

from torchlean_jax.zoo._images import Images, images

__all__ = ["Images", "images"]
