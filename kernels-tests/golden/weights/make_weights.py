"""Makes the files beside it: weights of tiny nets as PyTorch and pix2pix-tensorflow write them, and what the nets make of a picture.

    python make_weights.py    (PyTorch 2.15, CPU; not needed by any test)
"""
import json
import struct

import numpy as np
import torch
import torch.nn as nn


class Level(nn.Module):
    """A level of the U-Net in the public module order; `tf`: pix2pix-tensorflow's variant (biases, bottleneck norm, up first)."""

    def __init__(self, outer, inner, input_nc=None, below=None, outermost=False, tf=False):
        super().__init__()
        self.outermost, self.tf = outermost, tf
        down = nn.Conv2d(input_nc or outer, inner, 4, 2, 1, bias=tf)
        innermost = below is None
        up = nn.ConvTranspose2d(inner if innermost else 2 * inner, outer, 4, 2, 1, bias=tf or outermost)
        if outermost:
            parts = [down, below, nn.ReLU(), up, nn.Tanh()]
        else:
            # Not in place: the raw skip is concatenated, which the ReLU behind makes the same.
            parts = [nn.LeakyReLU(0.2), down]
            parts += [nn.BatchNorm2d(inner)] if tf or not innermost else []
            parts += [] if innermost else [below]
            parts += [nn.ReLU(), up, nn.BatchNorm2d(outer)]
        self.model = nn.Sequential(*parts)

    def forward(self, x):
        y = self.model(x)
        return y if self.outermost else torch.cat([y, x] if self.tf else [x, y], 1)


class Unet(nn.Module):
    def __init__(self, ngf, tf=False):
        super().__init__()
        level = Level(8 * ngf, 8 * ngf, tf=tf)
        for outer, inner in [(4, 8), (2, 4), (1, 2)]:
            level = Level(outer * ngf, inner * ngf, below=level, tf=tf)
        self.model = Level(3, ngf, input_nc=3, below=level, outermost=True, tf=tf)

    def forward(self, x):
        return self.model(x)


def net(tf=False):
    torch.manual_seed(7)
    made = Unet(1, tf)
    with torch.no_grad():
        for name, p in made.named_parameters():
            p.normal_(1.0 if "weight" in name and p.dim() == 1 else 0.0, 0.3)
    return made


