"""Denoising diffusion of digits, sampled by DDPM or DDIM, for a label or for none."""

from torchlean_jax.zoo.diffusion.model import Config, Denoiser
from torchlean_jax.zoo.diffusion.train import ENTRY, make

__all__ = ["ENTRY", "Config", "Denoiser", "make"]
