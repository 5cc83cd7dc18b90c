"""Augmentations between images and discriminator: pure, differentiable functions of (images, uniforms).

    flip         horizontal flips
    diffaugment  DiffAugment (Zhao et al. 2020, arXiv:2006.10738): colour, translation and cutout, with the
                 published strengths
    ada          adaptive discriminator augmentation (Karras et al. 2020, arXiv:2006.06676, appendix B): pixel
                 blits, general geometric and colour transforms ("bgc"); `ada_update` is its controller

Apply them to real and to fake images, in the discriminator's step and in the generator's, whose gradient
comes back through them. Nothing here draws random numbers: the uniforms `u` in [0, 1) come with the batch, as
many per image as `UNIFORMS` says. Images are `[N, H, W, C]` in [-1, 1], in any floating dtype; the dtype is
kept, and results may leave that range.

ADA differs from the paper: it resamples once and bilinearly, from mirrored coordinates, where the paper
upsamples by 2, warps and downsamples with an orthogonal lowpass filter (sym6) against aliasing, on images
padded by reflection. Blits and the identity are exact; other warps are softer than the paper's, and alias
where they shrink.
"""

import functools
import math

import numpy as np
from keras import ops

# Uniforms per image that each augmentation consumes.
UNIFORMS = {"flip": 1, "color": 3, "translation": 2, "cutout": 2, "ada": 28}


def uniform_count(names):
    """Number of uniforms per image that the augmentations `names` need together.

    Raises:
        ValueError: a name is not one of `UNIFORMS`.
    """
    for name in names:
        if name not in UNIFORMS:
            raise ValueError(f"Unknown augmentation {name!r}: use {', '.join(UNIFORMS)}. Received: {names}")
    return sum(UNIFORMS[name] for name in names)


def flip(images, u):
    """Mirrors images left to right where u < 0.5.

    Args:
        images: `[N, H, W, C]`.
        u: `[N, 1]` uniforms.
    """
    (u,) = _columns(u, UNIFORMS["flip"])
    mirrored = ops.cast(_per_image(u) < 0.5, images.dtype)
    return mirrored * ops.flip(images, axis=2) + (1 - mirrored) * images


def color(images, u):
    """DiffAugment's colour policy (arXiv:2006.10738): brightness, saturation and contrast.

    Adds [-0.5, 0.5], multiplies the distance to the pixel's mean by [0, 2] and the distance to the image's
    mean by [0.5, 1.5]. On one channel saturation changes nothing.

    Args:
        images: `[N, H, W, C]` in [-1, 1].
        u: `[N, 3]` uniforms.
    """
    brightness, saturation, contrast = (_per_image(c) for c in _columns(u, UNIFORMS["color"]))
    x = ops.cast(images, "float32")
    grey = ops.mean(x, axis=3, keepdims=True)
    mean = ops.mean(grey, axis=(1, 2), keepdims=True)
    # Saturation keeps the means and brightness only moves them, so that it can come last.
    x = (2 * saturation * (x - grey) + (grey - mean)) * (contrast + 0.5) + (mean + brightness - 0.5)
    return ops.cast(x, images.dtype)


