"""Training speed: real images per second at CIFAR-10 size, beside PyTorch on the same cores or of JAX alone.

    python benchmarks/training_throughput.py
    python benchmarks/training_throughput.py --network sngan --rounds 7 --torch-python ~/torch-env/bin/python
    python benchmarks/training_throughput.py --backend jax --network sngan

Ours is `zoo.GAN`, run by `zoo.backend.Engine` on what `zoo.training.loop.feed` yields: the loop of `ganzoo train`
without its files. The baseline of SNGAN and WGAN-GP is torch-mimicry, its networks and its own `train_step` methods
in the order of its Trainer: the same sizes, batch and D steps. The baseline of DCGAN is the plain channels-last
PyTorch loop below, over the same layers. Both take uint8 images from memory (random ones: the speed does not depend
on what they show).

Each side is a process that lives through the run and works only when told to; blocks of steps alternate, and each
pair of blocks gives a ratio. Needs `pip install ".[tensorflow]"`, and in this or another environment
`pip install torch torch-mimicry`; of torch-mimicry only the networks are imported, for which `--no-deps` is enough.

With `--backend jax` ours runs alone, on whatever device JAX has, and needs neither TensorFlow nor PyTorch. Its host
overhead is the share of the loop's time in which the device does not compute: the loop is compared with as many steps
on one batch that lies on the device, handed over one by one or all in one call, whichever is faster.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types
from dataclasses import dataclass

import numpy as np

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
IMAGES = 10_000  # kept in memory
MATRIX, LARGE_MATRIX = 2048, 8192  # the peak is that of products of square matrices of this size, on an accelerator
SETTLE_SECONDS = 0.5  # between blocks: idle worker threads spin for a while before they sleep
ALONE_SECONDS = 3.0  # about, of a block of JAX alone


@dataclass(frozen=True)
class Contest:
    baseline: str
    goal: float  # ratio of images per second
    steps: int  # in a block


CONTESTS = {
    "sngan": Contest("torch-mimicry", 2.0, 1),
    "wgan-gp": Contest("torch-mimicry", 2.0, 1),
    "dcgan": Contest("torch", 1.3, 20),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Real images per second in training, ours and a PyTorch baseline.")
    parser.add_argument("--network", nargs="+", choices=CONTESTS, default=list(CONTESTS))
    parser.add_argument("--backend", choices=["tensorflow", "jax"], default="tensorflow", help="jax: no baseline")
    parser.add_argument(
        "--steps",
        type=int,
        help=f"training steps in a block (default: one, for DCGAN 20; for JAX {ALONE_SECONDS:g} seconds' worth)",
    )
    parser.add_argument("--rounds", type=int, default=7, help="pairs of blocks (default: 7)")
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"], default="float32", help="of both")
    parser.add_argument("--torch-python", default=sys.executable, metavar="PATH", help="a Python that has torch")
    options = parser.parse_args()
    if options.rounds < 1 or (options.steps is not None and options.steps < 1):
        parser.error(f"--steps and --rounds must be at least 1. Received: {options.steps} and {options.rounds}")
    os.environ["KERAS_BACKEND"] = options.backend  # of the children: this process leaves the devices to them
    for network in options.network:
        (compare if options.backend == "tensorflow" else alone)(network, options)


def alone(network: str, options: argparse.Namespace) -> None:
    """Runs one network on JAX and prints the result."""
    from zoo import recipe

    values = recipe.load(f"{network}-cifar10", {"precision": options.precision, "schedule.images": 10**12}).to_dict()
    plan = values["schedule"]
    with Side("ours", sys.executable, values) as ours:
        g, d = ours.ask("parameters")
        ours.ask("train", 1)  # compiles
        steps = options.steps or max(1, round(ALONE_SECONDS / ours.ask("train", 1)))
        if not options.steps and steps > 1:  # the first steps after compiling may be slow
            steps = max(1, round(steps * ALONE_SECONDS / ours.ask("train", steps)))
        images = steps * plan["batch_size"] * plan["d_steps"]
        gflop = ours.ask("flops") / 1e9 * steps / images
        print(
            f"{network} on {ours.ask('device')}: generator {g:,} and discriminator {d:,} parameters, batches of "
            f"{plan['batch_size']}, {plan['d_steps']} D steps, {options.precision}, {steps} steps a block",
            flush=True,
        )
        rounds = [
            (
                ours.ask("train", steps),
                min(ours.ask("repeat", steps), ours.ask("fused", steps)),
                ours.ask("dispatch", steps),
                ours.ask("matrix_product"),
            )
            for _ in range(options.rounds)
        ]
    loop, device, dispatch, _ = map(statistics.median, zip(*rounds, strict=True))
    peak = max(product for *_, product in rounds)
    rate = images / loop
    print(
        f"  {rate:.1f} images/s (of {options.rounds} rounds: {images / max(r[0] for r in rounds):.1f} to "
        f"{images / min(r[0] for r in rounds):.1f}); {rate * gflop:.1f} GFLOP/s, {rate * gflop / peak:.0%} of the "
        f"{peak:.1f} of a matrix product; {gflop:.2f} GFLOP per real image, by XLA's count"
    )
    print(
        f"  host overhead: {max(0.0, 1 - device / loop):.1%} of the step; handing a step to the device takes "
        f"{dispatch / loop:.1%} of it",
        flush=True,
    )


def compare(network: str, options: argparse.Namespace) -> None:
    """Runs one network on both sides and prints the result."""
    from zoo import recipe

    values = recipe.load(f"{network}-cifar10", {"precision": options.precision}).to_dict()
    contest, plan = CONTESTS[network], values["schedule"]
    steps = options.steps or contest.steps
    images = steps * plan["batch_size"] * plan["d_steps"]
    with Side("ours", sys.executable, values) as ours, Side(contest.baseline, options.torch_python, values) as baseline:
        sizes = ours.ask("parameters")
        if sizes != (theirs := baseline.ask("parameters")):
            sys.exit(f"{network}: the networks differ in their parameters. Received: {sizes} and {theirs}")
        gflop = baseline.ask("flops") / 1e9 * steps / images
        print(
            f"{network}: generator {sizes[0]:,} and discriminator {sizes[1]:,} parameters, batches of "
            f"{plan['batch_size']}, {plan['d_steps']} D steps, {options.precision}, {CORES} cores",
            flush=True,
        )
        sides, rates, peak = (ours, baseline), [], 0.0
        for side in sides:
            side.ask("train", 1)  # compiles, allocates
            side.waited.clear()
        for number in range(options.rounds):
            a, b = (images / side.ask("train", steps) for side in sides)
            peak = max(peak, *(side.ask("matrix_product") for side in sides))
            rates.append((a, b))
            print(f"  round {number + 1}: ours {a:.1f}, {contest.baseline} {b:.1f} images/s", flush=True)
        waited = [pair for side in sides for pair in side.waited]

    print(f"  {'':16}{'images/s':>10}{'GFLOP/s':>10}{'of peak':>10}")
    for side, rate in zip(sides, map(statistics.median, zip(*rates, strict=True)), strict=True):
        print(f"  {side.name:16}{rate:10.1f}{rate * gflop:10.1f}{rate * gflop / peak:10.0%}")
    ratios = [a / b for a, b in rates]
    print(
        f"  ratio, pair by pair: min {min(ratios):.2f}, median {statistics.median(ratios):.2f}, "
        f"max {max(ratios):.2f} (goal {contest.goal})"
    )
    print(
        f"  {gflop:.2f} GFLOP per real image; matrix products peaked at {peak:.1f} GFLOP/s; the waiting process "
        f"used {sum(cpu for cpu, _ in waited) / sum(wall for _, wall in waited):.1%} of a core",
        flush=True,
    )


class Side:
    """A child process: sends it calls of its trainer's methods, one line of JSON each, and waits for the answers."""

    def __init__(self, name: str, python: str, recipe: dict) -> None:
        self.name = name
        self.waited = []  # (CPU seconds, seconds) between calls
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, open as long as the process lives
        self._process = subprocess.Popen(
            [python, __file__, "--serve", name, json.dumps(recipe)],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def ask(self, method: str, *arguments):
        time.sleep(SETTLE_SECONDS)
        try:
            print(json.dumps([method, *arguments]), file=self._process.stdin, flush=True)
            answer, waited = json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            self._errors.seek(0)
            sys.exit(f"{self._errors.read()}\nthe process of {self.name} failed, run by {self._process.args[0]}")
        self.waited.append(waited)
        return answer

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *error) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()


