"""The format of certificates and their writer. The checker is another package, on
purpose."""

from torchlean_jax.certificate._writer import Certificate, certify

__all__ = ["Certificate", "certify"]
