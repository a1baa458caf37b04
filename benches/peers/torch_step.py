#!/usr/bin/env python3
"""The time of a training step of pix2pix or CycleGAN in PyTorch (eager), as one line of JSON."""

import argparse
import contextlib
import itertools
import json
import random
import sys
import time

# As burn-step and `pixtape bench step`: warm-up, fewest and most measured steps.
WARM_UP, FEWEST, MOST, PATIENCE = 2, 3, 100, 5.0
LR, BETAS, LAMBDA_L1 = 2e-4, (0.5, 0.999), 100.0


def fail(message):
    print(f"torch_step.py: {message}", file=sys.stderr)
    sys.exit(1)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["pix2pix", "cycle_gan"], default="pix2pix", help="cycle_gan: resnet_9blocks, identity terms, pools of 50")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["f32", "tf32", "amp"], default="f32", help="tf32 and amp (float16) need cuda")
    parser.add_argument("--size", type=int, default=128, choices=[64, 128, 256, 512])
    parser.add_argument("--ngf", type=int, default=32)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds to measure for, at most")
    args = parser.parse_args()
    if args.ngf < 1 or args.batch < 1 or not args.seconds > 0:
        fail("--ngf, --batch and --seconds: numbers above 0 are wanted")
    if args.device == "cpu" and args.precision != "f32":
        fail(f"--precision {args.precision}: needs --device cuda")
    return args


args = arguments()
try:
    import torch
    from torch import nn
except ImportError as error:
    fail(f"PyTorch cannot be loaded ({error}); install it with: pip install torch")
import torch.nn.functional as F


class Level(nn.Module):
    """One halving of the U-Net, what lies inside it, and the doubling; `inner` is None for the innermost."""

    def __init__(self, outer, own, inner, outermost, dropout):
        super().__init__()
        innermost = inner is None
        down = nn.Conv2d(outer, own, 4, 2, 1, bias=False)
        up = nn.ConvTranspose2d(own if innermost else 2 * own, outer, 4, 2, 1, bias=outermost)
        layers = [] if outermost else [nn.LeakyReLU(0.2, True)]
        layers.append(down)
        if not outermost and not innermost:
            layers.append(nn.BatchNorm2d(own))
        if not innermost:
            layers.append(inner)
        layers += [nn.ReLU(True), up, nn.Tanh() if outermost else nn.BatchNorm2d(outer)]
        if dropout:
            layers.append(nn.Dropout(0.5))
        self.outermost, self.model = outermost, nn.Sequential(*layers)

    def forward(self, x):
        # The skip is activated in place by the first layer, as upstream does it.
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


def generator(ngf, depth):
    channels = [3] + [ngf << min(level, 3) for level in range(depth)]
    inner = None
    for level in reversed(range(depth)):
        inner = Level(channels[level], channels[level + 1], inner, level == 0, 4 <= level < depth - 1)
    return inner


