"""Which remembered events an update learns from (`zoo._agents`)."""

from torchlean_jax.zoo._agents import Places, places

__all__ = ["Places", "places"]
