import functools
import math
from statistics import NormalDist
from typing import get_args, get_type_hints

import keras
import numpy as np
import pytest
from keras import ops

from zoo.recipe.ranges import COMMON
from zoo.recipe.recipe import Augment
from zoo.step import augment
from zoo.watch import remedies

N, SIZE = 8, 16
POLICIES = ["color", "translation", "cutout"]
FUNCTIONS = {"flip": augment.flip, **augment.DIFFAUGMENT, "ada": functools.partial(augment.ada, p=0.7)}

# ADA's uniforms, in the order of the paper: the strengths of each transform, then its gate.
TRANSFORMS = {
    "x_flip": 1,
    "quarter_turn": 1,
    "translate_integer": 2,
    "scale": 1,
    "rotate_before": 1,
    "stretch": 1,
    "rotate_after": 1,
    "translate": 2,
    "brightness": 1,
    "contrast": 1,
    "luma_flip": 1,
    "hue": 1,
    "saturation": 1,
}
SIGMA = NormalDist().cdf(1)  # the uniform that stands for one standard deviation


def random_images(n=N, channels=3, seed=0, size=SIZE):
    return np.random.default_rng(seed).uniform(-1, 1, (n, size, size, channels)).astype("float32")


def random_uniforms(name, n=N, seed=1):
    return np.random.default_rng(seed).random((n, augment.UNIFORMS[name]), dtype="float32")


def apply(function, images, *args):
    return ops.convert_to_numpy(function(ops.convert_to_tensor(images), *args))


def ada_uniforms(n=1, **strengths):
    """Uniforms with which, for p < 0.99, ADA applies the named transforms alone."""
    columns = []
    for name, count in TRANSFORMS.items():
        columns += np.broadcast_to(strengths.get(name, 0.75), count).tolist()
        columns += [0.0 if name in strengths else 0.99]
    return np.tile(np.float32(columns), (n, 1))


def only(images, name, strength, p=0.5):
    return apply(augment.ada, images, ada_uniforms(len(images), **{name: strength}), p)


def coordinates(size=SIZE):
    """One image whose first two channels hold the centred x and y of each pixel."""
    axis = np.arange(size, dtype="float32") - (size - 1) / 2
    x, y = np.meshgrid(axis, axis)
    return np.stack([x, y, np.zeros_like(x)], axis=-1)[None]


def gradient(function, images):
    """Gradient of the scalar `function` of images."""
    images = ops.convert_to_tensor(images)
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(images))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(images)
        value = function(images)
    return tape.gradient(value, images).numpy()


# All of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_shape_and_dtype_are_kept(name, channels, dtype):
    images = ops.cast(random_images(channels=channels), dtype)
    out = FUNCTIONS[name](images, random_uniforms(name))
    assert tuple(out.shape) == (N, SIZE, SIZE, channels)
    assert keras.backend.standardize_dtype(out.dtype) == dtype


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_image_is_a_function_of_its_own_uniforms(name):
    images, u = random_images(), random_uniforms(name)
    out = apply(FUNCTIONS[name], images, u)
    assert np.array_equal(out, apply(FUNCTIONS[name], images, u))
    order = np.random.default_rng(2).permutation(N)
    np.testing.assert_allclose(apply(FUNCTIONS[name], images[order], u[order]), out[order], atol=1e-6)
    assert len({image.tobytes() for image in apply(FUNCTIONS[name], images[:1].repeat(N, 0), u)}) > 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradient_reaches_the_images(name):
    images, u, weights = random_images(), random_uniforms(name), random_images(seed=3)
    direction = random_images(seed=4)

    def value(x):
        return ops.sum(FUNCTIONS[name](x, u) * weights)

    g = gradient(value, images)
    assert np.isfinite(g).all()
    assert (np.abs(g).sum(axis=(1, 2, 3)) > 1).all()
    # All augmentations are affine in the images, so that a central difference is exact at any distance.
    ahead, behind = (float(value(ops.convert_to_tensor(images + s * direction))) for s in (0.5, -0.5))
    assert ahead - behind == pytest.approx((g * direction).sum(), abs=2e-2, rel=1e-3)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.function")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_batch_size_may_be_unknown_in_a_graph(name):
    import tensorflow as tf

    images, u = random_images(), random_uniforms(name)
    signature = [tf.TensorSpec([None, SIZE, SIZE, 3]), tf.TensorSpec([None, u.shape[1]])]

    @tf.function(input_signature=signature)
    def penalty_gradient(images, u):  # as in a gradient penalty: the gradient of a gradient
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                out = FUNCTIONS[name](images, u)
                value = tf.reduce_sum(out**3)
            penalty = tf.reduce_sum(inner.gradient(value, images) ** 2)
        return out, outer.gradient(penalty, images)

    out, g = penalty_gradient(images, u)
    np.testing.assert_allclose(out, apply(FUNCTIONS[name], images, u), atol=1e-5)
    assert np.isfinite(g).all() and np.abs(g).max() > 0


