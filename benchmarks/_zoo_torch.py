"""The torch side of `zoo_throughput.py`: the zoo as one writes it there.

Each is a function of the parameters by the names that they have in the zoo, with
kernels in torch's own layouts, and of a batch; it gives the loss. What torch has fused
is used: its recurrent layers, norms, and `scaled_dot_product_attention`.
"""

import torch
import torch.nn.functional as F


def prepared(variables) -> dict[str, torch.Tensor]:
    """The zoo's parameters as leaves of torch, kernels [out, in, ...]."""
    return {
        name: torch.tensor(_in_torch_layout(name, x)).requires_grad_()
        for name, x in variables.params.items()
    }


def _in_torch_layout(name, array):
    kind = name.rpartition(".")[2]
    if kind not in ("kernel", "weight"):
        return array.copy()
    return array.transpose(_ORDER[array.ndim]).copy()


_ORDER = {2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}  # [out, in, ...] of the zoo's axes


class Trainer:
    """Steps of AdamW behind a clip of the gradient's norm, as the zoo's."""

    def __init__(self, loss, variables, settings):
        self.loss, self.clip = loss, settings.clip
        self.params = prepared(variables)
        self.optimizer = torch.optim.AdamW(
            self.params.values(),
            lr=settings.lr,
            betas=(settings.b1, settings.b2),
            weight_decay=settings.weight_decay,
            fused=True,
        )

    def step(self, batch) -> torch.Tensor:
        self.optimizer.zero_grad()
        loss = self.loss(self.params, batch)
        loss.backward()
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.params.values(), self.clip)
        self.optimizer.step()
        return loss.detach()


def mlp(p, batch):
    x = 2 * batch["image"] - 1
    for layer in range(2):
        x = F.relu(F.linear(x, p[f"{layer}.weight"], p[f"{layer}.bias"]))
    return F.cross_entropy(F.linear(x, p["2.weight"], p["2.bias"]), _label(batch))


def cnn(p, batch):
    x = _pictures(batch)
    for place, stride in enumerate((1, 2, 2)):
        x = F.relu(_convolved(p, f"convolutions.{place}", x, stride))
    # the zoo flattens [height, width, channels]
    return F.cross_entropy(
        _linear(p, "last", x.movedim(1, -1).flatten(1)), _label(batch)
    )


def resnet(p, batch):
    x = F.relu(_convolved(p, "stem", _pictures(batch), 1))
    for place, stride in enumerate((1, 2, 2)):
        name = f"blocks.{place}"
        y = F.relu(_convolved(p, f"{name}.first", x, stride))
        y = _convolved(p, f"{name}.second", y, 1)
        changes = f"{name}.shortcut.convolution.kernel" in p
        around = _convolved(p, f"{name}.shortcut", x, stride) if changes else x
        x = F.relu(around + y)
    return F.cross_entropy(_linear(p, "last", x.mean((2, 3))), _label(batch))


