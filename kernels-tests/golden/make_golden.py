"""Writes nets.json and cycle_gan.json: what PyTorch computes for the nets and trainings of pixtape, for `cargo test --test nets --test cycle_gan`.

    python3 kernels-tests/golden/make_golden.py        # needs torch and numpy; a CPU will do, it takes half a minute

Weights and inputs are not stored: both sides draw them from the hash pcg4d (`src/rng.rs`), as multiples of a power of two that f32
holds exactly. Every net is run in f64, which gives the values, and in f32, which gives the tolerance: `error` and `worst` tell how far
PyTorch's own f32 is from its f64.
"""

import json
import pathlib

import numpy as np
import torch
from torch import nn

FORMAT = 2
SEED = 0x676F6C64
COMMAND = "python3 kernels-tests/golden/make_golden.py"
# Streams that no parameter draws from.
DOT, DY, X, PICTURES = 900, 901, 902, 500


def words(count, stream, seed=SEED, word=0):
    """A word of pcg4d(index, stream, 0, seed) for index 0 .. count."""
    v = [np.arange(count, dtype=np.uint32)] + [np.full(count, k, np.uint32) for k in (stream, 0, seed)]
    x, y, z, w = (a * np.uint32(1664525) + np.uint32(1013904223) for a in v)
    for turn in range(2):
        x = x + y * w
        y = y + z * x
        z = z + x * y
        w = w + y * z
        if turn == 0:
            x, y, z, w = (a ^ (a >> np.uint32(16)) for a in (x, y, z, w))
    return (x, y, z, w)[word]


def draw(shape, stream, scale, middle=0.0):
    """Uniform in middle -+ scale / 2, 65536 different values."""
    count = int(np.prod(shape))
    unit = (words(count, stream) >> np.uint32(16)).astype(np.float64) / 65536.0 - 0.5
    return torch.from_numpy(middle + scale * unit).reshape(shape)


class Level(nn.Module):
    """One level of the U-Net with all that is inside it."""

    def __init__(self, outside, own, inner=None, outermost=None, norm=nn.BatchNorm2d, upsample=None, skips=True):
        super().__init__()
        joined = 2 * own if skips and inner is not None else own
        first_in, last_out = outermost if outermost else (outside, outside)
        bias = norm is not nn.BatchNorm2d
        down = nn.Conv2d(first_in, own, 4, 2, 1, bias=bias)
        if upsample is None:
            up = [nn.ConvTranspose2d(joined, last_out, 4, 2, 1, bias=bias or outermost is not None)]
        else:
            up = [nn.Upsample(scale_factor=2, mode=upsample), nn.ReflectionPad2d(1), nn.Conv2d(joined, last_out, 3, bias=bias or outermost is not None)]
        self.joins = skips and outermost is None
        if outermost:
            parts = [down, inner, nn.ReLU(), *up, nn.Tanh()]
        elif inner is None:
            parts = [nn.LeakyReLU(0.2), down, nn.ReLU(), *up, norm(last_out)]
        else:
            parts = [nn.LeakyReLU(0.2), down, norm(own), inner, nn.ReLU(), *up, norm(last_out)]
        self.model = nn.Sequential(*parts)

    def forward(self, x):
        y = self.model(x)
        return torch.cat([x, y], 1) if self.joins else y


class Unet(nn.Module):
    def __init__(self, downs, ngf, **options):
        super().__init__()
        width = [ngf * min(2**level, 8) for level in range(downs)]
        inner = None
        for level in reversed(range(1, downs)):
            inner = Level(width[level - 1], width[level], inner, **options)
        self.model = Level(None, width[0], inner, outermost=(3, 3), **options)

    def forward(self, x):
        return self.model(x)


class Block(nn.Module):
    """A residual block; padding by reflection or replication is a module of its own, zeros are the convolution's."""

    def __init__(self, width, norm, padding):
        super().__init__()
        pad = {"reflect": [nn.ReflectionPad2d(1)], "replicate": [nn.ReplicationPad2d(1)], "zero": []}[padding]
        conv = lambda: nn.Conv2d(width, width, 3, padding=int(padding == "zero"), bias=norm is nn.InstanceNorm2d)
        self.conv_block = nn.Sequential(*pad, conv(), norm(width), nn.ReLU(), *pad, conv(), norm(width))

    def forward(self, x):
        return x + self.conv_block(x)


