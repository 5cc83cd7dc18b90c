"""A trained generator for use elsewhere: as checkpoint, plain Keras, TensorFlow SavedModel or ONNX."""

from __future__ import annotations

import importlib.util
import json
import logging
import re
import shlex
import warnings
from pathlib import Path

import numpy as np

from zoo import networks
from zoo.checkpoints import checkpoint, labels, resolve
from zoo.checkpoints.generator import Generator
from zoo.checkpoints.loading import load_generator
from zoo.checkpoints.run import Run
from zoo.checkpoints.run_history import history
from zoo.files import pictures
from zoo.files.atomic import replacing, replacing_folder, require_new_folder, require_writable
from zoo.files.errors import ZooError
from zoo.networks.parts import inputs
from zoo.networks.parts.inputs import INPUTS
from zoo.networks.parts.lazy import keras, ops
from zoo.networks.parts.variables import assign, by_path

logger = logging.getLogger("ganzoo")

COMPARED_IMAGES = 256  # samples that decide whether half precision is good enough
SUFFIXES = {"keras": ".keras", "onnx": ".onnx", "torch-fidelity": ".onnx"}  # the other formats are folders
TENSORFLOW_ALONE = ("onnx", "savedmodel", "torch-fidelity")
NOISE_SEED = 0  # of what an exported generator does not ask for: noise maps


def export(
    name: str | Path, format: str, out: str | Path, license: str | None = None, checkpoint: str | None = None
) -> Path:
    """Writes a trained generator, whole or not at all, and returns where.

    The formats keras, savedmodel and onnx are one function: z, float32 [N, latent_dim], normal numbers, and where the
    network has it truncation, float32 [N, 1] between 0 and 1 (1: none) -> images, float32 [N, H, W, C], -1 black, 1
    white. A network with classes also takes label, int32 [N], the number of a class from 0 on; the metadata of ONNX
    files have their names, as the JSON list "classes". Equal z give equal images: noise maps are those of the first
    sample of seed 0, for every image.

    Args:
        name: what `load_generator` accepts.
        format: one of

            checkpoint      a folder with both networks and no training state, for sampling and fine-tuning; kernels
                            in half precision if that changes no pixel of 256 samples by more than 1/255
            keras           one file of standard layers, which `keras.saving.load_model` reads without `zoo`; not for
                            a network with layers that plain Keras does not know
            savedmodel      a TensorFlow SavedModel, the signature "serving_default"
            onnx            one file for ONNX Runtime and others
            torch-fidelity  one ONNX file for `fidelity --input1`: normal z [N, Z] -> uint8 [N, 3, H, W], grey
                            repeated. Z holds the latent and then the noise maps, drawn anew for every image, without
                            truncation: the distribution of `Generator.sample`. With classes, z_label [N] too

        out: a file with the format's suffix, or a folder that is new or empty.
        license: of the weights, for the card of a checkpoint: an identifier as the Hub writes it, "apache-2.0"; None
            leaves what it was.
        checkpoint: of a run: "best" (the default), "latest", "healthy" or a step, as in `load_generator`.

    Raises:
        ZooError: unknown name or format, `out` cannot be written, the network has no such format, JAX runs where
            TensorFlow must, or the optional package tf2onnx is missing.

    Example:
        >>> zoo.export("dcgan-fashion-mnist", "keras", "generator.keras")
        PosixPath('generator.keras')
    """
    out = Path(out)
    if format not in WRITERS:
        raise ZooError(f"the format must be one of {', '.join(WRITERS)}. Received: {format!r}")
    suffix = SUFFIXES.get(format)
    if suffix and (out.suffix != suffix or out.is_dir()):
        raise ZooError(f"the format {format} is a file, for instance generator{suffix}. Received: {str(out)!r}")
    if suffix:
        require_writable(out)
    else:
        require_new_folder(out)
    if format in TENSORFLOW_ALONE and keras.backend.backend() != "tensorflow":
        raise ZooError(
            f"the format {format} is written by TensorFlow; install it and set KERAS_BACKEND=tensorflow. "
            f"Received: {format!r} with KERAS_BACKEND={keras.backend.backend()}"
        )
    if suffix == ".onnx" and importlib.util.find_spec("tf2onnx") is None:
        raise ZooError(f"the format {format} needs tf2onnx; pip install 'tf2onnx>=1.17'. Received: {format!r}")
    if license is not None and (format != "checkpoint" or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,40}", license)):
        raise ZooError(
            "a licence goes into a checkpoint, by its identifier, as in apache-2.0 or cc-by-4.0. "
            f"Received: {license!r} for the format {format}"
        )
    more = {} if license is None else {"license": license}
    WRITERS[format](resolve.resolve(name, checkpoint), out, **more)
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
        out, recipe, exact if levels > 1 else halved, info, {"samples.png": _samples(generator), **evidence}
    )


def _samples(generator: Generator) -> bytes:
    said = generator.about(seed=0, labels=generator.rows()[0] if generator.classes else None)
    about = {key: value for key, value in said.items() if key != "sha256"}  # of weights before
    return pictures.png(pictures.grid(*generator.sheet()), {**about, "checkpoint": generator.recipe.name})


def _name(source: str) -> str:
    return source if source.startswith("tfds:") or resolve.is_address(source) else Path(source).name


def _keras(source: Path, out: Path) -> None:
    generator = load_generator(source)
    model = numbered(plain(generator.model))
    with replacing(out) as temporary:
        model.save(temporary)
    logger.info(signature(model, generator.classes))


def _savedmodel(source: Path, out: Path) -> None:
    generator = load_generator(source)
    model = images_from_z(generator.model)
    with replacing_folder(out) as temporary:
        model.export(temporary, format="tf_saved_model", verbose=False)
    logger.info(signature(model, generator.classes))


