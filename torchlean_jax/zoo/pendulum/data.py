"""Places in the policy's own rollout: there is no other data."""

from torchlean_jax.zoo._agents import Places, places

__all__ = ["Places", "places"]
