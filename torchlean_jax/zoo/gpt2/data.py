"""Text as bytes: the standard library's source, or the user's own (`zoo._text`)."""

from torchlean_jax.zoo._text import Text, text

__all__ = ["Text", "text"]