def translation(images, u):
    """DiffAugment's translation policy (arXiv:2006.10738): up to 1/8 of the size each way, in whole pixels.

    Zeros fill what comes into view.

    Args:
        images: `[N, H, W, C]`.
        u: `[N, 2]` uniforms, for y and x.
    """
    height, width = images.shape[1:3]
    dy, dx = _columns(u, UNIFORMS["translation"])
    y = ops.arange(height, dtype="float32") - _integers(dy, -(height // 8), height // 8)[:, None]
    x = ops.arange(width, dtype="float32") - _integers(dx, -(width // 8), width // 8)[:, None]
    inside = _mask((y >= 0) & (y < height), (x >= 0) & (x < width))
    moved = _gather(images, ops.clip(y, 0, height - 1)[:, :, None], ops.clip(x, 0, width - 1)[:, None, :])
    return moved * ops.cast(inside, images.dtype)


def cutout(images, u):
    """DiffAugment's cutout policy (arXiv:2006.10738): zeros in a square of half the size.

    The square's centre lies anywhere in the image, so that part of the square may lie outside.

    Args:
        images: `[N, H, W, C]`.
        u: `[N, 2]` uniforms, for y and x.
    """

    def covered(u, size):
        side = size // 2
        offset = ops.arange(size, dtype="float32") - (_integers(u, 0, size - side % 2)[:, None] - side // 2)
        return (offset >= 0) & (offset < side)

    uy, ux = _columns(u, UNIFORMS["cutout"])
    square = _mask(covered(uy, images.shape[1]), covered(ux, images.shape[2]))
    return images * ops.cast(~square, images.dtype)


DIFFAUGMENT = {"color": color, "translation": translation, "cutout": cutout}


def diffaugment(images, u, policies):
    """DiffAugment (Zhao et al. 2020, arXiv:2006.10738): the named policies, in the order given.

    Args:
        images: `[N, H, W, C]` in [-1, 1].
        u: `[N, uniform_count(policies)]` uniforms.
        policies: names from `DIFFAUGMENT`; the paper's order is color, translation, cutout.

    Raises:
        ValueError: unknown policy, or a wrong number of uniforms.
    """
    for name in policies:
        if name not in DIFFAUGMENT:
            raise ValueError(f"Unknown policy {name!r}: use {', '.join(DIFFAUGMENT)}. Received: {policies}")
    u = iter(_columns(u, uniform_count(policies)))
    for name in policies:
        images = DIFFAUGMENT[name](images, ops.stack([next(u) for _ in range(UNIFORMS[name])], axis=1))
    return images


# Each of ADA's transforms is the identity plus coefficients times these matrices, so that 0 is no transform.
_SCALE_X, _SCALE_Y = np.diag(np.float32([1, 0, 0])), np.diag(np.float32([0, 1, 0]))
_SCALE = _SCALE_X + _SCALE_Y
_TURN = np.float32([[0, -1, 0], [1, 0, 0], [0, 0, 0]])
_SHIFT_X = np.float32([[0, 0, 1], [0, 0, 0], [0, 0, 0]])
_SHIFT_Y = np.float32([[0, 0, 0], [0, 0, 1], [0, 0, 0]])

_RGB = np.diag(np.float32([1, 1, 1, 0]))
_OFFSET = np.float32([[0, 0, 0, 1]] * 3 + [[0, 0, 0, 0]])
_LUMA = np.outer([1, 1, 1, 0], [1, 1, 1, 0]).astype("float32") / 3  # projection onto the grey axis
_CHROMA = _RGB - _LUMA
_HUE = np.float32([[0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]]) / np.float32(math.sqrt(3))


def ada(images, u, p):
    """Adaptive discriminator augmentation (Karras et al. 2020, arXiv:2006.06676, appendix B), the set "bgc".

    Each of these with probability `p`, in this order: x-flip, 90-degree rotation, integer translation (up to
    1/8 of the size); isotropic scaling (2^N(0, 0.2^2)), rotation, anisotropic scaling (2^N(0, 0.2^2)),
    rotation (the two with 1 - sqrt(1 - p)), fractional translation (N(0, 0.125^2) of the size); brightness
    (N(0, 0.2^2)), contrast (2^N(0, 0.5^2)), luma flip, hue rotation, saturation (2^N(0, 1)). They are
    composed into one bilinear warp and one colour matrix; `p = 0` is exactly the identity. On one channel the
    colour matrix acts on luma, so that hue and saturation change nothing.

    Args:
        images: `[N, H, W, C]` in [-1, 1], C is 1 or 3.
        u: `[N, 28]` uniforms.
        p: scalar in [0, 1].

    Raises:
        ValueError: neither one nor three channels, or a wrong number of uniforms.
    """
    if images.shape[-1] not in (1, 3):
        raise ValueError(f"ADA needs images with 1 or 3 channels. Received: shape {tuple(images.shape)}")
    u = iter(_columns(u, UNIFORMS["ada"]))
    p = ops.cast(p, "float32")
    x = ops.cast(images, "float32")
    x = _warp(x, _geometry(u, p, *images.shape[1:3]))
    x = _recolor(x, _colors(u, p))
    return ops.cast(x, images.dtype)


def ada_update(p, r_t, images, target=0.6, speed_images=500_000):
    """ADA's controller (arXiv:2006.06676, section 3): raises p while D overfits, else lowers it.

    The paper updates every four steps.

    Args:
        p: scalar in [0, 1], the augmentation probability.
        r_t: scalar in [-1, 1], E[sign D(real)] since the last update.
        images: number of real images shown since the last update.
        target: the r_t to hold; above it the discriminator counts as overfitting.
        speed_images: images for p to go from 0 to 1 (the paper: 500,000; 100,000 for transfer learning).

    Returns:
        The new p, float32.
    """
    step = ops.sign(ops.cast(r_t, "float32") - target) * ops.cast(images, "float32") / speed_images
    return ops.clip(ops.cast(p, "float32") + step, 0.0, 1.0)


def _geometry(u, p, height, width):
    """`[N, 3, 3]`: maps centred pixels (x, y, 1) of the output to where they come from in the input.

    The transforms come in the paper's order, each as its inverse: (... T2 T1)^-1 = T1^-1 T2^-1 ...
    """

    def rotate():
        angle = (2 * next(u) - 1) * math.pi
        # Each of the two with this probability: together, with p.
        return _transform(u, 1 - ops.sqrt(1 - p), (ops.cos(angle) - 1, _SCALE), (ops.sin(angle), _TURN))

    x_flip = _transform(u, p, (-2 * _integers(next(u), 0, 1), _SCALE_X))
    angle = _integers(next(u), 0, 3) * (math.pi / 2)
    cos, sin = ops.round(ops.cos(angle)), ops.round(ops.sin(angle))  # exactly -1, 0 or 1
    quarter_turn = _transform(u, p, (cos - 1, _SCALE), (sin, _TURN))
    dx, dy = (ops.round((2 * next(u) - 1) * size / 8) for size in (width, height))
    translate_integer = _transform(u, p, (-dx, _SHIFT_X), (-dy, _SHIFT_Y))

    log2 = _normal(next(u), 0.2)
    scale = _transform(u, p, (ops.exp2(-log2) - 1, _SCALE))
    rotate_before = rotate()
    log2 = _normal(next(u), 0.2)
    stretch = _transform(u, p, (ops.exp2(-log2) - 1, _SCALE_X), (ops.exp2(log2) - 1, _SCALE_Y))
    rotate_after = rotate()
    dx, dy = (_normal(next(u), 0.125) * size for size in (width, height))
    translate = _transform(u, p, (-dx, _SHIFT_X), (-dy, _SHIFT_Y))

    blits = [x_flip, quarter_turn, translate_integer]
    return functools.reduce(_product, [*blits, scale, rotate_before, stretch, rotate_after, translate])


def _colors(u, p):
    """`[N, 4, 4]`: maps colours (r, g, b, 1) of the input to those of the output."""
    brightness = _transform(u, p, (_normal(next(u), 0.2), _OFFSET))
    contrast = _transform(u, p, (ops.exp2(_normal(next(u), 0.5)) - 1, _RGB))
    luma_flip = _transform(u, p, (-2 * _integers(next(u), 0, 1), _LUMA))
    angle = (2 * next(u) - 1) * math.pi
    hue = _transform(u, p, (ops.cos(angle) - 1, _CHROMA), (ops.sin(angle), _HUE))
    saturation = _transform(u, p, (ops.exp2(_normal(next(u), 1.0)) - 1, _CHROMA))
    return functools.reduce(_product, [saturation, hue, luma_flip, contrast, brightness])


def _transform(u, p, *terms):
    """`[N, k, k]`: the identity plus, where the next of `u` is below `p`, the sum of the terms.

    A term is a coefficient `[N]` and the matrix `[k, k]` that it multiplies.
    """
    applies = ops.cast(next(u) < p, "float32")[:, None, None]
    change = sum(coefficient[:, None, None] * basis for coefficient, basis in terms)
    return np.eye(change.shape[-1], dtype="float32") + applies * change


def _product(a, b):
    # Not matmul: accelerators round its operands to TF32 or bfloat16, too coarse for pixel positions.
    return ops.sum(a[:, :, :, None] * b[:, None, :, :], axis=2)


def _warp(images, matrix):
    """Bilinear samples of the images where `matrix` `[N, 3, 3]` sends the centred pixels; borders mirror."""
    height, width = images.shape[1:3]
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    grid_x = np.arange(width, dtype="float32") - middle_x
    grid_y = np.arange(height, dtype="float32")[:, None] - middle_y
    m = matrix[:, :, :, None, None]
    x = _mirror(m[:, 0, 0] * grid_x + m[:, 0, 1] * grid_y + m[:, 0, 2] + middle_x, width)
    y = _mirror(m[:, 1, 0] * grid_x + m[:, 1, 1] * grid_y + m[:, 1, 2] + middle_y, height)
    left, top = ops.floor(x), ops.floor(y)
    right, bottom = ops.minimum(left + 1, width - 1), ops.minimum(top + 1, height - 1)
    x, y = (x - left)[..., None], (y - top)[..., None]
    upper = (1 - x) * _gather(images, top, left) + x * _gather(images, top, right)
    lower = (1 - x) * _gather(images, bottom, left) + x * _gather(images, bottom, right)
    return (1 - y) * upper + y * lower


def _mirror(position, size):
    """Reflects positions at the centres of the first and the last pixel, into [0, size - 1]."""
    last = size - 1
    return last - ops.abs(ops.mod(position, 2 * last) - last)


def _recolor(images, matrix):
    """Multiplies colours by `matrix` `[N, 4, 4]`; one channel stands for r = g = b and becomes their mean."""
    # Adding the change, not replacing the colour, keeps the identity exact where matrix products are rounded.
    change = matrix - np.eye(4, dtype="float32")
    gain, offset = change[:, :3, :3], change[:, :3, 3]
    if images.shape[-1] == 1:
        gain = ops.sum(gain, axis=(1, 2), keepdims=True) / 3
        offset = ops.mean(offset, axis=1, keepdims=True)
    return images + ops.einsum("nhwc,ndc->nhwd", images, gain) + offset[:, None, None, :]


def _columns(u, count):
    """The columns of `u`, each `[N]` and float32."""
    if u.shape[-1] != count:
        raise ValueError(f"u must hold {count} uniforms per image. Received: shape {tuple(u.shape)}")
    return ops.unstack(ops.cast(u, "float32"), count, axis=1)


def _per_image(value):
    return value[:, None, None, None]


def _integers(u, low, high):
    """Uniform whole numbers (as float32) from `low` to `high`, both included."""
    return ops.floor(u * (high - low + 1)) + low


def _normal(u, std):
    """Normal numbers through the inverse CDF, at most 4.9 standard deviations from 0."""
    return std * math.sqrt(2) * ops.erfinv(ops.clip(2 * u - 1, -1 + 1e-6, 1 - 1e-6))


def _mask(rows, columns):
    """`[N, H]` and `[N, W]` to the mask `[N, H, W, 1]`."""
    return (rows[:, :, None] & columns[:, None, :])[..., None]


def _gather(images, y, x):
    """The pixels at rows `y` and columns `x`, whole numbers that broadcast to `[N, h, w]`: `[N, h, w, C]`."""
    height, width, channels = images.shape[1:]
    y, x = ops.cast(y, "int32"), ops.cast(x, "int32")
    first = ops.arange(ops.shape(images)[0])[:, None, None] * height
    return ops.take(ops.reshape(images, (-1, channels)), (first + y) * width + x, axis=0)