def test_uniform_count():
    assert augment.uniform_count([]) == 0
    assert augment.uniform_count(["flip", *POLICIES]) == 8
    assert augment.uniform_count(["ada"]) == sum(TRANSFORMS.values()) + len(TRANSFORMS)
    with pytest.raises(ValueError, match=r"'colour': use flip, color.*Received: \['colour'\]"):
        augment.uniform_count(["colour"])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_number_of_uniforms(name):
    with pytest.raises(ValueError, match=r"uniforms per image\. Received: shape \(8, 40\)"):
        FUNCTIONS[name](random_images(), np.zeros((N, 40), "float32"))


def test_flip():
    images = random_images(4)
    out = apply(augment.flip, images, np.float32([[0.0], [0.4999], [0.5], [0.9999]]))
    assert np.array_equal(out[:2], images[:2, :, ::-1])
    assert np.array_equal(out[2:], images[2:])


# DiffAugment ------------------------------------------------------------------------------------------


def test_brightness():
    images = np.full((3, SIZE, SIZE, 3), 0.25, "float32")
    out = apply(augment.color, images, np.float32([[0, 0.7, 0.1], [0.5, 0, 1], [0.75, 0.3, 0.9]]))
    np.testing.assert_allclose(out, images + np.float32([-0.5, 0, 0.25])[:, None, None, None], atol=1e-6)


@pytest.mark.parametrize("u, factor", [(0.0, 0.0), (0.5, 1.0), (0.75, 1.5)])
def test_saturation(u, factor):
    images = random_images()
    grey = images.mean(axis=3, keepdims=True)
    out = apply(augment.color, images, np.full((N, 3), [0.5, u, 0.5], "float32"))
    np.testing.assert_allclose(out, grey + factor * (images - grey), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("u, factor", [(0.0, 0.5), (0.5, 1.0), (0.75, 1.25)])
def test_contrast(u, factor, channels):
    images = random_images(channels=channels)
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    out = apply(augment.color, images, np.full((N, 3), [0.5, 0.5, u], "float32"))
    np.testing.assert_allclose(out, mean + factor * (images - mean), atol=1e-5)


def test_color_order():
    """Brightness, then saturation, then contrast, as published."""
    images, u = random_images(), random_uniforms("color")
    b, s, c = (column[:, None, None, None] for column in u.T)
    x = images + b - 0.5
    x = (x - x.mean(axis=3, keepdims=True)) * 2 * s + x.mean(axis=3, keepdims=True)
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(apply(augment.color, images, u), (x - mean) * (c + 0.5) + mean, atol=1e-5)


def test_saturation_of_one_channel_is_the_identity():
    images, u = random_images(channels=1), random_uniforms("color")
    other = u.copy()
    other[:, 1] = 1 - u[:, 1]
    assert np.array_equal(apply(augment.color, images, u), apply(augment.color, images, other))


def test_translation():
    images = random_images(25)
    shifts = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]  # 16 / 8 = 2 pixels each way
    u = np.float32([((dy + 2.5) / 5, (dx + 2.5) / 5) for dy, dx in shifts])
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for image, out, (dy, dx) in zip(padded, apply(augment.translation, images, u), shifts, strict=True):
        assert np.array_equal(out, image[2 - dy : 2 - dy + SIZE, 2 - dx : 2 - dx + SIZE])