class Resnet(nn.Module):
    def __init__(self, blocks, ngf, norm, padding="reflect"):
        super().__init__()
        bias = norm is nn.InstanceNorm2d
        parts = [nn.ReflectionPad2d(3), nn.Conv2d(3, ngf, 7, bias=bias), norm(ngf), nn.ReLU()]
        for width in (ngf, 2 * ngf):
            parts += [nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias), norm(2 * width), nn.ReLU()]
        parts += [Block(4 * ngf, norm, padding) for _ in range(blocks)]
        for width in (4 * ngf, 2 * ngf):
            parts += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1, bias=bias), norm(width // 2), nn.ReLU()]
        self.model = nn.Sequential(*parts, nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, 7), nn.Tanh())

    def forward(self, x):
        return self.model(x)


def affine(channels):
    return nn.InstanceNorm2d(channels, affine=True)


def patch(n_layers, ndf, inputs=6, norm=nn.BatchNorm2d):
    """The PatchGAN; its names begin with `model.` upstream."""
    parts = [nn.Conv2d(inputs, ndf, 4, 2, 1), nn.LeakyReLU(0.2)]
    before = ndf
    for layer in range(1, n_layers + 1):
        own = ndf * min(2**layer, 8)
        parts += [nn.Conv2d(before, own, 4, 2 if layer < n_layers else 1, 1, bias=norm is not nn.BatchNorm2d), norm(own), nn.LeakyReLU(0.2)]
        before = own
    return nn.Sequential(*parts, nn.Conv2d(before, 1, 4, 1, 1))


def pixel(ndf):
    """The pixel discriminator; its names begin with `net.` upstream."""
    act = nn.LeakyReLU(0.2)
    inner = nn.Conv2d(ndf, 2 * ndf, 1, bias=False)
    return nn.Sequential(nn.Conv2d(6, ndf, 1), act, inner, nn.BatchNorm2d(2 * ndf), act, nn.Conv2d(2 * ndf, 1, 1, bias=False))


