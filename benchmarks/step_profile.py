"""Where a training step's time goes on one CPU core, at 64 pixels by default.

    python benchmarks/step_profile.py
    python benchmarks/step_profile.py r3gan-64 --set model.g_channels=32 --set model.d_channels=32

TensorFlow with one thread; milliseconds of processor time, the medians of several goes. The parts are compiled one by
one, so they do not add up to the step exactly. GFLOP/s counts the multiplications and additions of the convolutions and
dense layers as they are written, before any are joined with resampling. The peak is that of a matrix product in the
same precision.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import tomllib

import numpy as np

GOES, MATRIX = 15, 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="quick-64")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    options = parser.parse_args()

    import zoo
    from zoo import backend, networks  # before TensorFlow: it settles how TensorFlow computes

    import tensorflow as tf  # isort: skip

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    from zoo.networks.parts import inputs
    from zoo.step import noise, schedule
    from zoo.step.gan import GAN

    changes = dict(change.split("=", 1) for change in options.changes)
    recipe = zoo.load_recipe(
        options.recipe, {key: tomllib.loads(f"value = {n}")["value"] for key, n in changes.items()}
    )
    gan, size, rng = GAN(recipe), recipe.data.resolution, np.random.default_rng(0)
    images = rng.integers(256, size=(512, size, size, recipe.data.channels), dtype=np.uint8)
    engine, batches = backend.Engine(gan), noise.batches_of(recipe, images, None)
    batch = engine.transfer(noise.with_images(recipe, gan.generator, batches, 1))  # a step without a lazy penalty
    count, dtype = recipe.schedule.batch_size, gan.discriminator.compute_dtype
    latents = inputs.complete(gan.generator, inputs.draw_training(gan.generator, (count,), rng), 1.0)
    shown, judge = tf.constant(gan.scaled(batch["real"][:, 0])), gan.judge({})
    g_weights, d_weights = (
        [variable.value for variable in network.trainable_variables] for network in (gan.generator, gan.discriminator)
    )

    def generate():
        return networks.generate(gan.generator, latents, training=True)

    def gradient(output, of):
        with tf.GradientTape() as tape:
            tape.watch(of)
            loss = tf.reduce_mean(tf.cast(output(), "float32"))
        return tape.gradient(loss, of)

    matrix = tf.cast(rng.standard_normal((MATRIX, MATRIX)), dtype)
    g, d = (2e-9 * count * multiplications(network) for network in (gan.generator, gan.discriminator))
    parts = {  # and the work: gradients for weights and for inputs each cost as much as the way forward
        "one step": (lambda: engine.run(schedule.BOTH, batch), 4 * g + 8 * d),
        "G, forward": (tf.function(generate), g),
        "G, with gradients": (tf.function(lambda: gradient(generate, g_weights), autograph=False), 3 * g),
        "D, forward": (tf.function(lambda: judge(shown), autograph=False), d),
        "D, gradients of weights": (
            tf.function(lambda: gradient(lambda: judge(shown), d_weights), autograph=False),
            3 * d,
        ),
        "D, gradient of images": (tf.function(lambda: gradient(lambda: judge(shown), shown), autograph=False), 2 * d),
        "matrix product": (tf.function(lambda: tf.matmul(matrix, matrix), autograph=False), 2e-9 * MATRIX**3),
    }
    spent = {name: milliseconds(part) for name, (part, _) in parts.items()}
    peak = 1e3 * parts["matrix product"][1] / spent["matrix product"]
    print(f"{recipe.name}: batches of {count}, {dtype}, {1e3 * count / spent['one step']:.0f} images/s on one core")
    print(f"{'':26}{'ms':>8}{'GFLOP/s':>10}{'of peak':>10}")
    for name, (_, gflop) in parts.items():
        rate = 1e3 * gflop / spent[name]
        print(f"{name:26}{spent[name]:8.1f}{rate:10.0f}{rate / peak:10.0%}")


def multiplications(network) -> int:
    """Of the convolutions and dense layers, for one image."""
    total = 0
    for layer in network.layers:
        if hasattr(layer, "network"):  # frozen features
            total += multiplications(layer.network())
        if hasattr(layer, "kernel"):
            places = max(math.prod(shape[1:-1]) for shape in (tuple(layer.output.shape), _input_shape(layer)))
            total += places * math.prod(layer.kernel.shape)
    return total


def _input_shape(layer) -> tuple:
    first = layer.input[0] if isinstance(layer.input, list) else layer.input
    return tuple(first.shape)


def milliseconds(part) -> float:
    part(), part()  # compiles
    spent = []
    for _ in range(GOES):
        begun = time.process_time()
        part()
        spent.append(1e3 * (time.process_time() - begun))
    return statistics.median(spent)


if __name__ == "__main__":
    main()