def test_cutout():
    images = np.ones((3, SIZE, SIZE, 3), "float32")
    out = apply(augment.cutout, images, np.float32([[0.5, 0.5], [0, 0], [0.9999, 0]]))
    expected = images.copy()
    expected[0, 4:12, 4:12] = 0
    expected[1, :4, :4] = 0
    expected[2, 12:, :4] = 0
    assert np.array_equal(out, expected)


def test_diffaugment_is_its_policies_in_order():
    images, u = random_images(), np.random.default_rng(5).random((N, 7), dtype="float32")
    assert np.array_equal(apply(augment.diffaugment, images, u[:, :0], []), images)
    for policies in (POLICIES, POLICIES[::-1]):
        expected, start = images, 0
        for name in policies:
            end = start + augment.UNIFORMS[name]
            expected = apply(augment.DIFFAUGMENT[name], expected, u[:, start:end])
            start = end
        assert np.array_equal(apply(augment.diffaugment, images, u, policies), expected)


def test_diffaugment_refuses_an_unknown_policy():
    with pytest.raises(ValueError, match=r"'ada': use color, translation, cutout. Received: \['ada'\]"):
        augment.diffaugment(random_images(), random_uniforms("ada"), ["ada"])


# ADA --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [15, 16, 32])
def test_ada_is_exactly_the_identity_at_p_0(channels, size):
    images = random_images(64, channels, size=size)
    u = random_uniforms("ada", 64)
    u[:4], u[4:8] = 0, 1 - 2**-24
    assert np.array_equal(apply(augment.ada, images, u, 0.0), images)


def test_ada_stays_finite_at_extreme_uniforms():
    u = np.random.default_rng(0).choice(np.float32([0, 1 - 2**-24]), (64, 28))
    u[0], u[1] = 0, 1 - 2**-24
    assert np.isfinite(apply(augment.ada, random_images(64), u, 1.0)).all()


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("p", [0.0, 0.2, 0.75, 1.0])
def test_ada_applies_each_transform_with_probability_p(name, p):
    n = 200
    u = ada_uniforms(n, **{name: 0.8})
    u[:, np.flatnonzero(u[0] == np.float32(0.99))] = 1  # beyond p = 1 too
    u[:, np.flatnonzero(u[0] == 0)] = (np.arange(n)[:, None] + 0.5) / n
    images = random_images(1, size=8).repeat(n, 0)
    changed = (apply(augment.ada, images, u, p) != images).any(axis=(1, 2, 3)).mean()
    assert changed == pytest.approx(1 - math.sqrt(1 - p) if name.startswith("rotate") else p, abs=1 / n)


def test_ada_blits_are_exact():
    images = random_images()
    assert np.array_equal(only(images, "x_flip", 0.25), images)
    assert np.array_equal(only(images, "x_flip", 0.75), images[:, :, ::-1])
    turns = [only(images, "quarter_turn", (k + 0.5) / 4) for k in range(4)]
    for k in (0, 2):
        assert np.array_equal(turns[k], np.rot90(images, k, axes=(1, 2)))
    assert np.array_equal(turns[1], np.rot90(turns[3], 2, axes=(1, 2)))
    assert any(np.array_equal(turns[1], np.rot90(images, k, axes=(1, 2))) for k in (1, 3))


