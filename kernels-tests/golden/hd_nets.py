"""pix2pixHD's networks for make_hd_golden.py, written from its description, with the names of NVIDIA's and torchvision's files."""

from torch import nn


def half(before, own):
    return [nn.Conv2d(before, own, 3, 2, 1), nn.InstanceNorm2d(own), nn.ReLU()]


def double(before, own):
    return [nn.ConvTranspose2d(before, own, 3, 2, 1, 1), nn.InstanceNorm2d(own), nn.ReLU()]


def first(inputs, ngf):
    return [nn.ReflectionPad2d(3), nn.Conv2d(inputs, ngf, 7), nn.InstanceNorm2d(ngf), nn.ReLU()]


def last(ngf, outputs):
    return [nn.ReflectionPad2d(3), nn.Conv2d(ngf, outputs, 7), nn.Tanh()]


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        part = lambda: [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        self.conv_block = nn.Sequential(*part(), nn.ReLU(), *part())

    def forward(self, x):
        return x + self.conv_block(x)


def trunk(inputs, ngf, halvings, blocks):
    """The global generator up to its last ReLU; the encoder without blocks."""
    width = [ngf << n for n in range(halvings + 1)]
    parts = first(inputs, ngf)
    for n in range(halvings):
        parts += half(width[n], width[n + 1])
    parts += [Block(width[-1]) for _ in range(blocks)]
    for n in reversed(range(halvings)):
        parts += double(width[n + 1], width[n])
    return parts


class Global(nn.Module):
    def __init__(self, inputs, outputs, ngf, halvings, blocks):
        super().__init__()
        self.model = nn.Sequential(*trunk(inputs, ngf, halvings, blocks), *last(ngf, outputs))

    def forward(self, x):
        return self.model(x)


def smaller(x):
    return nn.functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)


class Local(nn.Module):
    def __init__(self, inputs, outputs, ngf, halvings, blocks, enhancers, local_blocks):
        super().__init__()
        self.enhancers = enhancers
        self.model = nn.Sequential(*trunk(inputs, ngf << enhancers, halvings, blocks))
        for n in range(1, enhancers + 1):
            own = ngf << (enhancers - n)
            down = first(inputs, own) + half(own, 2 * own)
            up = [Block(2 * own) for _ in range(local_blocks)] + double(2 * own, own)
            if n == enhancers:
                up += last(own, outputs)
            setattr(self, f"model{n}_1", nn.Sequential(*down))
            setattr(self, f"model{n}_2", nn.Sequential(*up))

    def forward(self, x):
        sizes = [x]
        for _ in range(self.enhancers):
            sizes.append(smaller(sizes[-1]))
        inside = self.model(sizes.pop())
        for n in range(1, self.enhancers + 1):
            down, up = (getattr(self, f"model{n}_{half}") for half in (1, 2))
            inside = up(down(sizes.pop()) + inside)
        return inside

    def outermost(self):
        """Parameters that the frozen phase trains."""
        return [p for name, p in self.named_parameters() if name.startswith(f"model{self.enhancers}_")]


class Discriminators(nn.Module):
    """Several scales; the finest one has the highest number. `staged`: features are compared, and names are those of that case."""

    def __init__(self, inputs, ndf, n_layers, scales, staged):
        super().__init__()
        self.scales, self.layers, self.staged = scales, n_layers + 2, staged
        act = nn.LeakyReLU(0.2)
        for scale in range(scales):
            stages, before = [[nn.Conv2d(inputs, ndf, 4, 2, 2), act]], ndf
            for layer in range(1, n_layers + 1):
                own, stride = min(2 * before, 512), 2 if layer < n_layers else 1
                stages.append([nn.Conv2d(before, own, 4, stride, 2), nn.InstanceNorm2d(own), act])
                before = own
            stages.append([nn.Conv2d(before, 1, 4, 1, 2)])
            if staged:
                for layer, parts in enumerate(stages):
                    setattr(self, f"scale{scale}_layer{layer}", nn.Sequential(*parts))
            else:
                setattr(self, f"layer{scale}", nn.Sequential(*sum(stages, [])))

    def forward(self, x):
        """Of each scale, the finest first, the outputs of all stages (of the last alone, if they are not compared)."""
        judged = []
        for scale in reversed(range(self.scales)):
            h, outputs = x, []
            if self.staged:
                for layer in range(self.layers):
                    h = getattr(self, f"scale{scale}_layer{layer}")(h)
                    outputs.append(h)
            else:
                outputs.append(getattr(self, f"layer{scale}")(h))
            judged.append(outputs)
            x = smaller(x)
        return judged


class Vgg(nn.Module):
    """torchvision's vgg19 up to relu5_1, with other widths."""

    TAPS = [1, 6, 11, 20, 29]
    WEIGHTS = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1]

    def __init__(self, channels):
        super().__init__()
        parts, before = [], 3
        for count, own in zip((2, 2, 4, 4, 1), channels):
            for _ in range(count):
                parts += [nn.Conv2d(before, own, 3, padding=1), nn.ReLU()]
                before = own
            parts.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*parts[:-1])

    def forward(self, x):
        found = []
        for at, part in enumerate(self.features):
            x = part(x)
            if at in self.TAPS:
                found.append(x)
        return found
