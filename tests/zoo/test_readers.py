"""The encoder and its Fourier neighbour: claims hold, planted faults are found."""

import ast
import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.pallas_kernels.attention import attention
from torchlean_jax.zoo import _lines, _readers, _transformer, encoder, fnet
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.encoder import claims as encoder_claims
from torchlean_jax.zoo.fnet import claims as fnet_claims
from torchlean_jax.zoo.fnet import model as fnet_model


def small(name):
    """A fresh entry: a network that was traced keeps what it was made of."""
    if name == "encoder":
        return zoo.untrained(encoder.make(encoder.Config(width=4, depth=1, heads=1)))
    return zoo.untrained(fnet.make(fnet.Config(width=4, depth=1)))


def finding(name, claim):
    trained = small(name)
    (found,) = (c for c in trained.entry.claims if c.__name__ == claim)
    return check_claim(found, trained)


CLAIMS = [
    (name, claim.__name__)
    for name in ("encoder", "fnet")
    for claim in small(name).entry.claims
    if claim.__name__ != "budget_is_that_of_the_encoder"  # of the whole ones
]


@pytest.mark.parametrize(("name", "claim"), CLAIMS)
def test_the_claim_holds(name, claim):
    found = finding(name, claim)
    assert found.status == "holds", found.evidence


@pytest.mark.parametrize(
    "fault",
    [{"kv_lengths": None}, {"scale": 1.0}, {"causal": True, "alignment": "start"}],
)
def test_attention_that_is_not_the_composed_one_is_found(fault, monkeypatch):
    def wrong(q, k, v, kv_lengths=None):
        return attention(q, k, v, **{"kv_lengths": kv_lengths} | fault)

    monkeypatch.setattr(encoder_claims, "attention", wrong)
    assert finding("encoder", "fused_attention_is_the_composed_one").status == "fails"


@pytest.mark.parametrize(
    "claim", ["padding_does_not_matter", "what_is_behind_the_end_does_not_matter"]
)
def test_padding_that_is_looked_at_is_found(claim, monkeypatch):
    def wrong(q, k, v, kv_lengths=None):
        return attention(q, k, v)

    monkeypatch.setattr(_transformer, "attention", wrong)
    assert finding("encoder", claim).status == "fails"


def test_padding_that_is_averaged_is_found(monkeypatch):
    """By the equality: the mean is wrong, though of what attention sees it is not."""

    def all_places(x, lengths):
        return jnp.ones((len(x), x.shape[-2], 1), bool)

    monkeypatch.setattr(_readers, "present", all_places)
    assert finding("encoder", "padding_does_not_matter").status == "fails"


def test_padding_that_is_transformed_is_found(monkeypatch):
    monkeypatch.setattr(
        fnet_model.Block,
        "__call__",
        lambda self, x, lengths: self.fed(x + fnet_model.fourier(x)),
    )
    found = finding("fnet", "what_is_behind_the_end_does_not_matter")
    assert found.status == "fails"


@pytest.mark.parametrize("name", ["encoder", "fnet"])
def test_lines_that_mix_are_found(name, monkeypatch):
    fed = _transformer.Feedforward.fed
    mixed = functools.partialmethod(lambda self, x: fed(self, x - x.mean(0)))
    monkeypatch.setattr(_transformer.Feedforward, "fed", mixed)
    assert finding(name, "rows_are_independent").status == "fails"


def test_a_gradient_that_is_stopped_is_found(monkeypatch):
    fed = _transformer.Feedforward.fed

    def stopped(self, x):
        return fed(self, jax.lax.stop_gradient(x))

    monkeypatch.setattr(_transformer.Feedforward, "fed", stopped)
    assert finding("fnet", "gradient_is_the_derivative").status == "fails"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: jnp.fft.fft2(x).imag,
        lambda x: jnp.fft.fft(x, axis=-2).real,
        lambda x: jnp.fft.fft2(x, norm="ortho").real,
    ],
)
def test_another_transform_is_found(wrong, monkeypatch):
    monkeypatch.setattr(fnet_claims, "fourier", wrong)
    assert finding("fnet", "mixing_is_fouriers_matrix").status == "fails"


def test_the_mixing_is_numpys_transform():
    x = np.random.default_rng(0).standard_normal((2, 6, 5)).astype(np.float32)
    found = fnet_model.fourier(jnp.asarray(x))
    true = np.fft.fft2(x.astype(np.float64)).real
    # 30 terms of size below 4, each rounded in a few places
    assert np.abs(np.asarray(found) - true).max() < 30 * 4 * 8 * 2.0**-24


def test_the_two_have_one_budget_and_another_is_found():
    whole = zoo.untrained(fnet.ENTRY)
    claim = fnet_claims.budget_is_that_of_the_encoder
    assert check_claim(claim, whole).status == "holds"
    longer = replace(fnet.ENTRY, settings=replace(fnet.ENTRY.settings, steps=9))
    assert check_claim(claim, zoo.untrained(longer)).status == "fails"
    assert check_claim(claim, small("fnet")).status == "fails"