def serve(name: str, recipe: str) -> None:
    """The child's side of `Side`."""
    answers, sys.stdout = sys.stdout, sys.stderr
    trainer = TRAINERS[name](json.loads(recipe))
    cpu, wall = time.process_time(), time.monotonic()
    for line in sys.stdin:
        waited = time.process_time() - cpu, time.monotonic() - wall
        method, *arguments = json.loads(line)
        answer = getattr(trainer, method)(*arguments)
        cpu, wall = time.process_time(), time.monotonic()
        print(json.dumps([answer, waited]), file=answers, flush=True)


def random_images(data: dict) -> np.ndarray:
    """uint8 [IMAGES, H, W, C]."""
    shape = (IMAGES, data["resolution"], data["resolution"], data["channels"])
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)


def best_gflops(product, size: int = MATRIX) -> float:
    """GFLOP/s of the fastest of several products of two [size, size] matrices."""
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return 2e-9 * size**3 / min(seconds)


class Ours:
    def __init__(self, values: dict) -> None:
        from zoo import backend, recipe
        from zoo.backend import device
        from zoo.step import schedule
        from zoo.step.gan import GAN
        from zoo.training.loop import feed

        if device.precision(values["precision"]) != values["precision"]:
            raise ValueError(f"ours would compute in float32 on this machine. Received: {values['precision']!r}")
        self.gan = GAN(recipe.from_dict(values))
        self.engine, self.players, self.loops = backend.Engine(self.gan), schedule.BOTH, {}
        self.batches = feed(self.gan, types.SimpleNamespace(images=random_images(values["data"])), 0, self.engine)

    def parameters(self) -> list[int]:
        from zoo.training.estimate import parameters

        return [parameters(self.gan.generator), parameters(self.gan.discriminator)]

    def train(self, steps: int) -> float:
        """Seconds that so many training steps take."""
        start = time.perf_counter()
        for _, batch in itertools.islice(self.batches, steps):
            logs = self.engine.run(self.players, batch)
        if not all(np.isfinite(float(value)) for value in logs.values()):
            raise FloatingPointError(f"not finite: {logs}")
        return time.perf_counter() - start

    def repeat(self, steps: int) -> float:
        """Seconds that so many training steps take on one batch that is on the device already."""
        batch = next(self.batches)[1]
        start = time.perf_counter()
        for _ in range(steps):
            logs = self.engine.run(self.players, batch)
        float(logs["d_loss"])
        return time.perf_counter() - start

    def fused(self, steps: int) -> float:
        """Seconds of `repeat` in one call; JAX alone."""
        import jax

        step, batch = self.engine._functions[self.players], next(self.batches)[1]
        if steps not in self.loops:
            self.loops[steps] = (
                jax.jit(lambda state, batch: jax.lax.fori_loop(0, steps, lambda _, state: step(state, batch)[0], state))
                .lower(self.engine._state, batch)
                .compile()
            )
        start = time.perf_counter()
        self.engine._state = jax.block_until_ready(self.loops[steps](self.engine._state, batch))
        return time.perf_counter() - start

    def dispatch(self, steps: int) -> float:
        """Seconds of `repeat` in which the host hands over steps, each when the last one is done."""
        batch, seconds = next(self.batches)[1], 0.0
        for _ in range(steps):
            start = time.perf_counter()
            logs = self.engine.run(self.players, batch)
            seconds += time.perf_counter() - start
            float(logs["d_loss"])
        return seconds

    def flops(self) -> float:
        """FLOPs of one training step as it is written, before XLA optimises it, by XLA's count; JAX alone."""
        import jax

        step, arguments = self.engine._functions[self.players], (self.engine._state, next(self.batches)[1])
        shapes = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), arguments)
        with jax.default_device(jax.devices("cpu")[0]):  # only a CPU's client counts before it compiles
            return step.lower(*shapes).cost_analysis()["flops"]

    def device(self) -> str:
        import jax

        return jax.devices()[0].device_kind

    def matrix_product(self) -> float:
        import keras
        from keras import ops

        dtype = "float32" if self.gan.recipe.precision == "float32" else "bfloat16"
        size = LARGE_MATRIX if "cpu" not in keras.distribution.list_devices()[0].lower() else MATRIX
        matrix = ops.cast(keras.random.normal((size, size)), dtype)

        def product():
            result = ops.matmul(matrix, matrix)
            if hasattr(result, "block_until_ready"):  # JAX does not wait by itself
                result.block_until_ready()

        return best_gflops(product, size)


