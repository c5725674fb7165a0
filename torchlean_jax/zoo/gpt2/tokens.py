"""Byte-pair encoding, as published checkpoints bring it: `tokenizer.json`, or
`vocab.json` with `merges.txt`.

The `tokenizers` library encodes. Here is what makes sure that it is the encoding that
GPT-2 means, which loses nothing: over bytes, without normalisation, every byte a token.
Source: Radford et al. 2019, section 2.2; Sennrich et al. 2016 (arXiv:1508.07909).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from torchlean_jax.domains._errors import FileFormatError, InputError
from torchlean_jax.zoo._extras import import_extra

WHOLE, VOCABULARY, MERGES = "tokenizer.json", "vocab.json", "merges.txt"
# of the model in a `tokenizer.json`: what keeps every byte
MODEL = {
    "type": ("BPE",),
    "dropout": (None,),
    "unk_token": (None,),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (False,),
    "ignore_merges": (False,),
}


@dataclass(frozen=True)
class Tokens:
    """Text to numbers 0 .. size - 1 and back, without loss.

    words: what each number stands for, in the alphabet of `alphabet`; None for those
    that were added, which stand for their own text.
    """

    library: Any
    words: tuple[str | None, ...]

    @property
    def size(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> np.ndarray:
        return np.array(
            self.library.encode(text, add_special_tokens=False).ids, "int32"
        )

    def decode(self, tokens) -> str:
        """Raises InputError for numbers that are no tokens."""
        tokens = [int(token) for token in np.asarray(tokens)]
        wrong = [token for token in tokens if not 0 <= token < self.size]
        if wrong:
            raise InputError(f"tokens are 0 to {self.size - 1}: got {wrong[0]}")
        return self.library.decode(tokens, skip_special_tokens=False)


def alphabet() -> dict[int, str]:
    """The character that stands for each byte: itself if it can be seen, else one from
    256 on, in order.

    >>> alphabet()[ord("a")], alphabet()[ord(" ")]
    ('a', 'Ġ')
    """
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in seen]
    return {b: chr(b) for b in seen} | {b: chr(256 + k) for k, b in enumerate(others)}


def there_are(folder: Path) -> bool:
    """Whether a folder holds tokens in one of the two forms."""
    both = (folder / VOCABULARY).is_file() and (folder / MERGES).is_file()
    return both or (folder / WHOLE).is_file()


def read(folder: Path, size: int) -> Tokens:
    """The tokens of a folder, for a model with a vocabulary of `size`.

    Raises MissingExtraError without the `tokens` extra, FileFormatError for files that
    are damaged, and InputError for an encoding that is not GPT-2's: of another kind,
    with normalisation, without some byte, or with more numbers than the model has.
    """
    purpose = "byte-pair encoding"
    tokenizers = import_extra("tokenizers", extra="tokens", purpose=purpose)
    path = folder / WHOLE
    try:
        if path.is_file():
            said = json.loads(path.read_text(encoding="utf-8"))
            library = tokenizers.Tokenizer.from_file(str(path))
        else:
            path, said = folder / VOCABULARY, None
            library = _of_parts(tokenizers, folder)
    except Exception as error:  # the library raises Exception itself
        raise FileFormatError(f"{path}: {error}") from error
    wrong = [] if said is None else _not_computed(said)
    added = set(library.get_added_tokens_decoder())
    vocabulary = library.get_vocab(with_added_tokens=True)
    number = {token: word for word, token in vocabulary.items()}
    words = tuple(None if k in added else number.get(k, "") for k in range(size))
    wrong += _not_of_bytes(words, number, size)
    if wrong:
        raise InputError(f"{path}: not the encoding of GPT-2: {', '.join(wrong)}")
    return Tokens(library, words)


def _of_parts(tokenizers, folder: Path):
    """GPT-2's encoding around a vocabulary and its merges."""
    files = str(folder / VOCABULARY), str(folder / MERGES)
    library = tokenizers.Tokenizer(tokenizers.models.BPE.from_file(*files))
    library.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = tokenizers.decoders.ByteLevel()
    return library


def _not_computed(said: dict) -> list[str]:
    """What a `tokenizer.json` asks for beside byte pairs."""
    model, before = said.get("model") or {}, said.get("pre_tokenizer") or {}
    wrong = [
        f"{name} {model[name]!r}"
        for name, right in MODEL.items()
        if name in model and model[name] not in right
    ]
    if said.get("normalizer") is not None:
        wrong.append(f"normalizer {said['normalizer'].get('type')}")
    if before.get("type") != "ByteLevel" or before.get("add_prefix_space"):
        wrong.append("pre_tokenizer is not ByteLevel without a space before the text")
    if (said.get("decoder") or {}).get("type") != "ByteLevel":
        wrong.append("decoder is not ByteLevel")
    if said.get("truncation") or said.get("padding"):
        wrong.append("it truncates or pads")
    for token in said.get("added_tokens") or ():
        if any(token.get(way) for way in ("lstrip", "rstrip", "normalized")):
            wrong.append(f"{token.get('content')!r} takes spaces with it")
    return wrong


def _not_of_bytes(words, number, size: int) -> list[str]:
    """What keeps numbers and words of bytes from being one to one."""
    wrong, letters = [], alphabet()
    beyond = sorted(k for k in number if not 0 <= k < size)
    if beyond:
        wrong.append(f"token {beyond[0]}, of a model with {size}")
    empty = [k for k, word in enumerate(words) if word == ""]
    if empty:
        wrong.append(f"nothing for token {empty[0]}")
    lost = sorted(byte for byte in range(256) if letters[byte] not in words)
    if lost:
        wrong.append(f"no token for byte {lost[0]}")
    known = set(letters.values())
    strange = [word for word in words if word is not None and not set(word) <= known]
    if strange:
        wrong.append(f"{strange[0]!r} is not written in bytes")
    return wrong
