"""Byte-pair encodings of checkpoints: read, refused where something would be lost.

The oracle is the definition, by hand: merges in the order of their file.
"""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.zoo.test_gpt2 import CONFIG
from torchlean_jax import InputError, zoo
from torchlean_jax.cli import main
from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.zoo import gpt2
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo._extras import MissingExtraError
from torchlean_jax.zoo.gpt2 import checkpoint, tokens

MERGES = ["Ġ t", "h e", "Ġt he", "r e", "Ã ©"]
LETTERS = [tokens.alphabet()[byte] for byte in range(256)]
WORDS = [*LETTERS, *(pair.replace(" ", "") for pair in MERGES), "<|end|>"]
SIZE = len(WORDS)
TEXT = "there the café<|end|>the"
# there: he is merged before re; then " t", " the"; bytes; é; the word that was added
PARTS = ["t", "he", "re", "Ġthe", "Ġ", "c", "a", "f", "Ã©", "<|end|>", "t", "he"]


@pytest.fixture
def library():
    return pytest.importorskip("tokenizers", reason="no `tokens` extra is installed")


def parts(folder, words=WORDS[:-1], merges=MERGES):
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / tokens.VOCABULARY).write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = "\n".join(["#version: 0.2", *merges, ""])
    (folder / tokens.MERGES).write_text(lines, encoding="utf-8")
    return folder


def whole(folder, **changed):
    """A `tokenizer.json`, as GPT-2's is."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    end = {"id": SIZE - 1, "content": "<|end|>", "single_word": False, "lstrip": False}
    model = {
        "type": "BPE",
        "vocab": {word: number for number, word in enumerate(WORDS[:-1])},
        "merges": MERGES,
    }
    said = {
        "version": "1.0",
        "added_tokens": [end | {"rstrip": False, "normalized": False, "special": True}],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": level,
        "decoder": level,
        "model": model | changed.pop("model", {}),
    }
    said |= changed
    (folder / tokens.WHOLE).write_text(json.dumps(said), encoding="utf-8")
    return folder


def test_the_alphabet_is_the_published_one():
    letters = tokens.alphabet()
    assert len(set(letters.values())) == 256 == len(letters)
    assert [letters[b] for b in (0, 10, 32, 65, 127, 173, 255)] == list("ĀĊĠAġŃÿ")


def test_merges_are_done_in_their_order(library, tmp_path):
    for found in (
        tokens.read(whole(tmp_path), SIZE),
        tokens.read(parts_alone(tmp_path), SIZE - 1),
    ):
        text = TEXT if found.size == SIZE else TEXT.replace("<|end|>", "")
        expected = [part for part in PARTS if found.size == SIZE or part[0] != "<"]
        assert [WORDS[k] for k in found.encode(text)] == expected
        assert found.decode(found.encode(text)) == text
        assert found.encode(text).dtype == np.int32


def parts_alone(folder):
    (folder / "parts").mkdir()
    return parts(folder / "parts")


def renamed(word, other):
    words = (other if each == word else each for each in WORDS[:-1])
    return {each: number for number, each in enumerate(words)}


LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
REFUSED = {
    "normalizer Lowercase": {"normalizer": {"type": "Lowercase"}},
    "without a space before": {"pre_tokenizer": LEVEL},
    "pre_tokenizer is not ByteLevel": {"pre_tokenizer": {"type": "Whitespace"}},
    "decoder is not ByteLevel": {"decoder": None},
    "dropout 0.5": {"model": {"dropout": 0.5}},
    "ignore_merges True": {"model": {"ignore_merges": True}},
    "unk_token": {"model": {"unk_token": "a"}},
    "no token for byte 97": {"model": {"vocab": renamed("a", "aa")}},
    "nothing for token 261": {"added_tokens": []},
    "not written in bytes": {"model": {"vocab": renamed("re", "∀"), "merges": []}},
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_would_lose_something_is_refused(said, library, tmp_path):
    with pytest.raises(InputError, match=said):
        tokens.read(whole(tmp_path, **REFUSED[said]), SIZE)


def test_more_tokens_than_the_model_has_are_refused(library, tmp_path):
    with pytest.raises(InputError, match="token 261, of a model with 261"):
        tokens.read(whole(tmp_path), SIZE - 1)
    with pytest.raises(InputError, match="nothing for token 262"):
        tokens.read(whole(tmp_path), SIZE + 1)


def test_a_damaged_file_is_named(library, tmp_path):
    (whole(tmp_path) / tokens.WHOLE).write_text("{")
    with pytest.raises(FileFormatError, match=tokens.WHOLE):
        tokens.read(tmp_path, SIZE)
    (parts_alone(tmp_path) / tokens.MERGES).write_text("x yz\n")
    with pytest.raises(FileFormatError, match=tokens.VOCABULARY):
        tokens.read(tmp_path / "parts", SIZE)


def test_numbers_that_are_no_tokens_are_refused(library, tmp_path):
    found = tokens.read(whole(tmp_path), SIZE)
    with pytest.raises(InputError, match="0 to 261: got 262"):
        found.decode([1, 262])


@pytest.fixture
def folder(tmp_path):
    """A checkpoint with random weights and these tokens, as it would be published."""
    config = replace(CONFIG, vocabulary=SIZE)
    variables = zoo.untrained(gpt2.make(config)).variables
    checkpoint.write(tmp_path / "model.safetensors", variables)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_head": 2}')
    return whole(tmp_path)


def test_a_checkpoint_with_its_tokens_writes_text(library, folder, capsys):
    command = ["sample", "gpt2", "--checkpoint", str(folder), "--prompt", TEXT]
    assert main([*command, "--length", "4"]) == 0
    assert capsys.readouterr().out.startswith(TEXT)


def test_its_texts_are_those_of_their_tokens(library, folder, monkeypatch):
    trained = zoo.load_trained(gpt2.ENTRY, folder)
    claim = trained.entry.claims[-1]
    monkeypatch.setattr("torchlean_jax.zoo.gpt2.claims.STRIDE", 499)
    finding = check_claim(claim, trained)
    assert finding.name == "tokens_round_trip"
    assert finding.status == "holds", finding.evidence
    right = tokens.Tokens.decode
    monkeypatch.setattr(tokens.Tokens, "decode", lambda self, t: right(self, t).lower())
    assert check_claim(claim, trained).status == "fails"


def test_without_the_extra_it_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    trained = zoo.load_trained(gpt2.ENTRY, folder)
    with pytest.raises(MissingExtraError, match=r"torchlean-jax\[tokens\]"):
        tokens.read(folder, SIZE)
    assert check_claim(trained.entry.claims[-1], trained).status == "unknown"