class TorchTrainer:
    """What the PyTorch baselines share; a subclass has `build() -> (g, d)` and `step()`, one training step."""

    def __init__(self, values: dict) -> None:
        import torch

        torch.set_num_threads(CORES)
        torch.manual_seed(0)
        self.model, self.loss, self.plan = values["model"], values["loss"], values["schedule"]
        self.bfloat16 = values["precision"] == "mixed_bfloat16"
        self.channels = values["data"]["channels"]
        self.images = torch.from_numpy(random_images(values["data"])).permute(0, 3, 1, 2)
        self.g, self.d = self.build()
        self.g_adam, self.d_adam = (
            torch.optim.Adam(
                network.parameters(),
                lr=adam["learning_rate"],
                betas=(adam["beta_1"], adam["beta_2"]),
                eps=adam["epsilon"],
                fused=True,
            )
            for network, adam in ((self.g, values["optimizer"]["g"]), (self.d, values["optimizer"]["d"]))
        )

    def real(self):
        """A batch of real images, float32 [N, C, H, W] in [-1, 1]."""
        import torch

        return self.images[torch.randint(IMAGES, (self.plan["batch_size"],))].float().div_(127.5).sub_(1.0)

    def parameters(self) -> list[int]:
        return [sum(parameter.numel() for parameter in network.parameters()) for network in (self.g, self.d)]

    def train(self, steps: int) -> float:
        """Seconds that so many training steps take."""
        import torch

        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            for _ in range(steps):
                self.step()
        return time.perf_counter() - start

    def flops(self) -> int:
        """FLOPs that one training step needs, two for a multiply-add, by `torch.utils.flop_counter`.

        Those of the baseline's unfused layers without gradients that no update uses, whatever either side in fact does:
        ours fuses convolutions with resampling and multiplies less, mimicry also computes D's gradients in G's step.
        """
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        size = self.plan["batch_size"]
        with torch.device("meta"):
            g, d = self.build()
            z, real = torch.empty(size, self.model["latent_dim"]), torch.empty(size, *self.images.shape[1:])
        with FlopCounterMode(display=False) as d_update:
            with torch.no_grad():
                fake = g(z)
            loss = d(real).sum() + d(fake).sum()
            if self.loss["gradient_penalty"]:
                mixed = real + torch.zeros_like(real, requires_grad=True)  # the counter wants no leaf here
                (gradient,) = torch.autograd.grad(d(mixed).sum(), mixed, create_graph=True)
                loss = loss + gradient.square().sum()
            loss.backward(inputs=list(d.parameters()))
        d.requires_grad_(False)
        with FlopCounterMode(display=False) as g_update:
            d(g(z)).sum().backward()
        return self.plan["d_steps"] * d_update.get_total_flops() + self.plan["g_steps"] * g_update.get_total_flops()

    def matrix_product(self) -> float:
        import torch

        matrix = torch.randn(MATRIX, MATRIX).to(torch.bfloat16 if self.bfloat16 else torch.float32)
        return best_gflops(lambda: matrix @ matrix)