def _onnx(source: Path, out: Path) -> None:
    generator = load_generator(source)
    model = images_from_z(generator.model)
    _write_onnx(model, out, generator.classes)
    logger.info(signature(model, generator.classes))


def _torch_fidelity(source: Path, out: Path) -> None:
    generator = load_generator(source)
    model = levels_from_z(generator.model)
    _write_onnx(model, out, generator.classes)
    logger.info(
        f"score it with: fidelity --fid --input1 {shlex.quote(str(out))} --input1-model-z-type normal "
        f"--input1-model-z-size {model.inputs[0].shape[-1]} --input1-model-num-samples 50000 --input2 IMAGES"
        + (f" --input1-model-num-classes {len(generator.classes)}" if generator.classes else "")
    )


def _write_onnx(model: keras.Model, out: Path, classes: tuple[str, ...]) -> None:
    """Writes the file. Its metadata have the names of the classes, in the order of their numbers, as JSON."""
    import onnx

    takes = model.inputs if len(model.inputs) == 1 else [{tensor.name: tensor for tensor in model.inputs}]
    with replacing(out) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras looks for np.object, to mend an old tf2onnx
        model.export(temporary, format="onnx", input_signature=takes, verbose=False)
        if classes:
            written = onnx.load(temporary)
            written.metadata_props.add(key="classes", value=json.dumps(classes))
            onnx.save(written, temporary)


WRITERS = {
    "checkpoint": _checkpoint,
    "keras": _keras,
    "savedmodel": _savedmodel,
    "onnx": _onnx,
    "torch-fidelity": _torch_fidelity,
}


def signature(model: keras.Model, classes: tuple[str, ...] = ()) -> str:
    """What an exported generator takes and gives, in words."""
    kinds = [INPUTS[tensor.name] for tensor in model.inputs]
    meanings = [kind.meaning + (f", {labels.numbered(classes)}" if kind.one_hot else "") for kind in kinds]
    takes = " and ".join(
        f"{tensor.name}, {tensor.dtype} [{', '.join(map(str, ('N', *tensor.shape[1:])))}] ({meaning})"
        for tensor, meaning in zip(model.inputs, meanings, strict=True)
    )
    shape = ", ".join(map(str, model.outputs[0].shape[1:]))
    return f"it takes {takes}; it gives images, float32 [N, {shape}], -1 black to 1 white"


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


def _numbered(classes: int, name: str, dtype: str) -> tuple:
    """An input for the number of a class, [N], and the one-hot label [N, classes] that it stands for."""
    number = keras.Input((), dtype=dtype, name=name)
    return number, ops.one_hot(number, classes, dtype="float32")


def _outside(tensors: list) -> tuple[list, dict]:
    """Inputs that stand for these of a generator, and what they are inside it: outside, a class is a whole number."""
    outside, inside = [], {}
    for tensor in tensors:
        if INPUTS[tensor.name].one_hot:
            number, inside[tensor.name] = _numbered(tensor.shape[1], tensor.name, "int32")
            outside.append(number)
        else:
            outside.append(keras.Input(tensor.shape[1:], name=tensor.name))
            inside[tensor.name] = outside[-1]
    return outside, inside


def _model(outside: list, images) -> keras.Model:
    return keras.Model(outside if len(outside) > 1 else outside[0], images, name="generator")


def numbered(model: keras.Model) -> keras.Model:
    """The same generator, which takes the number of a class, int32 [N], where it took a one-hot label."""
    if not any(INPUTS[tensor.name].one_hot for tensor in model.inputs):
        return model
    outside, inside = _outside(model.inputs)
    return _model(outside, networks.generate(model, inside))


def images_from_z(model: keras.Model) -> keras.Model:
    """The function that is exported -> float32 [N, H, W, C].

    It takes z [N, Z], and where the network has them truncation [N, 1] and label, int32 [N]. Every image has one style
    for all layers, as in `Generator.sample`, and the noise maps of the first sample of NOISE_SEED.
    """
    outside, asked = _outside([tensor for tensor in model.inputs if INPUTS[tensor.name].asked])
    one = ops.ones_like(asked["z"][:, :1])
    first = inputs.Sampler(model, NOISE_SEED)
    rest = [name for name in inputs.drawn(model) if name not in asked]
    fixed = {name: ops.matmul(one, first.draw(name, 1)) for name in rest}  # the same for each image
    images = networks.generate(model, inputs.complete(model, fixed | asked))
    return _model(outside, ops.clip(images, -1.0, 1.0))


def levels_from_z(model: keras.Model) -> keras.Model:
    """z [N, Z], all the noise of a sample side by side, and z_label, int64 [N], where the network has classes.

    -> uint8 [N, 3, H, W], the images of `Generator.sample`. torch-fidelity goes by the order of the inputs, and an ONNX
    file has them in that of their names.
    """
    sizes = {name: size for name, (size,) in inputs.drawn(model).items()}
    outside, inside = [], {}
    for name in [name for name in sizes if INPUTS[name].one_hot]:
        number, inside[name] = _numbered(sizes.pop(name), "z_label", "int64")
        outside.append(number)
    z = keras.Input((sum(sizes.values()),), name="z")
    start = 0
    for name, size in sizes.items():
        inside[name] = z[:, start : start + size]
        start += size
    images = networks.generate(model, inputs.complete(model, inside))
    levels = ops.clip(ops.round((images + 1.0) * 127.5), 0, 255)
    if images.shape[-1] == 1:
        levels = ops.repeat(levels, 3, axis=-1)
    return _model([z, *outside], ops.cast(ops.transpose(levels, (0, 3, 1, 2)), "uint8"))
