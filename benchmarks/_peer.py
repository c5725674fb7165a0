"""The peer's side of `bounds.py`: auto_LiRPA on the same weights and the same boxes.

Its own defaults throughout: float32, no outward rounding, as many threads as torch
takes, twenty iterations for alpha-CROWN. Only the call that computes bounds is timed;
building the bounded module and moving the box into torch are not.
"""

import warnings

import numpy as np

METHODS = {"crown-ibp": "CROWN-IBP", "crown": "CROWN", "alpha-crown": "CROWN-Optimized"}


def available() -> bool:
    try:
        _import()
    except ModuleNotFoundError as missing:
        print(f"no peer here ({missing}); benchmarks/README.md installs it")
        return False
    return True


def versions() -> dict[str, str]:
    torch, auto_lirpa = _import()
    return {"torch": torch.__version__, "auto_LiRPA": auto_lirpa.__version__}


def bounder(network, lo, hi, method):
    """A function of no arguments that computes (lower, upper) as numpy arrays."""
    torch, auto_lirpa = _import()
    lower, upper = torch.tensor(lo), torch.tensor(hi)
    options = {"optimize_bound_args": {"iteration": 20}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = auto_lirpa.BoundedModule(
            _module(network.layers), torch.zeros_like(lower), bound_opts=options
        )
    set_of = auto_lirpa.PerturbationLpNorm(norm=np.inf, x_L=lower, x_U=upper)
    box = auto_lirpa.BoundedTensor((lower + upper) / 2, set_of)

    def bound():
        with torch.set_grad_enabled(method == "alpha-crown"):
            ends = module.compute_bounds(x=(box,), method=METHODS[method])
        return tuple(end.detach().numpy() for end in ends)

    return bound


def _import():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import auto_LiRPA
        import torch
    return torch, auto_LiRPA


def _module(layers):
    torch, _ = _import()
    nn = torch.nn
    plain = {
        "relu": nn.ReLU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "flatten": nn.Flatten,
        "softmax": lambda: nn.Softmax(dim=-1),
    }
    made = []
    for kind, *weights in layers:
        if kind == "linear":
            made.append(_linear(*weights))
        elif kind == "conv":
            out, into, size, _ = weights[0].shape
            conv = nn.Conv2d(into, out, size, stride=2, padding=1)
            made.append(_filled(conv, *weights))
        elif kind == "attention":
            made.append(_attention(weights[0]))
        else:
            made.append(plain[kind]())
    return nn.Sequential(*made)


def _linear(weight, bias):
    torch, _ = _import()
    return _filled(torch.nn.Linear(*weight.shape), np.ascontiguousarray(weight.T), bias)


def _filled(module, weight, bias):
    torch, _ = _import()
    with torch.no_grad():
        module.weight.copy_(torch.tensor(weight))
        module.bias.copy_(torch.tensor(bias))
    return module


def _attention(weights):
    torch, _ = _import()

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, pair in weights.items():
                setattr(self, name, _linear(*pair))

        def forward(self, x):
            scale = np.float32(8**0.5).item()
            scores = self.query(x) @ self.key(x).transpose(-1, -2) / scale
            x = x + self.out(torch.softmax(scores, dim=-1) @ self.value(x))
            return x + self.down(torch.relu(self.up(x)))

    return Block()