side = 64
index = torch.arange(side * side * 3)
picture = ((index * 7 + index // 3 // side * 31) % 256).reshape(1, side, side, 3).permute(0, 3, 1, 2).float() / 127.5 - 1

made = net()
made.train()
with torch.no_grad():
    for _ in range(3):
        made(picture)  # running statistics that are none of the initial ones
    batch = made(picture)
made.eval()
with torch.no_grad():
    running = made(picture)
torch.save(made.state_dict(), "zip.pth")
torch.save(made.state_dict(), "legacy.pth", _use_new_zipfile_serialization=False)

# Other types, views and a parameter, wrapped by a DataParallel.
base = torch.arange(24, dtype=torch.float32) / 8
torch.save(
    {"state_dict": {
        "module.half": base.reshape(4, 6).half(), "module.bfloat": base.bfloat16(), "module.double": base.double()[:3],
        "module.turned": base.reshape(4, 6).t(), "module.part": base.reshape(4, 6)[1:3, 2:4], "module.parameter": nn.Parameter(base[:2].clone()),
    }, "epoch": 3}, "types.pth")
# What must not be read.
torch.save(nn.Linear(2, 1), "model.pth")

tf = net(tf=True)
tf.train()
with torch.no_grad():
    tf_batch = tf(picture)
arrays = {}
prefix = "model.model"
for level in range(1, 6):
    places = (0, None, 3, None) if level == 1 else (1, 2, 4, 5) if level == 5 else (1, 2, 5, 6)
    for coder, conv, at, norm in [("encoder", "conv2d", places[0], places[1]), ("decoder", "conv2d_transpose", places[2], places[3])]:
        module = tf.get_submodule(f"{prefix}.{at}")
        scope = f"generator/{coder}_{level}"
        arrays[f"{scope}/{conv}/kernel"] = module.weight.detach().numpy().transpose(2, 3, 1, 0)
        arrays[f"{scope}/{conv}/bias"] = module.bias.detach().numpy()
        if norm:
            arrays[f"{scope}/batch_normalization/gamma"] = tf.get_submodule(f"{prefix}.{norm}").weight.detach().numpy()
            arrays[f"{scope}/batch_normalization/beta"] = tf.get_submodule(f"{prefix}.{norm}").bias.detach().numpy()
    prefix += ".1.model" if level == 1 else ".3.model"
names = sorted(arrays)
flat = np.concatenate([arrays[n].reshape(-1) for n in names]).astype(np.float32)
# 256 levels of the mu-law with mu = 255, scaled by the largest weight.
edges = np.linspace(-1, 1, 257)
points = (edges[:-1] + edges[1:]) / 2
book = (np.sign(points) / 255 * (256 ** np.abs(points) - 1) * np.abs(flat).max()).astype(np.float32)
codes = np.abs(book[None] - flat[:, None]).argmin(1).astype(np.uint8)
with open("small.pict", "wb") as f:
    for block in [json.dumps([{"name": n, "shape": arrays[n].shape} for n in names]).encode(), book.tobytes(), codes.tobytes()]:
        f.write(struct.pack(">I", len(block)) + block)
# What the net makes with the weights as the file has them.
at = 0
with torch.no_grad():
    for n in names:
        scope, part = n.rsplit("/", 1)
        count = arrays[n].size
        values = book[codes[at:at + count]].reshape(arrays[n].shape)
        at += count
        level = int(scope.split("/")[1].split("_")[1])
        places = (0, None, 3, None) if level == 1 else (1, 2, 4, 5) if level == 5 else (1, 2, 5, 6)
        inner = "model.model" + "".join(".1.model" if k == 1 else ".3.model" for k in range(1, level))
        place = places[(2 if "decoder" in scope else 0) + (1 if "batch" in scope else 0)]
        module = tf.get_submodule(f"{inner}.{place}")
        target = module.weight if part in ("kernel", "gamma") else module.bias
        target.copy_(torch.from_numpy(values.transpose(3, 2, 0, 1).copy() if part == "kernel" else values.copy()))
    tf_batch = tf(picture)

# What Lightning saves: both networks in one state dict, and much beside it.
def lightning(generator):
    import argparse
    import collections
    import pathlib

    conv = lambda i, o: nn.Conv2d(i, o, 4, 2, 1)
    judge = nn.Sequential(conv(6, 1), nn.LeakyReLU(0.2), conv(1, 1), nn.BatchNorm2d(1), nn.LeakyReLU(0.2), conv(1, 1))
    small = nn.Linear(2, 2)
    adam = torch.optim.Adam(small.parameters())
    small(torch.ones(1, 2)).sum().backward()
    adam.step()
    state = {f"generator._orig_mod.{n}": v for n, v in generator.state_dict().items()}
    state |= {f"discriminator.module.model.{n}": v for n, v in judge.state_dict().items()}
    return {
        "epoch": 1, "pytorch-lightning_version": "2.0", "state_dict": collections.OrderedDict(state),
        "optimizer_states": [adam.state_dict()], "callbacks": {"best": np.float64(0.5), "scores": np.arange(3)},
        "hyper_parameters": argparse.Namespace(lr=1e-3, path=pathlib.PurePosixPath("/data"), dtype=torch.float16, many={1, 2}, big=1 << 80),
        "loops": collections.defaultdict(list, {"fit": [b"abc", bytearray(b"abc"), frozenset([1]), 1 + 2j, True, None]}),
    }


torch.save(lightning(net()), "lightning.ckpt", pickle_protocol=5, _use_new_zipfile_serialization=False)

# Every 41st value is enough to tell nets apart.
with open("outputs.json", "w") as f:
    rows = {"batch": batch, "running": running, "pict": tf_batch}
    json.dump({k: [round(float(v), 6) for v in y.permute(0, 2, 3, 1).reshape(-1)[::41]] for k, y in rows.items()}, f)
