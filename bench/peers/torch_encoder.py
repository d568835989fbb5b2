"""PyTorch peer of the encoder-step cases: the same pre-norm encoder, the same initial weights, AdamW.

Reads one JSON line with the settings and the path of a file of float32 initial values, then answers every
line `step` with one JSON line {"seconds": s, "loss": l}; `quit` ends it. With a `size` above 1 it is one rank of
DistributedDataParallel over Gloo and takes its rows of the batch; the loss is that of its rows. `way` is how the model
is written: plain, attention (scaled_dot_product_attention) or compiled (that and torch.compile); a PyTorch without it
answers {"lacks": why} and ends.
"""
import json
import sys
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F


LACKS = {
    "plain": None,
    "attention": None if hasattr(F, "scaled_dot_product_attention") else "scaled_dot_product_attention",
    "compiled": None if hasattr(torch, "compile") else "torch.compile",
}


def measure_peak(dtype):
    """Billions of floating-point operations a second in a large product of the type, the best of five."""
    size = 2048
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * size ** 3 / best / 1e9


def make_optimizer(groups, lr):
    options = {"lr": lr, "betas": (0.9, 0.98), "eps": 1e-6}
    try:
        return torch.optim.AdamW(groups, fused=True, **options)
    except (RuntimeError, TypeError):
        # Older ones are fused on GPUs alone.
        return torch.optim.AdamW(groups, foreach=True, **options)


class Encoder(torch.nn.Module):
    """The blocks' parameters as one list, for DistributedDataParallel finds them in a module."""

    def __init__(self, parameters, forward):
        super().__init__()
        self.values = torch.nn.ParameterList(parameters)
        self.compute = forward

    def forward(self, x):
        return self.compute(x, self.values)


def main():
    settings = json.loads(sys.stdin.readline())
    way = settings.get("way", "plain")
    if LACKS[way]:
        print(json.dumps({"lacks": f"PyTorch {torch.__version__} has no {LACKS[way]}"}), flush=True)
        return
    torch.set_num_threads(settings["threads"])
    depth, width, heads, hidden = (settings[k] for k in ("layers", "width", "heads", "hidden"))
    batch, length = settings["batch"], settings["length"]
    rank, size = settings.get("rank", 0), settings.get("size", 1)
    values = np.fromfile(settings["values"], dtype=np.float32)
    cursor = 0

    def take(*shape):
        nonlocal cursor
        n = int(np.prod(shape))
        part = torch.from_numpy(values[cursor:cursor + n].copy()).reshape(shape)
        cursor += n
        return part

    x = take(batch, length, width)
    blocks = []
    for _ in range(depth):
        block = [take(width), take(width), take(3 * width, width), take(3 * width), take(width, width), take(width),
                 take(width), take(width), take(hidden, width), take(hidden), take(width, hidden), take(width)]
        blocks.append(block)
    assert cursor == values.size, (cursor, values.size)

    def compute(h, values):
        rows = h.shape[0]
        for i in range(depth):
            g1, b1, qkv, qkv_b, out, out_b, g2, b2, w1, c1, w2, c2 = values[12 * i:12 * i + 12]
            y = F.linear(F.layer_norm(h, (width,), g1, b1, 1e-5), qkv, qkv_b)
            q, k, v = y.reshape(rows, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            if way == "plain":
                attention = torch.softmax(q @ k.transpose(-2, -1) * (width // heads) ** -0.5, dim=-1) @ v
            else:
                attention = F.scaled_dot_product_attention(q, k, v)
            h = h + F.linear(attention.transpose(1, 2).reshape(rows, length, width), out, out_b)
            h = h + F.linear(F.gelu(F.linear(F.layer_norm(h, (width,), g2, b2, 1e-5), w1, c1)), w2, c2)
        return (h.float() ** 2).mean()

    x = x[batch * rank // size:batch * (rank + 1) // size]
    model = Encoder([p for block in blocks for p in block], torch.compile(compute) if way == "compiled" else compute)
    parameters = list(model.parameters())
    if size > 1:
        dist.init_process_group("gloo", f"tcp://127.0.0.1:{settings['port']}", rank=rank, world_size=size)
        model = torch.nn.parallel.DistributedDataParallel(model)
    # Weights decay; norms and biases, which are vectors, do not.
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.05},
              {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = make_optimizer(groups, settings["learningRate"])

    dtype = torch.bfloat16 if settings["precision"] == "bf16" else torch.float32
    peak = measure_peak(dtype) if settings.get("peak") else None
    print(json.dumps({"ready": torch.__version__, "peak": peak}), flush=True)
    for line in sys.stdin:
        if line.strip() != "step":
            break
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings["precision"] == "bf16"):
            loss = model(x)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        value = float(loss)
        print(json.dumps({"seconds": time.perf_counter() - start, "loss": value}), flush=True)


if __name__ == "__main__":
    main()