def vit(p, batch):
    x = (2 * batch["image"] - 1).reshape(-1, 4, 2, 4, 2).transpose(2, 3)
    x = _linear(p, "embed", x.reshape(-1, 16, 4)) + p["places"]
    for block in ("blocks.0", "blocks.1"):
        y = _linear(
            p, f"{block}.attention.qkv", _layer_norm(p, f"{block}.norm_attention", x)
        )
        q, k, v = (_heads(part, 4) for part in y.chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + _linear(p, f"{block}.attention.out", y)
        y = _linear(p, f"{block}.up", _layer_norm(p, f"{block}.norm_mlp", x))
        x = x + _linear(p, f"{block}.down", F.gelu(y, approximate="tanh"))
    logits = _linear(p, "last", _layer_norm(p, "norm", x).mean(1))
    return F.cross_entropy(logits, _label(batch))


def lstm(p, batch):
    rows = (2 * batch["image"] - 1).reshape(-1, 8, 8)
    width = p["cell.dense_h.kernel"].shape[1]
    start = torch.zeros(1, len(rows), width)
    weights = [p["cell.dense_i.kernel"], p["cell.dense_h.kernel"]]
    biases = [p["cell.dense_h.bias"], torch.zeros(4 * width)]
    _, hidden, _ = torch.lstm(
        rows, (start, start), weights + biases, True, 1, 0.0, True, False, True
    )
    return F.cross_entropy(_linear(p, "last", hidden[0]), _label(batch))


def gpt(p, batch):
    tokens, after = batch[:, :-1], batch[:, 1:]
    x = F.embedding(tokens, p["embedding.embedding"])
    turn = _turning(tokens.shape[1], x.shape[-1] // 4)
    for n in range(5):
        block = f"blocks.{n}"
        y = _linear(
            p, f"{block}.attention.qkv", _rms_norm(p, f"{block}.norm_attention", x)
        )
        q, k, v = (_heads(part, 4) for part in y.chunk(3, -1))
        q, k = _turned(q, *turn), _turned(k, *turn)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + _linear(p, f"{block}.attention.out", y.transpose(1, 2).flatten(2))
        y = F.silu(_linear(p, f"{block}.up", _rms_norm(p, f"{block}.norm_mlp", x)))
        x = x + _linear(p, f"{block}.down", y)
    return _of_tokens(p, x, after)


def mamba(p, batch):
    """The recurrence step by step, as the model's authors have it without their kernel
    for GPUs."""
    tokens, after = batch[:, :-1], batch[:, 1:]
    x = F.embedding(tokens, p["embedding.embedding"])
    for n in range(3):
        x = _selective(p, f"blocks.{n}", x)
    return _of_tokens(p, x, after)


def mamba2(p, batch):
    """In chunks, as listing 1 of the paper that the entry names has it."""
    tokens, after = batch[:, :-1], batch[:, 1:]
    x = F.embedding(tokens, p["embedding.embedding"])
    for n in range(8):
        x = _dual(p, f"blocks.{n}", x)
    return _of_tokens(p, x, after)


LOSSES = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet": resnet,
    "vit": vit,
    "lstm": lstm,
    "gpt": gpt,
    "mamba": mamba,
    "mamba2": mamba2,
}


def _selective(p, block, x):
    y = _linear(p, f"{block}.into", _rms_norm(p, f"{block}.norm", x))
    given, gate = y.chunk(2, -1)
    u = F.silu(_filtered(p, f"{block}.mix", given))
    states = p[f"{block}.rates"].shape[-1]
    sizes = [p[f"{block}.widen.kernel"].shape[1], states, states]
    low, b, c = _linear(p, f"{block}.select", u).split(sizes, -1)
    delta = F.softplus(_linear(p, f"{block}.widen", low))
    decay = torch.exp(delta.unsqueeze(-1) * -torch.exp(p[f"{block}.rates"]))
    driven = (delta * u).unsqueeze(-1) * b.unsqueeze(2)
    state, read = torch.zeros_like(decay[:, 0]), []
    for t in range(u.shape[1]):
        state = decay[:, t] * state + driven[:, t]
        read.append((state * c[:, t].unsqueeze(1)).sum(-1))
    y = torch.stack(read, 1) + p[f"{block}.skip"] * u
    return x + _linear(p, f"{block}.out", y * F.silu(gate))


def _dual(p, block, x, chunk=64):
    inner, heads = p[f"{block}.out.kernel"].shape[1], len(p[f"{block}.rates"])
    states = (len(p[f"{block}.mix.bias"]) - inner) // 2
    y = _linear(p, f"{block}.into", _rms_norm(p, f"{block}.norm", x))
    gate, given, delta = y.split([inner, inner + 2 * states, heads], -1)
    mixed = F.silu(_filtered(p, f"{block}.mix", given))
    u, b, c = mixed.split([inner, states, states], -1)
    u = u.unflatten(-1, (heads, -1))
    delta = F.softplus(delta + p[f"{block}.steps"])
    logs = (delta * -torch.exp(p[f"{block}.rates"])).unflatten(1, (-1, chunk))
    driven = (delta.unsqueeze(-1) * u).unflatten(1, (-1, chunk))
    b, c = b.unflatten(1, (-1, chunk)), c.unflatten(1, (-1, chunk))
    until = logs.cumsum(2)  # [batch, count, chunk, heads]
    seen = torch.ones(chunk, chunk).tril().bool().unsqueeze(-1)
    between = until.unsqueeze(3) - until.unsqueeze(2)
    decay = torch.exp(between.masked_fill(~seen, -torch.inf))
    y = torch.einsum("zktn,zksn,zktsh,zkshp->zkthp", c, b, decay, driven)
    left = torch.exp(until[:, :, -1:] - until)
    added = torch.einsum("zksn,zksh,zkshp->zkhnp", b, left, driven)
    state, before = torch.zeros_like(added[:, 0]), []
    for k in range(added.shape[1]):
        before.append(state)
        kept = torch.exp(until[:, k, -1])[..., None, None]
        state = kept * state + added[:, k]
    before = torch.stack(before, 1)
    y = y + torch.einsum("zktn,zkth,zkhnp->zkthp", c, torch.exp(until), before)
    y = y.flatten(1, 2) + p[f"{block}.skip"].unsqueeze(-1) * u
    y = _rms_norm(p, f"{block}.norm_gated", y.flatten(2) * F.silu(gate))
    return x + _linear(p, f"{block}.out", y)


def _filtered(p, name, x):
    """Each channel of [batch, time, channels] with its taps on what was before."""
    kernel = p[f"{name}.kernel"]
    past = F.pad(x.transpose(1, 2), (kernel.shape[-1] - 1, 0))
    mixed = F.conv1d(past, kernel, p[f"{name}.bias"], groups=len(kernel))
    return mixed.transpose(1, 2)


def _of_tokens(p, x, after):
    logits = F.linear(_rms_norm(p, "norm", x), p["embedding.embedding"])
    return F.cross_entropy(logits.flatten(0, 1), after.flatten().long())


def _label(batch):
    return batch["label"].long()


def _pictures(batch):
    return (2 * batch["image"] - 1).reshape(-1, 1, 8, 8)


def _linear(p, name, x):
    return F.linear(x, p[f"{name}.kernel"], p.get(f"{name}.bias"))


def _convolved(p, name, x, stride):
    """A convolution with the zoo's `same` padding, and its batch normalisation."""
    kernel = p[f"{name}.convolution.kernel"]
    around = kernel.shape[-1] // 2
    if stride == 2 and around:  # of 3 places a window of a halved row starts on its own
        x, around = F.pad(x, (0, 1, 0, 1)), 0
    x = F.conv2d(x, kernel, stride=stride, padding=around)
    scale, bias = p[f"{name}.norm.scale"], p[f"{name}.norm.bias"]
    mean, variance = torch.zeros(len(scale)), torch.ones(len(scale))
    return F.batch_norm(x, mean, variance, scale, bias, training=True, eps=1e-5)


def _layer_norm(p, name, x):
    scale = p[f"{name}.scale"]
    return F.layer_norm(x, scale.shape, scale, p[f"{name}.bias"], eps=1e-6)


def _rms_norm(p, name, x):
    scale = p[f"{name}.scale"]
    return F.rms_norm(x, scale.shape, scale, eps=1e-5)


def _heads(x, heads):
    """[batch, time, width] as [batch, heads, time, size]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _turning(time, size):
    """Cosines and sines of the rotary positions: [time, size / 2] each."""
    half = size // 2
    frequency = 10000.0 ** (-torch.arange(half) / half)
    angle = torch.arange(time)[:, None] * frequency
    return torch.cos(angle), torch.sin(angle)


def _turned(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
