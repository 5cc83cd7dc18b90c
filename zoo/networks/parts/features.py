"""What a network that was trained on other images sees, for a discriminator to look at."""

from __future__ import annotations

from zoo.networks.parts import efficientnet_lite0
from zoo.networks.parts.lazy import keras, ops


class Frozen(keras.layers.Layer):
    """Images [N, R, R, 1 or 3] in [-1, 1] -> EfficientNet-Lite0's feature maps at 1/2, 1/4, 1/8 and 1/16 of `size`.

    Gradients pass to the images. The weights are no variables of this layer, so that they do not learn, and that no
    checkpoint keeps them. Images of another size are resized, bilinearly.
    """

    def __init__(self, size: int, **kwargs) -> None:
        super().__init__(autocast=False, **kwargs)
        network = efficientnet_lite0.scales(size, self.compute_dtype)
        self.size, self.network = size, lambda: network  # a function, in which Keras looks for no variables

    def get_config(self) -> dict:
        return super().get_config() | {"size": self.size}

    def call(self, inputs):
        x = ops.cast(inputs, "float32") * 127.5 + 127.5
        if x.shape[1] != self.size:
            x = ops.image.resize(x, (self.size, self.size), interpolation="bilinear", data_format="channels_last")
        return self.network()(ops.concatenate([x] * (3 // x.shape[-1]), axis=-1))

    def compute_output_shape(self, input_shape):
        return [(input_shape[0], *shape[1:]) for shape in self.network().output_shape]