class Block(nn.Module):
    """A residual block."""

    def __init__(self, channels):
        super().__init__()
        layer = lambda: [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
        self.model = nn.Sequential(*layer(), nn.ReLU(True), *layer())

    def forward(self, x):
        return x + self.model(x)


def resnet(ngf, blocks=9):
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, ngf, 7), nn.InstanceNorm2d(ngf), nn.ReLU(True)]
    for times in (1, 2):
        layers += [nn.Conv2d(times * ngf, 2 * times * ngf, 3, 2, 1), nn.InstanceNorm2d(2 * times * ngf), nn.ReLU(True)]
    layers += [Block(4 * ngf) for _ in range(blocks)]
    for times in (4, 2):
        layers += [nn.ConvTranspose2d(times * ngf, times * ngf // 2, 3, 2, 1, 1), nn.InstanceNorm2d(times * ngf // 2), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, 7), nn.Tanh())


def discriminator(ndf, channels=6, norm=nn.BatchNorm2d):
    layers = [nn.Conv2d(channels, ndf, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for before, after, stride in [(1, 2, 2), (2, 4, 2), (4, 8, 1)]:
        layers += [nn.Conv2d(before * ndf, after * ndf, 4, stride, 1, bias=norm is nn.InstanceNorm2d), norm(after * ndf), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * ndf, 1, 4, 1, 1))


def initialise(net):
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
    return net


def bce(logits, real):
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits) if real else torch.zeros_like(logits))


class Trainer:
    def __init__(self, device, precision):
        self.device = device
        self.g = initialise(generator(args.ngf, args.size.bit_length() - 1)).to(device)
        self.d = initialise(discriminator(args.ngf)).to(device)
        self.adam_g, self.adam_d = (torch.optim.Adam(net.parameters(), lr=LR, betas=BETAS) for net in (self.g, self.d))
        self.amp = precision == "amp"
        self.scalers = [torch.amp.GradScaler(device, enabled=self.amp) for _ in range(2)] if self.amp else None

    def cast(self):
        return torch.autocast(self.device, dtype=torch.float16) if self.amp else contextlib.nullcontext()

    def update(self, loss, adam, index):
        adam.zero_grad(set_to_none=True)
        if self.amp:
            scaler = self.scalers[index]
            scaler.scale(loss).backward()
            scaler.step(adam)
            scaler.update()
        else:
            loss.backward()
            adam.step()

    def step(self, a, b):
        """One step in the reference's order; the losses once the device is done."""
        with self.cast():
            fake = self.g(a)
            # Two batches: one would mix the statistics of the norms.
            d_fake = bce(self.d(torch.cat([a, fake.detach()], 1)), False)
            d_real = bce(self.d(torch.cat([a, b], 1)), True)
            loss = 0.5 * (d_fake + d_real)
        self.update(loss, self.adam_d, 1)
        self.d.requires_grad_(False)
        with self.cast():
            g_gan = bce(self.d(torch.cat([a, fake], 1)), True)
            g_l1 = LAMBDA_L1 * F.l1_loss(fake, b)
            loss = g_gan + g_l1
        self.update(loss, self.adam_g, 0)
        self.d.requires_grad_(True)
        if self.device == "cuda":
            torch.cuda.synchronize()
        return [loss.item() for loss in (g_gan, g_l1, d_real, d_fake)]


class CycleTrainer:
    """CycleGAN's step in the reference's order; no mixed precision."""

    def __init__(self, device, precision):
        if precision == "amp":
            fail("--precision amp: not with --model cycle_gan")
        self.device = device
        self.gs = [initialise(resnet(args.ngf)).to(device) for _ in range(2)]
        self.ds = [initialise(discriminator(args.ngf, 3, nn.InstanceNorm2d)).to(device) for _ in range(2)]
        self.adam_g, self.adam_d = (torch.optim.Adam(self.parameters(nets), lr=LR, betas=BETAS) for nets in (self.gs, self.ds))
        self.pools = [[], []]

    def parameters(self, nets):
        return itertools.chain(*(net.parameters() for net in nets))

    def pooled(self, pool, fake):
        if len(pool) < 50:
            pool.append(fake)
        elif random.random() < 0.5:
            at = random.randrange(len(pool))
            fake, pool[at] = pool[at], fake
        return fake

    def step(self, *real):
        square = lambda logits, target: F.mse_loss(logits, torch.full_like(logits, target))
        fake = [self.gs[side](real[side]) for side in range(2)]
        rec = [self.gs[1 - side](fake[side]) for side in range(2)]
        for d in self.ds:
            d.requires_grad_(False)
        terms = []
        for side in range(2):
            terms.append(5.0 * F.l1_loss(self.gs[side](real[1 - side]), real[1 - side]))
            terms.append(square(self.ds[side](fake[side]), 1.0))
            terms.append(10.0 * F.l1_loss(rec[side], real[side]))
        self.adam_g.zero_grad(set_to_none=True)
        sum(terms).backward()
        self.adam_g.step()
        for d in self.ds:
            d.requires_grad_(True)
        self.adam_d.zero_grad(set_to_none=True)
        for side in range(2):
            seen = self.pooled(self.pools[side], fake[side].detach())
            loss = 0.5 * (square(self.ds[side](real[1 - side]), 1.0) + square(self.ds[side](seen), 0.0))
            loss.backward()
            terms.append(loss)
        self.adam_d.step()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return [loss.item() for loss in terms]


def main():
    cuda = args.device == "cuda"
    if cuda:
        if not torch.cuda.is_available():
            fail("--device cuda: PyTorch sees no CUDA device here")
        torch.backends.cudnn.benchmark = True
        # cuDNN's TF32 is on by default, so f32 must switch it off.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.precision == "tf32"
    torch.manual_seed(0)
    started = time.perf_counter()
    cycle = args.model == "cycle_gan"
    trainer = (CycleTrainer if cycle else Trainer)(args.device, args.precision)
    pictures = [torch.rand(args.batch, 3, args.size, args.size) * 2 - 1 for _ in range(2)]
    if cuda:
        pictures = [picture.pin_memory() for picture in pictures]
        torch.cuda.synchronize()
    setup = time.perf_counter() - started

    def step():
        start = time.perf_counter()
        # The pictures go up every time, as they do in a training.
        losses = trainer.step(*[picture.to(args.device, non_blocking=True) for picture in pictures])
        return time.perf_counter() - start, losses

    first, losses = step()
    for _ in range(1, WARM_UP):
        step()
    times, begun = [], time.perf_counter()

    def within(factor):
        return time.perf_counter() - begun < factor * args.seconds

    while not times or (len(times) < FEWEST and within(PATIENCE)) or (len(times) < MOST and within(1.0)):
        times.append(step()[0])
    times.sort()
    of = lambda nets: sum(p.numel() for net in nets for p in net.parameters())
    counts = [of(trainer.gs), of(trainer.ds)] if cycle else [of([trainer.g]), of([trainer.d])]
    print(json.dumps({
        "tool": "torch", "model": args.model, "version": torch.__version__, "size": args.size, "ngf": args.ngf, "batch": args.batch,
        "precision": args.precision, "steps": len(times),
        "ms_median": round(1e3 * times[len(times) // 2], 3), "ms_min": round(1e3 * times[0], 3),
        "setup_s": round(setup, 3), "first_step_s": round(first, 3),
        "parameters": sum(counts), "parameters_g": counts[0], "parameters_d": counts[1], "first_losses": losses,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "driver": f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}" if cuda else f"{torch.get_num_threads()} threads",
        "threads": torch.get_num_threads(),
        "cuda_peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
    }))


main()
