"""Layers that several networks share: seeded initializers, resampling convolutions, Miyato's spectral normalisation."""

from __future__ import annotations

import numpy as np

from zoo import backend
from zoo.networks.parts.lazy import keras, ops


class Initializers:
    """Makes initializers that draw with NumPy from (seed, order of making).

    Every backend, replica and process then starts from the same weights, and a JAX model builds without compiling one
    random-number program for each shape.
    """

    def __init__(self, seed: int) -> None:
        self._seeds = np.random.SeedSequence(seed)

    def normal(self, std: float, mean: float = 0.0) -> keras.initializers.Initializer:
        return _Drawn(self._seeds.spawn(1)[0], lambda rng, shape: mean + std * rng.standard_normal(shape, np.float32))

    def glorot_uniform(self, gain: float = 1.0) -> keras.initializers.Initializer:
        """Glorot 2010: U(-a, a) with a = gain sqrt(6 / (fan_in + fan_out)) for kernels [..., in, out]."""

        def draw(rng, shape):
            receptive = int(np.prod(shape[:-2]))
            bound = gain * np.sqrt(6.0 / (receptive * (shape[-2] + shape[-1])))
            return rng.uniform(-bound, bound, shape)

        return _Drawn(self._seeds.spawn(1)[0], draw)


@keras.saving.register_keras_serializable("zoo")
class _Drawn(keras.initializers.Initializer):
    def __init__(self, seed: np.random.SeedSequence, draw) -> None:
        self._seed, self._draw = seed, draw

    def __call__(self, shape, dtype=None):
        return np.asarray(self._draw(np.random.default_rng(self._seed), tuple(shape)), dtype or "float32")

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict) -> keras.initializers.Initializer:
        """A model read from a file has its weights there."""
        return keras.initializers.Zeros()


_ROWS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], "float32")
_BOX = np.kron(_ROWS, _ROWS)  # [4 * 4, 3 * 3]


def _box(kernel, height: float = 1.0):
    """Convolves a kernel [3, 3, ...] with a 2 x 2 box: [4, 4, ...].

    Written as a matrix product, so that its gradient is a matrix product.
    (Scaled afterwards, XLA does not recognise the gradient of a strided convolution on a GPU, and multiplies zeros.)
    """
    rows = ops.matmul(ops.cast(height * _BOX, kernel.dtype), ops.reshape(kernel, (9, -1)))
    return ops.reshape(rows, (4, 4, *kernel.shape[2:]))


class UpConv2D(keras.layers.Conv2D):
    """`UpSampling2D(2)` (nearest) followed by a 3 x 3 `Conv2D`, as one transposed convolution.

    The same function with 4/9 of the multiplications: each output pixel sees only 2 x 2 different input pixels, so the
    nine taps add up to four. Variables, shapes and configuration are those of the 3 x 3 convolution.
    Input [N, H, W, C], output [N, 2H, 2W, filters].
    """

    def __init__(self, filters: int, **kwargs) -> None:
        super().__init__(filters, 3, padding="same", **{k: v for k, v in kwargs.items() if k not in _FIXED})

    def convolution_op(self, inputs, kernel):
        return backend.conv_transpose(inputs, self.transposed_kernel(kernel))

    def plain(self) -> keras.layers.Layer:
        """A `Conv2DTranspose` of plain Keras that does the same."""
        return keras.layers.Conv2DTranspose(
            self.filters,
            4,
            strides=2,
            padding="same",
            use_bias=self.use_bias,
            activation=self.activation,
            kernel_initializer="zeros",
            name=self.name,
        )

    @classmethod
    def plain_weights(cls, weights: list) -> list:
        """The weights of `plain`, from this layer's."""
        return [cls.transposed_kernel(weights[0]), *weights[1:]]

    @staticmethod
    def transposed_kernel(kernel):
        """The kernel [4, 4, out, in] with which a `Conv2DTranspose` of stride 2 does the same."""
        return ops.transpose(_box(ops.flip(kernel, axis=(0, 1))), (0, 1, 3, 2))

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return batch, height and 2 * height, width and 2 * width, self.filters