class Mimicry(TorchTrainer):
    """torch-mimicry 0.1.16: https://github.com/kwotsin/mimicry"""

    def build(self):
        import_without_init("torch_mimicry")  # it imports TensorFlow and torchvision, for metrics and data sets
        import_without_init("torch_mimicry.training")  # TensorBoard
        from torch_mimicry.nets import sngan, wgan_gp

        generator, discriminator = {
            "sngan": (sngan.SNGANGenerator32, sngan.SNGANDiscriminator32),
            "wgan-gp": (wgan_gp.WGANGPGenerator32, wgan_gp.WGANGPDiscriminator32),
        }[self.model["network"]]
        return (
            generator(nz=self.model["latent_dim"], ngf=self.model["g_channels"]),
            discriminator(ndf=self.model["d_channels"]),
        )

    def step(self) -> None:
        """One turn of the loop in torch_mimicry/training/trainer.py."""
        from torch_mimicry.training.metric_log import MetricLog

        log = MetricLog()
        for _ in range(self.plan["d_steps"]):
            batch = self.real(), None  # the labels, which its unconditional networks ignore
            log = self.d.train_step(real_batch=batch, netG=self.g, optD=self.d_adam, log_data=log)
        self.g.train_step(real_batch=batch, netD=self.d, optG=self.g_adam, log_data=log)