def test_ada_translation_mirrors_at_the_border():
    images = random_images()
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    # The strengths are those of x and of y: 16 * (2 * 0.99 - 1) / 8 = 1.96 and 16 * (2 * 0.25 - 1) / 8 = -1.
    assert np.array_equal(only(images, "translate_integer", [0.99, 0.25]), padded[:, 3 : 3 + SIZE, :SIZE])


@pytest.mark.parametrize(
    "name, strength, source",
    [
        ("scale", SIGMA, lambda x, y: (x / 2**0.2, y / 2**0.2)),
        ("stretch", SIGMA, lambda x, y: (x / 2**0.2, y * 2**0.2)),
        ("translate", [SIGMA, 0.5], lambda x, y: (x - SIZE / 8, y)),
        ("translate", [0.5, 1 - SIGMA], lambda x, y: (x, y + SIZE / 8)),
        ("rotate_before", 0.625, lambda x, y: ((x - y) / math.sqrt(2), (x + y) / math.sqrt(2))),
        ("rotate_after", 0.375, lambda x, y: ((x + y) / math.sqrt(2), (y - x) / math.sqrt(2))),
    ],
)
def test_ada_geometry(name, strength, source):
    # Bilinear samples of linear functions are exact: an image of coordinates shows where pixels come from.
    images = coordinates()
    x, y, _ = np.moveaxis(images[0], -1, 0)
    expected = np.stack(source(x, y), axis=-1)
    inside = np.abs(expected).max(axis=-1) <= (SIZE - 1) / 2
    assert inside.sum() > SIZE**2 / 2
    np.testing.assert_allclose(only(images, name, strength)[0, ..., :2][inside], expected[inside], atol=1e-4)


COLOR = np.float32([0.5, -0.25, 0.125])
GREY = COLOR.mean()


@pytest.mark.parametrize(
    "name, strength, expected",
    [
        ("brightness", SIGMA, COLOR + 0.2),
        ("contrast", SIGMA, COLOR * math.sqrt(2)),
        ("luma_flip", 0.25, COLOR),
        ("luma_flip", 0.75, COLOR - 2 * GREY),
        ("hue", 0.5, COLOR),
        ("hue", 5 / 6, COLOR[[2, 0, 1]]),  # a third of a turn
        ("saturation", SIGMA, GREY + 2 * (COLOR - GREY)),
        ("saturation", 1 - SIGMA, GREY + (COLOR - GREY) / 2),
    ],
)
def test_ada_colors(name, strength, expected):
    images = np.tile(COLOR, (2, SIZE, SIZE, 1))
    np.testing.assert_allclose(only(images, name, strength), np.full_like(images, expected), atol=1e-5)


@pytest.mark.parametrize(
    "name, strength, expected",
    [
        ("brightness", SIGMA, 0.5),
        ("contrast", SIGMA, 0.3 * math.sqrt(2)),
        ("luma_flip", 0.75, -0.3),
        ("hue", 0.9, 0.3),
        ("saturation", 0.9, 0.3),
    ],
)
def test_ada_colors_of_one_channel(name, strength, expected):
    images = np.full((2, SIZE, SIZE, 1), 0.3, "float32")
    np.testing.assert_allclose(only(images, name, strength), np.full_like(images, expected), atol=1e-6)


