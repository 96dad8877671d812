"""From files and a command line to a Config: Hydra's side, with the resolvers that the YAML files use.

Only this module and cli.py know Hydra's types. Importing them must stay fast: nothing here may import torch.
"""

import copy
import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from qgen.settings import ranges
from qgen.settings.config import Config
from qgen.settings.stage import STAGES
from qgen.text import redact

_HERE = Path(__file__).resolve().parents[1]
_UNNAMED = ("resume", "overwrite", "sweep.jobs", "sweep.retry")  # keys that do not make another job
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parents[1] / "conf"  # installed, or a checkout


def by_stage(*values: Any, _root_: DictConfig) -> Any:
    """The resolver behind ${by_stage:200,100,80}: of a value for each stage, that for the one being composed."""
    if _root_.stage.name not in STAGES:
        raise ValueError(f"stage.name={_root_.stage.name} is none of {', '.join(STAGES)}")
    if len(values) != len(STAGES):
        raise ValueError(f"by_stage takes a value for each of {', '.join(STAGES)}, not {len(values)}")
    return values[STAGES.index(_root_.stage.name)]


def reward_for(model: str) -> str:
    """The resolver behind ${reward_for:...}: the reward of a file of conf/model where none is chosen. It is `proved`
    where the model was seen to solve problems well enough to be believed, else `seed`, which asks nobody."""
    return "proved" if model == "qwen_coder" else "seed"


def folder(name: str) -> str:
    """The resolver behind ${folder:...}: a name that a file system takes, cut and hashed where it is long."""
    name = name.replace("/", "_") or "job"
    if len(name.encode()) <= 120:
        return name
    cut = name.encode()[:100].decode(errors="ignore")
    return f"{cut}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def register(schema: type = Config) -> None:
    """Make a command's schema and the resolvers known to Hydra; calling it again changes nothing."""
    ConfigStore.instance().store(name="schema", node=schema)
    OmegaConf.register_new_resolver("by_stage", by_stage, replace=True)
    OmegaConf.register_new_resolver("reward_for", reward_for, replace=True)
    OmegaConf.register_new_resolver("folder", folder, replace=True)
    OmegaConf.register_new_resolver("home", ranges.home, replace=True)  # Hydra makes the directory before it runs a job


def naming(arguments: list[str]) -> list[str]:
    """The override under which a sweep's jobs are named by what is swept alone.

    Args:
        arguments: the overrides on a command line; those that Hydra cannot read are left for it to refuse.
    """
    constant, swept = list(_UNNAMED), set()
    for text in arguments:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            continue
        if override.is_sweep_override():
            swept.add(override.key_or_group)
        else:
            constant.append(override.key_or_group)
    constant = [key for key in constant if key not in swept]
    return [f"hydra.job.config.override_dirname.exclude_keys=[{','.join(map(quoted, constant))}]"]


def quoted(value: str) -> str:
    """A value that Hydra's override grammar takes literally."""
    doubled = re.sub(r"(\\+)(?='|$)", r"\1\1", value)  # Hydra reads \\ as one only where a quote follows
    return "'" + doubled.replace("'", "\\'") + "'"


def resolve(cfg: DictConfig) -> Any:
    """Turn a composed config into plain typed objects of its schema and check them.

    Raises omegaconf's MissingMandatoryValue or ValidationError, or ValueError; each names the key.
    """
    for key in _unknown(cfg):
        raise ValueError(f"{key}: there is no such key{instead(key, keys(OmegaConf.get_type(cfg) or Config))}")
    config: Any = OmegaConf.to_object(cfg)
    redact.refuse(redact.leaves(OmegaConf.to_container(cfg, resolve=True)))
    if isinstance(config, Config):
        config.shorten()
    config.check()
    return config


def composed(overrides: list[str]) -> Config:
    """The checked config of a command line, composed outside of a Hydra job or inside one."""
    register()
    current = HydraConfig.instance()
    before = current.cfg
    initialized = GlobalHydra.instance().is_initialized()
    with nullcontext() if initialized else initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides, return_hydra_config=True)
    try:
        current.set_config(cfg)  # run_name reads the groups' choices
        del cfg.hydra
        return resolve(cfg)
    finally:
        current.cfg = before


def compose_job(context: HydraContext, config: DictConfig, overrides: list[str], index: int) -> tuple[DictConfig, str]:
    """A sweep's job as Hydra's own launchers compose it: its settings, and its directory's name in the sweep's. Its
    run_name can be resolved until the next is composed."""
    cfg = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(cfg):
        cfg.hydra.job.id = cfg.hydra.job.num = index
    HydraConfig.instance().set_config(cfg)
    name = str(cfg.hydra.sweep.subdir)
    settings = copy.deepcopy(cfg)
    with open_dict(settings):
        del settings.hydra
    return settings, name


def keys(schema: type = Config, prefix: str = "") -> Iterator[str]:
    """All keys that can be set, dotted; those of open groups (reward.terms, ...) as the shipped files name them."""
    for item in fields(schema):
        name = f"{prefix}{item.name}"
        yield name
        if isinstance(item.type, type) and is_dataclass(item.type):
            yield from keys(item.type, f"{name}.")
    if schema is Config:
        for file in CONF.glob("*/*.yaml"):
            if file.parent.name not in ("accelerate", "experiment", "paper"):
                under = "" if file.read_text("utf-8").startswith("# @package _global_") else f"{file.parent.name}."
                yield from (f"{under}{key}" for key in _dotted(OmegaConf.load(file)))


FEW = 12  # keys that a message can list


def nearest(name: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' for a name that does not exist, or nothing where no known one is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def instead(name: str, known: Iterable[str]) -> str:
    """What may have been meant by a key that does not exist: the nearest, else all of them where those are few."""
    there = list(known)
    few = sorted(one for one in there if "." not in one)
    return nearest(name, there) or (f"; there are {', '.join(few)}" if len(few) <= FEW else "")


def _unknown(node: Any, prefix: str = "") -> Iterator[str]:
    """Keys that '+key=value' put where the schema has none: Hydra lets them through."""
    schema = OmegaConf.get_type(node)
    known = {item.name for item in fields(schema)} if is_dataclass(schema) else None
    for name in node:
        if known is not None and name not in known:
            yield f"{prefix}{name}"
        elif isinstance(child := node._get_node(name), DictConfig) and not child._is_none():
            yield from _unknown(child, f"{prefix}{name}.")


def _dotted(node: Any, prefix: str = "") -> Iterator[str]:
    for name in node:
        yield f"{prefix}{name}"
        if isinstance(node._get_node(name), DictConfig):
            yield from _dotted(node[name], f"{prefix}{name}.")
