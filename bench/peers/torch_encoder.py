"""PyTorch peer of the encoder-step case: the same pre-norm encoder, the same initial weights, AdamW.

Reads one JSON line with the settings and the path of a file of float32 initial values, then answers every
line `step` with one JSON line {"seconds": s, "loss": l}; `quit` ends it.
"""
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F


def main():
    settings = json.loads(sys.stdin.readline())
    torch.set_num_threads(settings["threads"])
    depth, width, heads, hidden = (settings[k] for k in ("layers", "width", "heads", "hidden"))
    batch, length = settings["batch"], settings["length"]
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
        blocks.append([p.requires_grad_() for p in block])
    assert cursor == values.size, (cursor, values.size)
    parameters = [p for block in blocks for p in block]
    optimizer = torch.optim.AdamW(parameters, lr=settings["learningRate"], betas=(0.9, 0.98), eps=1e-6,
                                  weight_decay=0.05, foreach=True)

    def forward():
        h = x
        for g1, b1, qkv, qkv_b, out, out_b, g2, b2, w1, c1, w2, c2 in blocks:
            y = F.linear(F.layer_norm(h, (width,), g1, b1, 1e-5), qkv, qkv_b)
            q, k, v = y.reshape(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            attention = torch.softmax(q @ k.transpose(-2, -1) * (width // heads) ** -0.5, dim=-1) @ v
            h = h + F.linear(attention.transpose(1, 2).reshape(batch, length, width), out, out_b)
            h = h + F.linear(F.gelu(F.linear(F.layer_norm(h, (width,), g2, b2, 1e-5), w1, c1)), w2, c2)
        return (h.float() ** 2).mean()

    print(json.dumps({"ready": torch.__version__}), flush=True)
    for line in sys.stdin:
        if line.strip() != "step":
            break
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings["precision"] == "bf16"):
            loss = forward()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        value = float(loss)
        print(json.dumps({"seconds": time.perf_counter() - start, "loss": value}), flush=True)


if __name__ == "__main__":
    main()
