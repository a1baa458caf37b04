"""Writes pix2pix_hd.json and weights/hd.pth: what PyTorch computes for pix2pixHD's training steps, for `cargo test --test pix2pix_hd`.

    python3 kernels-tests/golden/make_hd_golden.py        # needs torch and numpy; a CPU will do, it takes a minute

Losses and the order of work are written here from pix2pixHD's description, its networks in hd_nets.py. Weights, maps and images are
drawn as in make_golden.py. Each step runs in f64, which gives the values, and in f32 with differently rounded weights, which
gives the tolerance. The f64 gradients themselves are held against central differences of the f64 losses: `differences` is the largest
relative one of a case, and this script fails above 1e-5.
"""

import pathlib

import numpy as np
import torch
from torch import nn

from hd_nets import Discriminators, Global, Local, Vgg
from make_golden import Pool, draw, lines, nudge, summary, words

COMMAND = "python3 kernels-tests/golden/make_hd_golden.py"
# Streams of the networks' parameters, of images, maps of labels and instances, and features that are given.
STREAMS = {"G": 0, "D": 200, "E": 400, "VGG": 600}
# Of an earlier run's.
EARLIER = {"G": 3000, "D": 3200}
IMAGES, LABELS, INSTANCES, FEATURES = 1000, 1100, 1200, 1300
# Instances are numbered as Cityscapes numbers them, and otherwise.
IDS = [0, 1, 7, 255, 256, 24000, 26001, 65535]
VARIANTS = 4

torch.set_num_threads(1)


def fill(net, stream):
    """Gives parameter number k of the sorted names the stream `stream` + k. VGG has no norms: its weights keep the size of what passes."""
    vgg = isinstance(net, Vgg)
    with torch.no_grad():
        for k, (name, value) in enumerate(sorted(net.state_dict().items())):
            scale = 0.25 if name.endswith("bias") else 0.0625
            if vgg and value.dim() == 4:
                scale = 2.0 ** round(np.log2(np.sqrt(24 / value[0].numel())))
            value.copy_(draw(value.shape, stream + k, scale))