SOURCE = b'''\
import x
from os import path
class A(B):
    """def no(self):"""
    def f(self, x):
        # return nothing
        if x in y: return (1 if x
            else 2)
        for z in [w
            for w in x
            if w]:
            raise E
        return x.raise_(
            f(z)) # all
'''


def test_first_words_are_those_of_statements():
    """As `ast` reads the same source; a word behind a colon has no line of its own."""
    kinds = {
        ast.ClassDef: "class",
        ast.FunctionDef: "def",
        ast.For: "for",
        ast.ImportFrom: "from",
        ast.If: "if",
        ast.Raise: "raise",
        ast.Return: "return",
    }
    rows, first = SOURCE.decode().splitlines(), []
    for node in ast.walk(ast.parse(SOURCE)):
        word = kinds.get(type(node))
        if word and isinstance(node, ast.stmt):
            line = rows[node.lineno - 1].strip()
            if line.startswith(word):
                first.append((node.lineno, line.removeprefix(word).strip(), word))
    found = _lines.statements(SOURCE)
    assert [(text.decode(), _lines.WORDS[k]) for text, k in found] == [
        (text, word) for _, text, word in sorted(first)
    ]
    assert len(found) == 7


@pytest.fixture
def table(tmp_path):
    """A line of letters for each of two labels, in twenty rows, as `.csv`."""
    rows = [f'"{"ab"[n % 2] * (n + 1)}",{n % 2 * 3}' for n in range(20)]
    (tmp_path / "own.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "own.csv"


def test_a_table_of_ones_own_is_read(table):
    found = _lines.lines(str(table))
    assert found.train.length.tolist() == [n for n in range(1, 21) if n % 8]
    assert found.held_out.label.tolist() == [3, 3]  # rows 8 and 16
    assert bytes(found.held_out.text[0, :9].tolist()) == b"b" * 8 + b"\0"
    batch = found.batch(0, 400, 0)
    assert 140 < (batch["label"] == 3).sum() < 260  # 6 standard deviations of a half
    again = np.full((20, 25), -1)
    for n in range(20):
        again[n, 0], again[n, 1 : n + 2] = n % 2 * 3, b"ab"[n % 2]
    np.save(table.with_suffix(".npy"), again)
    same = _lines.lines(str(table.with_suffix(".npy")))
    assert all(
        map(
            np.array_equal,
            jax.tree.leaves(vars(same.train)),
            jax.tree.leaves(vars(found.train)),
        )
    )


def test_tables_that_are_wrong_are_refused(table):
    csv, npy = table, table.with_suffix(".npy")
    good = csv.read_text()
    for bad in ("a,9\n", "a,x\n", ",3\n", "a\n"):
        csv.write_text(good + bad)
        with pytest.raises(InputError, match=r"own\.csv"):
            _lines.lines(str(csv))
    csv.write_text("a,1\n")
    with pytest.raises(InputError, match="8 rows"):
        _lines.lines(str(csv))
    csv.write_text("a,1\n" * 8)
    with pytest.raises(InputError, match="is new"):
        _lines.lines(str(csv))
    wide = np.full((9, 4), 65)
    wide[:, 0] = 1
    behind = wide.copy()
    behind[3, 2] = -1
    for wrong in (wide * 1.0, wide[0], wide * 4, behind):
        np.save(npy, wrong)
        with pytest.raises(InputError, match=r"own\.npy"):
            _lines.lines(str(npy))
    for name in ("absent.csv", "own.txt"):
        with pytest.raises(InputError, match=name):
            _lines.lines(str(csv.with_name(name)))


def test_held_out_lines_are_new():
    data = _lines.lines()
    held, kept = (
        {text[:n].tobytes() for text, n in zip(part.text, part.length, strict=True)}
        for part in (data.held_out, data.train)
    )
    assert not held & kept and len(held) > 1000


def test_naive_bayes_is_its_definition():
    """Two labels, by hand: after aab (pairs aa, ab) and bb, of bab (ba, ab)."""
    train = _lines._labelled([(b"aab", 0), (b"bb", 1)])
    found = _lines.naive_bayes(train, _lines._labelled([(b"bab", 1), (b"bbb", 0)]))
    assert found.tolist() == [0, 1]


def test_training_learns_and_reads_ones_own(table):
    """Two labels that one letter tells apart."""
    entry = small("encoder").entry
    settings = replace(entry.settings, steps=60, data=str(table), lr=0.01, warmup=5)
    trained = zoo.train(entry, settings)
    assert trained.metrics == {"accuracy": 1.0, "of_pairs": 1.0}
    assert entry.show is not None
    assert "[from] bbbbbbbb" in entry.show(trained.variables, trained.data)
