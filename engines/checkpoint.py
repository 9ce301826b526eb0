"""Folders with weights: config.json beside safetensors, read strictly.

`checkpoints/<world>/<engine>/` holds what diffusers' `save_pretrained` writes, in half precision on disk and single
precision in memory. Anything missing, cut short or of another shape raises `CheckpointError`.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[1] / "checkpoints"
WEIGHTS = "diffusion_pytorch_model.safetensors"
INDEX = "diffusion_pytorch_model.safetensors.index.json"
SHARD_SIZE = "9MB"  # a Space takes no larger file without LFS


class CheckpointError(RuntimeError):
    """A weights folder cannot be used; the message names the file and the command that makes it."""


@contextmanager
def explain(folder: Path, name: str) -> Iterator[None]:
    """Turn a missing or damaged file in `folder` into a CheckpointError that says how to make it again."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        shown = f"checkpoints/{name}" if folder.is_relative_to(ROOT) else str(folder)
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{shown} cannot be loaded: {reason}. Make it with: python -m engines.training {name}") from error


def check_device(device: str) -> None:
    """Raise ValueError where torch cannot put anything on a device."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device must be one that torch finds here, such as cpu, got {device!r}: {error}".split("\n")[0]) from error


def save(model: torch.nn.Module, folder: Path) -> None:
    """Write a diffusers model in half precision, in several files where one would be larger than `SHARD_SIZE`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        copy.deepcopy(model).half().save_pretrained(unfinished, max_shard_size=SHARD_SIZE)
        for old in (*folder.glob("diffusion_pytorch_model*.safetensors"), folder / INDEX):
            old.unlink(missing_ok=True)
        for new in Path(unfinished).iterdir():
            new.replace(folder / new.name)


def load(model_type: type, folder: Path) -> torch.nn.Module:
    """Build `model_type` from its config.json and fill it from its safetensors files, in single precision."""
    config = read_config(folder)
    if config.get("_class_name") != model_type.__name__:
        raise ValueError(f"config.json describes {config.get('_class_name')}, expected {model_type.__name__}")
    known = inspect.signature(model_type.__init__).parameters
    beside = {key: value for key, value in config.items() if key not in known and not key.startswith("_")}  # for others to read
    try:
        model = model_type.from_config({key: value for key, value in config.items() if key not in beside})
        model.register_to_config(**beside)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise ValueError(f"config.json does not fit {model_type.__name__} ({error})") from error
    load_weights(model, *weight_files(folder))
    return model


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a diffusers model's weights: one, or those that its index names."""
    index = folder / INDEX
    if not index.is_file():
        return [folder / WEIGHTS]
    return [folder / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]


def read_config(folder: Path) -> dict:
    """The settings in a folder's config.json."""
    return read_json(folder / "config.json")


def read_json(path: Path) -> dict:
    """The object in a JSON file. Raises FileNotFoundError or ValueError, naming the file, when it is missing or damaged."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is missing")
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged ({error})") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path.name} is damaged (it holds no settings)")
    return config


def load_weights(module: torch.nn.Module, *paths: Path) -> None:
    """Fill a module from safetensors files: every name and every shape must match; of names that share a tensor one is enough."""
    weights = {}
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path.name} is missing")
        try:
            weights |= {key: value.float() for key, value in load_file(path).items()}
        except SafetensorError as error:
            raise ValueError(f"{path.name} is damaged ({error})") from error
    for name, twin in _shared_names(module):
        if name not in weights and twin in weights:
            weights[name] = weights[twin]
    try:
        module.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{paths[0].name} is of another model ({error})") from error


def fingerprint(folder: Path) -> str:
    """First 16 hexadecimal digits of the sha256 of all weights in a folder, "" where there are none."""
    digest, paths = hashlib.sha256(), sorted(folder.rglob("*.safetensors"))
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16] if paths else ""


def _shared_names(module: torch.nn.Module) -> list[tuple[str, str]]:
    """Pairs of names in a module's state that stand for the same tensor."""
    pointers = {name: tensor.data_ptr() for name, tensor in module.state_dict().items() if tensor.numel()}
    return [(one, other) for one, pointer in pointers.items() for other in pointers if other != one and pointers[other] == pointer]