def import_without_init(name: str) -> None:
    """Makes the modules in an installed package importable without running its __init__.py."""
    if name not in sys.modules:
        spec = importlib.util.find_spec(name)
        if spec is None:
            sys.exit(f"{name} is not installed: pip install torch-mimicry")
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = spec.submodule_search_locations


class PlainDCGAN(TorchTrainer):
    """The layers, losses and draws of the recipe dcgan-cifar10, channels last; without the average of the weights."""

    def build(self):
        import torch
        from torch import nn

        z, g, d = (self.model[name] for name in ("latent_dim", "g_channels", "d_channels"))

        def norm_relu(width, slope):
            return nn.BatchNorm2d(width), nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)

        class ChannelsLast(nn.Module):
            def forward(self, x):
                return x.view(len(x), 4, 4, 4 * g).permute(0, 3, 1, 2)

        generator = nn.Sequential(
            nn.Linear(z, 4 * 4 * 4 * g, bias=False),
            ChannelsLast(),
            *norm_relu(4 * g, 0),
            nn.ConvTranspose2d(4 * g, 2 * g, 4, 2, 1, bias=False),
            *norm_relu(2 * g, 0),
            nn.ConvTranspose2d(2 * g, g, 4, 2, 1, bias=False),
            *norm_relu(g, 0),
            nn.ConvTranspose2d(g, self.channels, 4, 2, 1),
            nn.Tanh(),
        )
        discriminator = nn.Sequential(
            nn.Conv2d(self.channels, d, 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(d, 2 * d, 4, 2, 1, bias=False),
            *norm_relu(2 * d, 0.2),
            nn.Conv2d(2 * d, 4 * d, 4, 2, 1, bias=False),
            *norm_relu(4 * d, 0.2),
            nn.Flatten(),
            nn.Linear(4 * 4 * 4 * d, 1),
        )
        return [network.to(memory_format=torch.channels_last) for network in (generator, discriminator)]

    def step(self) -> None:
        import torch
        from torch.nn.functional import softplus

        size = self.plan["batch_size"]
        for _ in range(self.plan["d_steps"]):
            with torch.no_grad():
                fake = self.g(torch.randn(size, self.model["latent_dim"]))
            real = self.real().contiguous(memory_format=torch.channels_last)
            self.d_adam.zero_grad(set_to_none=True)
            loss = softplus(-self.d(real).float()).mean() + softplus(self.d(fake).float()).mean()
            loss.backward()
            self.d_adam.step()

        self.d.requires_grad_(False)
        self.g_adam.zero_grad(set_to_none=True)
        softplus(-self.d(self.g(torch.randn(size, self.model["latent_dim"]))).float()).mean().backward()
        self.g_adam.step()
        self.d.requires_grad_(True)


TRAINERS = {"ours": Ours, "torch-mimicry": Mimicry, "torch": PlainDCGAN}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
