"""A trained generator for use elsewhere: as shipped checkpoint, plain Keras, TensorFlow SavedModel or ONNX."""

from __future__ import annotations

import importlib.util
import logging
import re
import shlex
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import ops

from zoo import networks
from zoo.checkpoints import checkpoint, resolve
from zoo.checkpoints.generator import load_generator
from zoo.checkpoints.run import Run
from zoo.checkpoints.run_history import history
from zoo.files import pictures
from zoo.files.atomic import replacing, replacing_folder, require_writable
from zoo.files.errors import ZooError
from zoo.networks.parts import inputs
from zoo.networks.parts.variables import assign, by_path

logger = logging.getLogger("ganzoo")

COMPARED_IMAGES = 256  # samples that decide whether half precision is good enough
SUFFIXES = {"keras": ".keras", "onnx": ".onnx"}  # the other formats are folders


def export(name: str | Path, format: str, out: str | Path, license: str | None = None) -> Path:
    """Writes a trained generator, whole or not at all, and returns where.

    Args:
        name: what `load_generator` accepts; a run stands for its best checkpoint.
        format: one of

            checkpoint  a folder with both networks and no training state, for sampling and fine-tuning; kernels
                        in half precision if that changes no pixel of 256 samples by more than 1/255
            keras       one file of standard layers, which `keras.saving.load_model` reads without `zoo`:
                        z [N, latent_dim] -> float32 [N, H, W, C] in [-1, 1]; not for StyleGAN-lite
            savedmodel  a TensorFlow SavedModel with the generator's inputs by name in its signature (`z`, and
                        for StyleGAN-lite the others too) -> float32 [N, H, W, C] in [-1, 1]
            onnx        one file for torch-fidelity's `fidelity --input1`: normal z [N, Z] -> uint8 [N, 3, H, W],
                        grey repeated. StyleGAN-lite's z is the latent and the noise maps side by side; all
                        layers have one style without truncation, as in `Generator.sample`

        out: a file with the format's suffix, or a folder that is new or empty.
        license: of the weights, for the card of a checkpoint: an identifier as the Hub writes it, "apache-2.0"; None
            leaves what it was.

    Raises:
        ZooError: unknown name or format, `out` cannot be written, the network has no such format, JAX runs where
            TensorFlow must, or the optional package tf2onnx is missing.
    """
    out = Path(out)
    if format not in WRITERS:
        raise ZooError(f"the format must be one of {', '.join(WRITERS)}. Received: {format!r}")
    suffix = SUFFIXES.get(format)
    if suffix and (out.suffix != suffix or out.is_dir()):
        raise ZooError(f"the format {format} is a file, for instance generator{suffix}. Received: {str(out)!r}")
    if not suffix and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ZooError(
            f"the format {format} is a new folder, and there is something already; remove that or name "
            f"another. Received: {str(out)!r}"
        )
    if format in ("onnx", "savedmodel") and keras.backend.backend() != "tensorflow":
        raise ZooError(
            f"the format {format} is written by TensorFlow; install it and set KERAS_BACKEND=tensorflow. "
            f"Received: {format!r} with KERAS_BACKEND={keras.backend.backend()}"
        )
    if format == "onnx" and importlib.util.find_spec("tf2onnx") is None:
        raise ZooError("the format onnx needs tf2onnx; pip install 'tf2onnx>=1.17'. Received: 'onnx'")
    if license is not None and (format != "checkpoint" or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,40}", license)):
        raise ZooError(
            "a licence goes into a checkpoint, by its identifier, as in apache-2.0 or cc-by-4.0. "
            f"Received: {license!r} for the format {format}"
        )
    require_writable(out)
    more = {} if license is None else {"license": license}
    WRITERS[format](resolve.resolve(name), out, **more)
    return out


