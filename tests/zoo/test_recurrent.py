"""Recurrent networks: claims that hold of three cells, and planted faults."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from torchlean_jax import zoo
from torchlean_jax.zoo import _recurrent, gru, lstm, rnn
from torchlean_jax.zoo._claims import check_claim

CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}
SMALL = {name: zoo.untrained(module.make(4)) for name, module in CELLS.items()}


def claim_of(entry, name):
    return next(claim for claim in entry.claims if claim.__name__ == name)


@pytest.mark.parametrize("name", CELLS)
def test_the_claims_hold(name):
    for claim in SMALL[name].entry.claims:
        finding = check_claim(claim, SMALL[name])
        assert finding.status == "holds", (finding.name, finding.evidence)


def test_a_state_learns_digits():
    trained = zoo.train(gru.make(16), replace(gru.ENTRY.settings, steps=300))
    assert trained.metrics["accuracy"] > 0.7


def gates_in_another_order(params, state, row):
    def turned(x):
        r, z, n = jnp.split(x, 3, -1)
        return jnp.concatenate([z, r, n], -1)

    return gru.published(
        jax.tree.map(lambda x: turned(x) if x.shape[-1] == 12 else x, params),
        state,
        row,
    )


def reset_before_the_product(params, state, row):
    """Cho's own form: n = tanh(W x + b + U (r h))."""
    w, b, u = (params[f"dense_{k}"] for k in ("i.kernel", "i.bias", "h.kernel"))
    r, z, n = jnp.split(row @ w + b, 3)
    u_r, u_z, u_n = jnp.split(u, 3, -1)
    r, z = jax.nn.sigmoid(r + state @ u_r), jax.nn.sigmoid(z + state @ u_z)
    return (1 - z) * jnp.tanh(n + (r * state) @ u_n) + z * state


@pytest.mark.parametrize("wrong", [gates_in_another_order, reset_before_the_product])
def test_another_recurrence_is_found(wrong):
    trained = SMALL["gru"]
    cell = replace(gru.CELL, published=wrong)
    (claim, *_) = _recurrent.claims(trained.entry.network, cell)
    assert check_claim(claim, trained).status == "fails"


def test_a_state_that_is_lost_between_scans_is_found(monkeypatch):
    right = _recurrent.Recurrent.after

    def forgetful(self, state, rows):
        return right(self, jax.tree.map(jnp.zeros_like, state), rows)

    monkeypatch.setattr(_recurrent.Recurrent, "after", forgetful)
    claim = claim_of(SMALL["rnn"].entry, "rows_are_read_one_by_one")
    assert check_claim(claim, SMALL["rnn"]).status == "fails"


def test_an_output_that_sees_later_rows_is_found(monkeypatch):
    right = _recurrent.Recurrent.after

    def leaking(self, state, rows):
        state, outputs = right(self, state, rows)
        return state, outputs + rows[-1, ..., :1]

    monkeypatch.setattr(_recurrent.Recurrent, "after", leaking)
    claim = claim_of(SMALL["lstm"].entry, "outputs_see_no_later_row")
    assert check_claim(claim, SMALL["lstm"]).status == "fails"