def test_ada_composes_in_the_order_of_the_paper():
    """Against forward matrices multiplied in the paper's order and inverted, in float64."""

    def matrix(size, **entries):
        m = np.eye(size)
        for key, value in entries.items():
            m[int(key[1]), int(key[2])] = value
        return m

    def rotation(u):
        a = (2 * u - 1) * math.pi
        return matrix(3, m00=math.cos(a), m01=math.sin(a), m10=-math.sin(a), m11=math.cos(a))

    def normal(u, std):
        return NormalDist(0, std).inv_cdf(u)

    size, n = 64, 6
    u = np.random.default_rng(6).uniform(0.35, 0.65, (n, 28)).astype("float32")  # stays near the middle
    u[:, 0], u[:, 2], u[:, 22] = 0.75, 0.5, 0.75  # flip, turn by 180 degrees, luma flip
    images = np.repeat(coordinates(size), n, axis=0) / size
    images[..., 2] = 0.25
    out = apply(augment.ada, images, u, 1.0)
    for row, image in zip(u.astype("float64"), out, strict=True):
        s, a = 2 ** normal(row[7], 0.2), 2 ** normal(row[11], 0.2)
        geometry = [
            matrix(3, m00=-1),
            matrix(3, m00=-1, m11=-1),
            matrix(3, m02=round((2 * row[4] - 1) * 8), m12=round((2 * row[5] - 1) * 8)),
            matrix(3, m00=s, m11=s),
            rotation(row[9]),
            matrix(3, m00=a, m11=1 / a),
            rotation(row[13]),
            matrix(3, m02=normal(row[15], 0.125) * size, m12=normal(row[16], 0.125) * size),
        ]
        forward = functools.reduce(lambda done, step: step @ done, geometry)
        grid = coordinates(size)[0].astype("float64")
        grid[..., 2] = 1
        source = grid @ np.linalg.inv(forward).T
        inside = np.abs(source[..., :2]).max(axis=-1) <= (size - 1) / 2
        assert inside.mean() > 0.3

        v = np.float64([[1, 1, 1, 0]]) / math.sqrt(3)
        grey, rgb = v.T @ v, np.diag([1.0, 1, 1, 0])
        c, angle = 2 ** normal(row[20], 0.5), (2 * row[24] - 1) * math.pi
        cross = np.float64([[0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]]) / math.sqrt(3)
        homogeneous = np.diag([0.0, 0, 0, 1])
        b = normal(row[18], 0.2)
        colors = [
            matrix(4, m03=b, m13=b, m23=b),
            matrix(4, m00=c, m11=c, m22=c),
            np.eye(4) - 2 * grey,
            homogeneous + grey + math.cos(angle) * (rgb - grey) + math.sin(angle) * cross,
            homogeneous + grey + 2 ** normal(row[26], 1) * (rgb - grey),
        ]
        recolor = functools.reduce(lambda done, step: step @ done, colors)
        color = np.insert(source / size, 2, 0.25, axis=-1)
        color[..., 3] = 1
        np.testing.assert_allclose(image[inside], (color @ recolor.T)[inside][:, :3], atol=1e-4)


def test_ada_refuses_other_channel_counts():
    with pytest.raises(ValueError, match=r"1 or 3 channels. Received: shape \(8, 16, 16, 4\)"):
        augment.ada(random_images(channels=4), random_uniforms("ada"), 0.5)


@pytest.mark.parametrize(
    "p, r_t, images, expected",
    [
        (0.5, 0.7, 256, 0.5 + 256 / 500_000),
        (0.5, 0.5, 256, 0.5 - 256 / 500_000),
        (0.5, 0.6, 256, 0.5),
        (0.0, -1.0, 256, 0.0),
        (1.0, 1.0, 256, 1.0),
        (0.0, 1.0, 500_000, 1.0),
    ],
)
def test_ada_update(p, r_t, images, expected):
    assert float(augment.ada_update(p, r_t, images)) == pytest.approx(expected, abs=1e-7)


def test_ada_update_of_other_speed_and_target():
    assert float(augment.ada_update(0.5, 0.5, 1000, target=0.4, speed_images=100_000)) == pytest.approx(0.51)


def test_the_policies_are_the_same_wherever_they_are_named():
    """In the type of the recipe's key, in what a search tries and in what the watcher advises."""
    key, _ = get_args(get_type_hints(Augment)["diffaugment"])
    searched = COMMON["augment.diffaugment"]["choices"][1]
    for named in (augment.DIFFAUGMENT, get_args(key), searched, remedies.DIFFAUGMENT):
        assert list(named) == POLICIES