def _checkpoint(source: Path, out: Path, **more: str) -> None:
    opened, generator = checkpoint.open_checkpoint(source), load_generator(source)
    exact = {network: opened.arrays(network) for network in ("generator", "discriminator")}
    halved = {network: checkpoint.half(arrays) for network, arrays in exact.items()}
    variables = by_path(generator.model.variables)

    before = generator.sample(COMPARED_IMAGES).astype(int)
    assign(variables, halved["generator"], "generator")
    levels = np.abs(generator.sample(COMPARED_IMAGES) - before).max()
    if levels > 1:
        logger.warning(f"kernels stay in float32: half precision would change a pixel by {levels}/255")
        assign(variables, exact["generator"], "generator")

    info = {key: value for key, value in opened.info.items() if key not in ("format", "files")} | more
    info["kernels"] = "float32" if levels > 1 else "float16"
    recipe = opened.recipe.replace(
        **{
            "start": _name(opened.recipe.start),  # no paths of the machine it comes from
            "data.source": _name(opened.recipe.data.source),
        }
    )
    if "data" in info:
        info["data"] = {**info["data"], "source": recipe.data.source}
    evidence = {}
    if not opened.has_training_state:  # exported before: the weights stay the same, and what was measured of them holds
        evidence = {file: opened.content(file) for file in checkpoint.EVIDENCE if file in opened.info["files"]}
    elif source.parent.name == "checkpoints":
        info["training"] = history(Run(source.parents[1]), info["images"])
    checkpoint.save(
        out,
        recipe,
        exact if levels > 1 else halved,
        info,
        {"samples.png": pictures.png(pictures.grid(generator.sample(64))), **evidence},
    )


def _name(source: str) -> str:
    return source if source.startswith("tfds:") or resolve.is_address(source) else Path(source).name


def _keras(source: Path, out: Path) -> None:
    model = plain(load_generator(source).model)
    with replacing(out) as temporary:
        model.save(temporary)


def _savedmodel(source: Path, out: Path) -> None:
    model = load_generator(source).model
    with replacing_folder(out) as temporary:
        model.export(temporary, format="tf_saved_model", verbose=False)


def _onnx(source: Path, out: Path) -> None:
    model = levels_from_z(load_generator(source).model)
    with replacing(out) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras looks for np.object, to mend an old tf2onnx
        model.export(temporary, format="onnx", input_signature=model.inputs, verbose=False)
    logger.info(
        f"score it with: fidelity --fid --input1 {shlex.quote(str(out))} --input1-model-z-type normal "
        f"--input1-model-z-size {model.input_shape[-1]} --input1-model-num-samples 50000 --input2 IMAGES"
    )


WRITERS = {"checkpoint": _checkpoint, "keras": _keras, "onnx": _onnx, "savedmodel": _savedmodel}


def plain(model: keras.Model) -> keras.Model:
    """The same function in layers that come with Keras; a layer of ours that has such a twin names it in `plain`.

    Raises:
        ZooError: the model has other layers of our own.
    """
    own = {
        type(layer).__name__
        for layer in model.layers
        if not hasattr(layer, "plain") and not type(layer).__module__.startswith("keras.")
    }
    if own:
        others = " or ".join(format for format in WRITERS if format != "keras")
        raise ZooError(
            f"this network has layers that plain Keras does not know ({', '.join(sorted(own))}); "
            f"export it as {others}. Received: 'keras'"
        )
    twin = keras.models.clone_model(model, clone_function=_plain_layer)
    for layer in model.layers:
        weights = layer.get_weights()
        twin.get_layer(layer.name).set_weights(layer.plain_weights(weights) if hasattr(layer, "plain") else weights)
    return twin


def _plain_layer(layer: keras.Layer) -> keras.Layer:
    if hasattr(layer, "plain"):
        return layer.plain()
    config = layer.get_config()
    return type(layer).from_config(config | {key: "zeros" for key in config if key.endswith("_initializer")})


def levels_from_z(model: keras.Model) -> keras.Model:
    """z [N, Z], all the noise of a sample side by side -> uint8 [N, 3, H, W], the images of `Generator.sample`."""
    sizes = {tensor.name: tensor.shape[1] for tensor in model.inputs}
    z = keras.Input((sizes["z"] + sizes.get("noise", 0),), name="z")
    latent, noise = z[:, : sizes["z"]], z[:, sizes["z"] :]
    images = networks.generate(model, inputs.complete(model, {"z": latent, "noise": noise}))
    levels = ops.clip(ops.round((images + 1.0) * 127.5), 0, 255)
    if images.shape[-1] == 1:
        levels = ops.repeat(levels, 3, axis=-1)
    return keras.Model(z, ops.cast(ops.transpose(levels, (0, 3, 1, 2)), "uint8"), name="generator")
