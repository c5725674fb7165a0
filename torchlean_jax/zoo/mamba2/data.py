"""Text as bytes: the data of the byte GPT (`zoo._text`)."""

from torchlean_jax.zoo._text import Text, text

__all__ = ["Text", "text"]