class ConvPool2D(keras.layers.Conv2D):
    """A 3 x 3 `Conv2D` followed by `AveragePooling2D(2)`, as one strided convolution: the twin of `UpConv2D`.

    Input [N, H, W, C] with even H and W, output [N, H/2, W/2, filters].
    """

    def __init__(self, filters: int, **kwargs) -> None:
        super().__init__(filters, 3, padding="same", **{k: v for k, v in kwargs.items() if k not in _FIXED})

    def convolution_op(self, inputs, kernel):
        return ops.conv(inputs, _box(kernel, 0.25), strides=2, padding="same", data_format="channels_last")

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return batch, height and height // 2, width and width // 2, self.filters


_FIXED = ("kernel_size", "padding")


class GroupedConv2D(keras.layers.Conv2D):
    """`Conv2D` with groups (Xie 2017, arXiv:1611.05431), fast on every device.

    TensorFlow's gradients of grouped convolutions are slow on a CPU; there every group is a convolution of its own.
    """

    def convolution_op(self, inputs, kernel):
        return backend.grouped_conv(inputs, kernel, self.groups)

    def plain(self) -> keras.layers.Layer:
        """The same layer as plain Keras has it."""
        return keras.layers.Conv2D.from_config(self.get_config() | {"kernel_initializer": "zeros"})

    plain_weights = staticmethod(lambda weights: weights)


class SpectralNorm:
    """Mixin before a Keras layer with a `kernel`: Miyato 2018, arXiv:1802.05957, algorithm 1.

    The trained variable W stays as it is. The layer computes with W / sigma(W), where sigma = v' W u is the largest
    singular value of W as a matrix [inputs, outputs]. The gradient flows through sigma. The vector u (float32,
    [outputs]) is the only state. It moves in `power_iteration` alone, which the training step calls once for each D
    update. Applying the layer changes nothing.

    (`keras.layers.SpectralNormalization` instead overwrites W on TensorFlow, on every training call.)
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._u = None

    def add_weight(self, *args, name=None, **kwargs):
        if name == "kernel":
            kwargs["autocast"] = False  # sigma is computed from the float32 master weights
        return super().add_weight(*args, name=name, **kwargs)

    def build(self, input_shape) -> None:
        super().build(input_shape)
        outputs = self._kernel.shape[-1]
        u = np.random.default_rng(outputs).standard_normal(outputs).astype("float32")
        matrix = np.asarray(self._kernel).reshape(-1, outputs)
        for _ in range(5):  # starts close to the singular vector, as after long training, the same on both backends
            u = matrix.T @ (matrix @ u)
            u /= np.linalg.norm(u) + 1e-12
        self._u = self.add_weight(
            name="u",
            shape=(outputs,),
            trainable=False,
            autocast=False,
            dtype="float32",
            initializer=lambda shape, dtype: u,
        )

    # Keras's own versions keep `self.kernel`, here W / sigma, and leave out u.
    save_own_variables = keras.layers.Layer.save_own_variables
    load_own_variables = keras.layers.Layer.load_own_variables

    def power_iteration(self) -> None:
        """One step of the power method on u."""
        u = ops.matmul(self._times_u(), self._matrix())
        self._u.assign(u / (ops.norm(u) + 1e-12))

    @property
    def sigma(self):
        """|W u|, the estimate of the largest singular value: a float32 scalar. With v = W u / |W u| it is v' W u, and
        its gradient in W is v u'."""
        return ops.norm(self._times_u())

    @property
    def kernel(self):
        if self._u is None:
            return super().kernel
        return ops.cast(self._kernel / self.sigma, self.compute_dtype)

    def _matrix(self):
        return ops.reshape(self._kernel, (-1, self._kernel.shape[-1]))

    def _times_u(self):
        return ops.matmul(self._matrix(), ops.convert_to_tensor(self._u))


class SNConv2D(SpectralNorm, keras.layers.Conv2D):
    """`Conv2D` with spectral normalisation."""


class SNConvPool2D(SpectralNorm, ConvPool2D):
    """`ConvPool2D` with spectral normalisation of its 3 x 3 kernel."""


class SNDense(SpectralNorm, keras.layers.Dense):
    """`Dense` with spectral normalisation."""


class GlobalSumPooling2D(keras.layers.Layer):
    """Sums each channel over the image: [N, H, W, C] -> [N, C]."""

    def call(self, inputs):
        return ops.sum(inputs, axis=(1, 2))

    def compute_output_shape(self, input_shape):
        return input_shape[0], input_shape[-1]


def spectral_layers(model: keras.Model) -> list[SpectralNorm]:
    """The spectrally normalised layers of a model, in order."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, SpectralNorm)]