def blocks(stream, number, size, side, channels=1):
    """Blocks of side x side pixels, each of one word: [h, w, channels]."""
    w, h = size
    across, down = -(-w // side), -(-h // side)
    drawn = words(across * down * channels, stream + number).reshape(down, across, channels)
    return drawn.repeat(side, axis=0).repeat(side, axis=1)[:h, :w]


def image(stream, number, size, channels=3):
    return torch.from_numpy((blocks(stream, number, size, 8, channels) >> np.uint32(24)).astype(np.float64)).permute(2, 0, 1) / 255 * 2 - 1


def edges(ids):
    """[n, 1, h, w]: where an instance ends."""
    found = torch.zeros(ids.shape, dtype=torch.bool)
    for axis in (2, 3):
        size = ids.shape[axis]
        differ = ids.narrow(axis, 1, size - 1) != ids.narrow(axis, 0, size - 1)
        found.narrow(axis, 1, size - 1).logical_or_(differ)
        found.narrow(axis, 0, size - 1).logical_or_(differ)
    return found


def instance_mean(features, ids):
    """Of each sample and instance the mean of each channel, at all its pixels."""
    out = torch.empty_like(features)
    for n in range(len(features)):
        for one in ids[n, 0].unique():
            own = ids[n, 0] == one
            out[n, :, own] = features[n, :, own].mean(1, keepdim=True)
    return out


class Step:
    """A training of a configuration in one precision, and its losses step by step."""

    DEFAULTS = dict(
        size=(48, 32), batch=1, labels=5, edges=True, features=None, ngf=8, halvings=2, blocks=1, enhancers=0, local_blocks=1,
        ndf=8, n_layers=3, scales=2, lsgan=True, matching=True, vgg=None, pool=0, earlier=None,
    )

    def __init__(self, dtype, variant=0, **config):
        self.dtype = dtype
        self.__dict__.update(self.DEFAULTS | config)
        condition = (self.labels or 3) + self.edges
        inputs = condition + {None: 0}.get(self.features, 3)
        make = lambda **more: self.generator(inputs, **(dict(ngf=self.ngf, enhancers=self.enhancers) | more))
        judges = lambda scales: Discriminators(condition + 3, self.ndf, self.n_layers, scales, self.matching)
        self.nets = {"G": make(), "D": judges(self.scales)}
        if self.features in ("instances", "labels"):
            self.nets["E"] = Global(3, 3, 4, 2, 0)
        if self.vgg:
            self.nets["VGG"] = Vgg(self.vgg)
        for name, net in self.nets.items():
            fill(net, STREAMS[name])
        if self.earlier:
            # A global generator of the trunk's width, and discriminators of fewer scales.
            for name, net in (("G", make(ngf=self.ngf << self.enhancers, enhancers=0)), ("D", judges(self.earlier))):
                fill(net, EARLIER[name])
                own = self.nets[name].state_dict()
                own.update((k, v) for k, v in net.state_dict().items() if k in own and v.shape == own[k].shape)
                self.nets[name].load_state_dict(own)
        for k, net in enumerate(self.nets.values()):
            if variant:
                nudge(net, 8000 * variant + 2000 * k)
            net.to(dtype)
        self.queue = Pool(self.pool, 0, 1)

    def generator(self, inputs, ngf, enhancers):
        if enhancers:
            return Local(inputs, 3, ngf, self.halvings, self.blocks, enhancers, self.local_blocks)
        return Global(inputs, 3, ngf, self.halvings, self.blocks)

    def planes(self, number):
        """Planes of a batch: the condition of both networks, the map that features are averaged over, given features, the image."""
        many = range(number * self.batch, (number + 1) * self.batch)
        labels = np.stack([blocks(LABELS, n, self.size, 5)[None, :, :, 0] for n in many]).astype(np.int64)
        # All samples of a batch have the same instances' numbers, at other places.
        ids = np.stack([blocks(INSTANCES, n, self.size, 7)[None, :, :, 0] for n in many])
        ids = torch.from_numpy(np.array(IDS)[ids >> np.uint32(29)])
        parts = [torch.stack([image(LABELS, n, self.size) for n in many]).to(self.dtype)]
        if self.labels:
            labels = torch.from_numpy(labels * self.labels >> 32)
            parts = [torch.zeros(len(labels), self.labels, *labels.shape[2:], dtype=self.dtype).scatter_(1, labels, 1.0)]
        if self.edges:
            parts.append(edges(ids).to(self.dtype))
        given = torch.stack([image(FEATURES, n, self.size) for n in many]).to(self.dtype)
        real = torch.stack([image(IMAGES, n, self.size) for n in many]).to(self.dtype)
        return torch.cat(parts, 1), {"instances": ids, "labels": labels}, given, real

    def judge(self, judged, real):
        loss = nn.functional.mse_loss if self.lsgan else nn.functional.binary_cross_entropy_with_logits
        return sum(loss(stages[-1], torch.full_like(stages[-1], float(real))) for stages in judged)

    def forward(self, number):
        """The losses of a batch, all before any update."""
        condition, maps, given, real = self.planes(number)
        g, d = self.nets["G"], self.nets["D"]
        parts = [condition]
        if self.features == "given":
            parts.append(given)
        elif self.features:
            parts.append(instance_mean(self.nets["E"](real), maps[self.features]))
        fake = g(torch.cat(parts, 1))
        pair = lambda image: torch.cat([condition, image], 1)
        seen = pair(fake.detach())
        if self.pool:
            seen = torch.cat([self.queue(one[None]) for one in seen])
        losses = {"D_fake": self.judge(d(seen), False)}
        of_real, of_fake = d(pair(real)), d(pair(fake))
        losses["D_real"] = self.judge(of_real, True)
        losses["G_GAN"] = self.judge(of_fake, True)
        l1 = nn.functional.l1_loss
        if self.matching:
            weight = 10 * 4 / (self.n_layers + 1) / self.scales
            stages = [(a, b.detach()) for ours, theirs in zip(of_fake, of_real) for a, b in zip(ours[:-1], theirs[:-1])]
            losses["G_GAN_Feat"] = weight * sum(l1(a, b) for a, b in stages)
        if self.vgg:
            found = zip(Vgg.WEIGHTS, self.nets["VGG"](fake), self.nets["VGG"](real))
            losses["G_VGG"] = 10 * sum(w * l1(a, b.detach()) for w, a, b in found)
        return losses

    def totals(self, losses):
        """What the generator (with the encoder) and the discriminators minimise."""
        g = sum(losses[name] for name in ("G_GAN", "G_GAN_Feat", "G_VGG") if name in losses)
        return g, 0.5 * (losses["D_fake"] + losses["D_real"])

    def parameters(self, *names):
        return [(f"{name}.{key}", p) for name in names if name in self.nets for key, p in self.nets[name].named_parameters()]

    def gradients(self, number=0):
        losses = self.forward(number)
        found = {}
        for total, names in zip(self.totals(losses), (("G", "E"), ("D",))):
            own = self.parameters(*names)
            found |= zip((key for key, _ in own), torch.autograd.grad(total, [p for _, p in own], retain_graph=True))
        return losses, found

    def differences(self, gradients):
        """The largest relative difference between derivatives and central differences, at the two largest derivatives of each tensor.

        A derivative whose tensor has nothing but rounding (a bias before a norm) has no relative difference."""
        worst = 0.0
        whole = {net: max(g.abs().max().item() for key, g in gradients.items() if key[0] == net) for net in "GDE" if net in self.nets}
        with torch.no_grad():
            for side, names in enumerate((("G", "E"), ("D",))):
                for key, p in self.parameters(*names):
                    flat, by = p.view(-1), gradients[key].view(-1)
                    if by.abs().max() < 1e-9 * whole[key[0]]:
                        continue
                    for at in by.abs().topk(min(2, len(by))).indices.tolist():
                        value, found = flat[at].item(), []
                        # The smaller step is nearer to a kink, the larger one to rounding: one of them is right.
                        for h in (1e-5, 1e-6, 1e-7):
                            total = []
                            for sign in (1, -1):
                                flat[at] = value + sign * h
                                total.append(self.totals(self.forward(0))[side].item())
                            found.append((total[0] - total[1]) / (2 * h))
                        flat[at] = value
                        worst = max(worst, min(abs(d - by[at].item()) for d in found) / abs(by[at].item()))
        return worst


def case(name, **config):
    exact = Step(torch.float64, **config)
    losses, gradients = exact.gradients()
    runs = [Step(torch.float32, variant, **config).gradients() for variant in range(VARIANTS)]
    off = {key: max(abs(run[0][key].item() - loss.item()) for run in runs) for key, loss in losses.items()}
    differences = exact.differences(gradients)
    print(f"{name:20} largest relative difference from central differences {differences:.1e}", flush=True)
    assert differences < 1e-5, name

    def measured(key, gradient):
        of = [summary(gradient, run[1][key], 8) for run in runs]
        return of[0] | {kind: max(one[kind] for one in of) for kind in ("error", "worst")}

    return {
        "name": name,
        "differences": float(f"{differences:.2g}"),
        "losses": {key: [float(f"{loss.item():.12g}"), float(f"{off[key]:.3g}")] for key, loss in losses.items()},
        "gradients": {key: measured(key, gradient) for key, gradient in gradients.items()},
    }


LOSSES = ["G_GAN", "G_GAN_Feat", "D_real", "D_fake"]
RATE = 1e-4


def curve(dtype, steps, variant=0, fixed=0, **config):
    """Losses of the first steps; in the first `fixed` of them the outermost enhancer (and the encoder) is trained alone, then a new Adam all of G."""
    run = Step(dtype, variant, **config)
    adam = lambda parameters: torch.optim.Adam(parameters, lr=RATE, betas=(0.5, 0.999))
    g, d = run.nets["G"], adam(run.nets["D"].parameters())
    encoder = list(run.nets["E"].parameters()) if "E" in run.nets else []
    generators = adam((g.outermost() if fixed else list(g.parameters())) + encoder)
    rows = []
    for step in range(steps):
        if step == fixed and fixed:
            generators = adam(list(g.parameters()) + encoder)
        losses = run.forward(step % 4)
        of_g, of_d = run.totals(losses)
        # Each network learns from its own losses alone.
        for total, optimizer in ((of_g, generators), (of_d, d)):
            optimizer.zero_grad()
            own = [p for group in optimizer.param_groups for p in group["params"]]
            total.backward(retain_graph=True, inputs=own)
        generators.step()
        d.step()
        rows.append([losses[name].item() for name in LOSSES])
    return rows


def curves(steps, **config):
    """The f64 run, and how far f32 runs that differ in nothing but rounding get from it: see make_golden.py."""
    exact = curve(torch.float64, steps, **config)
    runs = np.array([curve(torch.float32, steps, variant, **config) for variant in range(8)])
    spread = np.abs(runs - np.array(exact)).max(axis=0)
    return {
        "f64": [[float(f"{v:.10g}") for v in row] for row in exact],
        "spread": [[float(f"{v:.3g}") for v in row] for row in spread],
    }


def main():
    eighth = [8, 16, 32, 64, 64]
    local = dict(ngf=4, enhancers=1)
    cases = [
        case("labels and edges"),
        case("vgg", size=(64, 32), batch=2, scales=3, vgg=eighth),
        case("vanilla", lsgan=False),
        case("images", labels=0, edges=False, matching=False, size=(40, 24)),
        case("portrait", size=(32, 48), edges=False, scales=1, n_layers=2),
        case("one enhancer", **local),
        case("two enhancers", size=(64, 48), ngf=2, enhancers=2, halvings=2),
        case("instance features", features="instances", batch=2),
        case("label features", features="labels", edges=False),
        case("given features", features="given", **local),
    ]
    golden = {
        "torch": torch.__version__,
        "regenerate": COMMAND,
        "losses": LOSSES,
        "cases": cases,
        # A pool that is full from the third step on, and features whose encoder is trained in the frozen phase too.
        "frozen": curves(8, fixed=4, features="instances", pool=2, **local),
        # From a global generator and two scales to an enhancer and three.
        "earlier": curves(4, fixed=2, earlier=2, scales=3, size=(64, 32), **local),
    }
    here = pathlib.Path(__file__)
    here.with_name("pix2pix_hd.json").write_text(lines(golden))
    # The generator of the runs in kernels-tests/labels.
    tiny = Global(5, 3, 4, 1, 1)
    fill(tiny, EARLIER["G"])
    torch.save(tiny.state_dict(), here.with_name("weights") / "hd.pth")


if __name__ == "__main__":
    main()