def fill(net, prefix, first, conv_scale):
    """Gives parameter number k of the sorted public names the stream first + k; returns the names."""
    state = {prefix + name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    with torch.no_grad():
        for k, name in enumerate(sorted(state)):
            value = state[name]
            if value.dim() == 4:
                scale, middle = conv_scale, 0.0
            elif name.endswith("running_mean"):
                scale, middle = 0.5, 0.0
            elif name.endswith("bias"):
                scale, middle = 0.25, 0.0
            else:
                scale, middle = 0.5, 1.0
            value.copy_(draw(value.shape, first + k, scale, middle))


def summary(f64, f32, samples):
    a, b = f64.detach().reshape(-1).numpy(), f32.detach().double().reshape(-1).numpy()
    count = min(samples, a.size)
    short = lambda v: float(f"{v:.12g}")
    off = np.abs(a - b)
    return {
        "norm": short(np.linalg.norm(a)),
        "dot": short(a @ draw(a.shape, DOT, 2.0).numpy()),
        "error": float(f"{np.linalg.norm(off):.4g}"),
        "worst": float(f"{off.max():.4g}"),
        "samples": [short(a[j * a.size // count]) for j in range(count)],
    }


def run(make, prefix, first, shape, training, dtype):
    net = make()
    fill(net, prefix, first, 0.25)
    net = net.to(dtype).train(training)
    x = draw(shape, X, 2.0).to(dtype).requires_grad_()
    y = net(x)
    (y * draw(y.shape, DY, 2.0).to(dtype)).sum().backward()
    gradients = {prefix + name: p.grad for name, p in net.named_parameters()} | {"x": x.grad}
    running = {prefix + name: v for name, v in net.named_buffers() if "running" in name} if training else {}
    return y, gradients, running


def case(name, make, prefix, first, shape, training=True):
    (y, gradients, running), (y32, gradients32, running32) = (run(make, prefix, first, shape, training, t) for t in (torch.float64, torch.float32))
    return {
        "name": name,
        "y": summary(y, y32, 64),
        "gradients": {k: summary(v, gradients32[k], 16) for k, v in gradients.items()},
        "running": {k: summary(v, running32[k], 4) for k, v in running.items()},
    }


def picture(number):
    """64 blocks of 8x8 pixels, each of one colour: bytes [64, 64, 3] to [1, 3, 64, 64] in [-1, 1]."""
    block = (words(8 * 8 * 3, PICTURES + number) >> np.uint32(24)).astype(np.float64).reshape(8, 8, 3)
    whole = block.repeat(8, axis=0).repeat(8, axis=1)
    return torch.from_numpy(whole).permute(2, 0, 1)[None]


def nudge(net, stream):
    """Moves every weight by one unit in the last place of f32, up or down, or leaves it."""
    with torch.no_grad():
        for k, p in enumerate(net.parameters()):
            way = (words(p.numel(), stream + k) % np.uint32(3)).astype(np.float64) - 1
            p.copy_(p.double() * (1 + torch.from_numpy(way).reshape(p.shape) * 2.0**-24))


def curve(dtype, steps, variant=0):
    """Losses of the first steps of a training: G_GAN, G_L1 (weighted), D_real, D_fake. Variants differ by the rounding of weights."""
    g, d = Unet(6, 8), patch(3, 8)
    fill(g, "", 0, 0.0625)
    fill(d, "model.", 200, 0.0625)
    if variant:
        nudge(g, 2000 * variant)
        nudge(d, 2000 * variant + 1000)
    g, d = g.to(dtype).train(), d.to(dtype).train()
    adam = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (g, d)]
    judge = lambda logits, real: nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))
    rows = []
    for step in range(steps):
        a, b = (picture(2 * (step % 4) + side).to(dtype) / 255 * 2 - 1 for side in (0, 1))
        fake = g(a)
        d_fake, d_real = judge(d(torch.cat([a, fake.detach()], 1)), False), judge(d(torch.cat([a, b], 1)), True)
        adam[1].zero_grad()
        ((d_fake + d_real) * 0.5).backward()
        adam[1].step()
        g_gan, g_l1 = judge(d(torch.cat([a, fake], 1)), True), 100 * (fake - b).abs().mean()
        adam[0].zero_grad()
        (g_gan + g_l1).backward()
        adam[0].step()
        rows.append([float(f"{v.item():.10g}") for v in (g_gan, g_l1, d_real, d_fake)])
    return rows


def fold(seed):
    """src/rng.rs: a 64-bit seed to 32 bits."""
    mask = (1 << 64) - 1
    z = (seed + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return (z ^ (z >> 31)) & 0xFFFFFFFF


class Pool:
    """The reference's image pool, with the decisions of src/ops/pool.rs."""

    def __init__(self, size, stream, seed):
        self.size, self.kept, self.count = size, [], 0
        self.exchange, self.slot = (words(1000, 0xF0000000 + stream, fold(seed), word) for word in (0, 1))

    def __call__(self, image):
        at, self.count = self.count, self.count + 1
        if at < self.size:
            self.kept.append(image)
            return image
        if self.exchange[at] >> np.uint32(31) == 0:
            return image
        slot = int(self.slot[at]) * self.size >> 32
        self.kept[slot], image = image, self.kept[slot]
        return image


CYCLE_LOSSES = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"]


def cycle_curve(dtype, steps, variant=0):
    """Losses of the first steps of a CycleGAN, in the reference's order of work; pools of 2 pictures, so that they are full at the third step."""
    nets = [Resnet(2, 8, nn.InstanceNorm2d) for _ in range(2)] + [patch(2, 8, 3, nn.InstanceNorm2d) for _ in range(2)]
    for k, net in enumerate(nets):
        fill(net, "" if k < 2 else "model.", 100 * k, 0.0625)
        if variant:
            nudge(net, 4000 * variant + 1000 * k)
        net.to(dtype).train()
    g_a, g_b, d_a, d_b = nets
    adam = [torch.optim.Adam([*p.parameters(), *q.parameters()], lr=2e-4, betas=(0.5, 0.999)) for p, q in ((g_a, g_b), (d_a, d_b))]
    pools = [Pool(2, stream, 1) for stream in (0, 1)]
    judge = lambda logits, real: nn.functional.mse_loss(logits, torch.full_like(logits, float(real)))
    l1 = nn.functional.l1_loss
    rows = []
    for step in range(steps):
        a, b = (picture(2 * (step % 4) + side).to(dtype) / 255 * 2 - 1 for side in (0, 1))
        fake_b = g_a(a)
        rec_a = g_b(fake_b)
        fake_a = g_b(b)
        rec_b = g_a(fake_a)
        idt = [l1(g_a(b), b) * 10 * 0.5, l1(g_b(a), a) * 10 * 0.5]
        gan = [judge(d_a(fake_b), True), judge(d_b(fake_a), True)]
        cycle = [l1(rec_a, a) * 10, l1(rec_b, b) * 10]
        adam[0].zero_grad()
        sum(idt + gan + cycle).backward()
        adam[0].step()
        adam[1].zero_grad()
        d_losses = []
        for d, pool, real, fake in ((d_a, pools[0], b, fake_b), (d_b, pools[1], a, fake_a)):
            loss = (judge(d(real), True) + judge(d(pool(fake.detach())), False)) * 0.5
            loss.backward()
            d_losses.append(loss)
        adam[1].step()
        found = dict(zip(CYCLE_LOSSES, [d_losses[0], gan[0], cycle[0], idt[0], d_losses[1], gan[1], cycle[1], idt[1]]))
        rows.append([float(f"{found[name].item():.10g}") for name in CYCLE_LOSSES])
    return rows


def curves(steps=20, variants=16, curve=curve):
    """The f64 run, and how far f32 runs that differ in nothing but rounding get from it, the furthest of them at each step.

    One f32 run is no measure. Nothing happens until some value near a kink falls on the other side, and Adam makes a full step of a
    gradient that changed its sign; then the run drifts. In one run that is at step 4, in the next at step 11.
    """
    exact = curve(torch.float64, steps)
    runs = np.array([curve(torch.float32, steps, variant) for variant in range(variants)])
    spread = np.abs(runs - np.array(exact)).max(axis=0)
    return {"f64": exact, "spread": [[float(f"{v:.3g}") for v in row] for row in spread]}


def lines(golden):
    """JSON in lines that a difference can be read in."""
    return json.dumps(golden, separators=(",", ":")).replace('},"', '},\n"').replace("],[", "],\n[") + "\n"


def main():
    torch.set_num_threads(1)
    unet = lambda: Unet(5, 8)
    # Names of the plain sequences lack the attribute that holds them upstream.
    golden = {
        "format": FORMAT,
        "torch": torch.__version__,
        "regenerate": COMMAND,
        "seed": SEED,
        "cases": [
            case("unet_32 batch", unet, "", 0, (2, 3, 32, 32)),
            case("unet_32 running", unet, "", 0, (2, 3, 32, 32), training=False),
            case("patch 3", lambda: patch(3, 8), "model.", 200, (1, 6, 64, 64)),
            case("unet_32 bilinear affine", lambda: Unet(5, 8, norm=affine, upsample="bilinear"), "", 0, (2, 3, 64, 64)),
            case("encoder_decoder_32 nearest", lambda: Unet(5, 8, upsample="nearest", skips=False), "", 0, (2, 3, 64, 64)),
            case("patch 2 affine", lambda: patch(2, 8, inputs=3, norm=affine), "model.", 200, (2, 3, 32, 32)),
            case("pixel", lambda: pixel(8), "net.", 300, (2, 6, 16, 16)),
            case("resnet 2 instance", lambda: Resnet(2, 8, nn.InstanceNorm2d), "", 400, (2, 3, 24, 32)),
            case("resnet 1 zero batch", lambda: Resnet(1, 8, nn.BatchNorm2d, padding="zero"), "", 400, (2, 3, 16, 16)),
            case("resnet 1 replicate", lambda: Resnet(1, 8, nn.InstanceNorm2d, padding="replicate"), "", 400, (2, 3, 16, 24)),
        ],
        "curve": curves(),
    }
    pathlib.Path(__file__).with_name("nets.json").write_text(lines(golden))
    cycle_gan()


def cycle_gan():
    golden = {"torch": torch.__version__, "regenerate": COMMAND, "losses": CYCLE_LOSSES, **curves(10, 8, cycle_curve)}
    pathlib.Path(__file__).with_name("cycle_gan.json").write_text(lines(golden))


if __name__ == "__main__":
    main()
