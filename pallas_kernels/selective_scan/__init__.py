"""Selective scan (the recurrence of Mamba): forward and backward."""

from torchlean_jax.pallas_kernels.selective_scan._op import selective_scan

__all__ = ["selective_scan"]
