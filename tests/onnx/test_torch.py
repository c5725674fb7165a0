"""PyTorch modules as JAX functions. The oracle is PyTorch itself, in two precisions."""

import copy
import sys

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.onnx import _torch
from torchlean_jax.zoo._extras import MissingExtraError


def test_without_pytorch_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"torchlean-jax\[torch\]"):
        tl.from_torch(None)


@pytest.fixture
def torch():
    pytest.importorskip("onnxscript", reason="an extra: torchlean-jax[torch]")
    torch = pytest.importorskip("torch", reason="an extra: torchlean-jax[torch]")
    torch.manual_seed(0)
    return torch


def recurrent(kind, **options):
    """A recurrent module with one output, its state at each time."""

    def make(nn):
        class Module(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = getattr(nn, kind)(3, 4, **options)

            def forward(self, x):
                return self.inner(x)[0]

        return Module()

    return make


class Attention:
    """Self-attention, as a module of one input."""

    def __new__(cls, nn):
        class Module(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.MultiheadAttention(4, 2, batch_first=True)

            def forward(self, x):
                return self.inner(x, x, x, need_weights=False)[0]

        return Module()


LAYERS = {
    "linear": (lambda nn: nn.Linear(3, 4), (2, 3)),
    "linear, no bias": (lambda nn: nn.Linear(3, 4, bias=False), (3,)),
    "conv1d": (lambda nn: nn.Conv1d(4, 6, 3, 2, 1, groups=2), (2, 4, 9)),
    "conv2d": (lambda nn: nn.Conv2d(2, 4, (3, 2), (1, 2), (2, 1), 2), (1, 2, 8, 7)),
    "conv2d, same": (lambda nn: nn.Conv2d(1, 2, 4, padding="same"), (1, 1, 5, 5)),
    "conv3d": (lambda nn: nn.Conv3d(1, 2, 2, dilation=2), (1, 1, 4, 4, 4)),
    "transposed": (
        lambda nn: nn.ConvTranspose2d(2, 4, 3, 2, 1, output_padding=1, groups=2),
        (1, 2, 4, 4),
    ),
    "batch norm": (lambda nn: nn.BatchNorm2d(2), (2, 2, 3, 3)),
    "conv and batch norm": (
        lambda nn: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()),
        (1, 1, 4, 4),
    ),
    "layer norm": (lambda nn: nn.LayerNorm(5), (2, 5)),
    "group norm": (lambda nn: nn.GroupNorm(2, 4), (1, 4, 3)),
    "instance norm": (lambda nn: nn.InstanceNorm2d(2, affine=True), (1, 2, 3, 3)),
    "attention": (Attention, (1, 3, 4)),
    "rnn": (recurrent("RNN"), (3, 2, 3)),
    "gru": (recurrent("GRU", num_layers=2, bidirectional=True), (3, 2, 3)),
    "lstm": (recurrent("LSTM", num_layers=2, batch_first=True), (2, 3, 3)),
    "lstm, both ways": (recurrent("LSTM", bidirectional=True, bias=False), (3, 2, 3)),
    "pools": (
        lambda nn: nn.Sequential(nn.MaxPool2d(2, 1, 1), nn.AvgPool2d(2)),
        (1, 1, 5, 5),
    ),
    "activations": (
        lambda nn: nn.Sequential(
            *(nn.GELU(), nn.SiLU(), nn.ELU(), nn.LeakyReLU(0.1), nn.Softplus()),
            *(nn.Tanh(), nn.Sigmoid(), nn.Hardtanh(0.1, 0.6), nn.Softmax(-1)),
        ),
        (2, 3),
    ),
}


@pytest.mark.parametrize("make, shape", LAYERS.values(), ids=LAYERS)
def test_a_layer_means_the_same(torch, make, shape):
    module = make(torch.nn).eval()
    for name, buffer in module.named_buffers():
        if "running" in name:  # not the 0 and 1 that hide a confusion of the two
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    x = torch.randn(shape)
    function, params = tl.from_torch(module, x, check=False)
    run = tl.interpret(function, domain=tl.FP32())(params, jnp.asarray(x.numpy()))
    lo, hi = np.asarray(run.lo), np.asarray(run.hi)
    single = module(x).detach().numpy()
    exact = copy.deepcopy(module).double()(x.double()).detach().numpy()
    assert lo.shape == single.shape
    for returned in (single, exact):
        assert (lo <= returned).all() and (returned <= hi).all()
    assert (hi - lo).max() < 1e-3 * max(1, np.abs(exact).max())  # and says something


def test_tokens_are_integers(torch):
    module = torch.nn.Embedding(7, 3).eval()
    function, params = tl.from_torch(module, torch.tensor([[1, 6, 0]]).int())
    tokens = np.array([[2, 2, 5]], np.int32)
    expected = module(torch.as_tensor(tokens)).detach().numpy()
    assert np.array_equal(function(params, tokens), expected)


def test_parameters_keep_their_names_and_bits(torch):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4)).eval()
    _, params = tl.from_torch(module, torch.randn(2, 3))
    state = module.state_dict()
    assert set(params) <= set(state) and "0.weight" in params
    for name, value in params.items():
        assert np.array_equal(np.asarray(value), state[name].numpy()), name


def test_what_is_not_understood_is_refused(torch):
    module = torch.nn.LSTM(2, 3, proj_size=2).eval()
    with pytest.raises(tl.TorchLeanError):  # PyTorch writes a graph that does not fit
        tl.from_torch(module, torch.randn(4, 1, 2))


def test_a_module_in_training_mode_is_refused(torch):
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
    module[0].eval()
    with pytest.raises(tl.InputError, match=r"training mode \(itself, 1\)"):
        tl.from_torch(module, torch.randn(1, 2))


def test_a_wrong_lowering_is_noticed(torch, monkeypatch):
    """As if a square matrix had been transposed on the way, or a bias dropped."""
    module, x = torch.nn.Linear(2, 2).eval(), torch.randn(3, 2)
    read = _torch.from_onnx
    tl.from_torch(module, x)
    for name, wrong in (("weight", jnp.transpose), ("bias", jnp.zeros_like)):

        def planted(model, name=name, wrong=wrong):
            network, params = read(model)
            return network, params | {name: wrong(params[name])}

        monkeypatch.setattr(_torch, "from_onnx", planted)
        with pytest.raises(_torch.ConversionError, match="output 0 of the graph"):
            tl.from_torch(module, x)


def test_a_module_that_cannot_be_exported_says_why(torch):
    class Branches(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(_torch.ConversionError, match=r"torch\.onnx\.export"):
        tl.from_torch(Branches().eval(), torch.randn(2))
