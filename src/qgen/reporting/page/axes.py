"""What a sweep sweeps: the config keys in which its jobs differ, those that always change together as one axis."""

from dataclasses import dataclass
from typing import Any

# Which job it is and where it lies, not what it does
ASIDE = ("seed", "run_name", "output_dir", "resume", "overwrite")
GROUPS = ("sweep.", "tracker.", "hydra.")
LONG = 40  # characters of a value in a label
Config = dict[str, Any]


@dataclass
class Axis:
    """Keys that change together over the jobs.

    `places` says of each job which of the axis's values it has, counted in the order in which they are met.
    """

    name: str  # the key that stands for all: the one that was asked for, or the first
    keys: list[str]
    places: list[int]
    labels: list[str]  # a value each
    numbers: list[float]  # the same as numbers; empty where they are none

    @property
    def brief(self) -> str:
        """The last part of its key."""
        return self.name.rpartition(".")[2]

    def values(self, config: Config) -> dict[str, str]:
        """What a config holds under each of its keys, as texts."""
        return {key: text(config.get(key, "absent"), 10 * LONG) for key in self.keys}


def axes(configs: list[Config], asked: list[dict[str, str]]) -> list[Axis]:
    """The axes of jobs: their keys in the order of the configs.

    Args:
        asked: each job's overrides, where they are known. Of keys that change together, as under `experiment=before`,
            what was asked for names the axis; where it is not known the first key does, with "…" after its values.
    """
    keys = [key for key in dict.fromkeys(key for config in configs for key in config) if _counts(key)]
    found: dict[tuple[int, ...], list[str]] = {}
    for key in keys:
        places = _places([config.get(key, "absent") for config in configs])
        if any(places):
            found.setdefault(places, []).append(key)
    return [_axis(places, keys, configs, asked) for places, keys in _own_first(found).items()]


def flat(node: object, prefix: str = "") -> Config:
    """A config's values by dotted key."""
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for name, child in node.items() for k, v in flat(child, f"{prefix}.{name}".lstrip(".")).items()}


def text(value: object, limit: int = LONG) -> str:
    """A config's value as a command line has it, cut where it is long."""
    named = {"None": "null", "True": "true", "False": "false"}
    found = f"{value:g}" if isinstance(value, float) else named.get(str(value), str(value))
    return found if len(found) <= limit else found[: limit - 1] + "…"


def _counts(key: str) -> bool:
    own = key.partition(": ")[2] or key  # `sft: stage.max_steps` is of the stage before
    return own not in ASIDE and not own.startswith(GROUPS)


def _own_first(found: dict[tuple[int, ...], list[str]]) -> dict[tuple[int, ...], list[str]]:
    """Without a stage-before's keys wherever a key of the stage itself changes with them."""
    for places, keys in found.items():
        own = [key for key in keys if ": " not in key]
        found[places] = own or keys
    return found


def _places(values: list[object]) -> tuple[int, ...]:
    seen: dict[str, int] = {}
    return tuple(seen.setdefault(repr(value), len(seen)) for value in values)


def _axis(places: tuple[int, ...], keys: list[str], configs: list[Config], asked: list[dict[str, str]]) -> Axis:
    overrides = [key for key in dict.fromkeys(key for job in asked for key in job) if _counts(key)]
    same = [key for key in overrides if _places([job.get(key, "absent") for job in asked]) == places]
    name = next((key for key in same if key in keys), same[0] if same and len(keys) > 1 else keys[0])
    first = [places.index(place) for place in range(max(places) + 1)]
    values = [configs[i].get(name, "absent") if name in keys else asked[i].get(name, "absent") for i in first]
    more = " …" if len(keys) > 1 and name not in same else ""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values) and not more
    return Axis(
        name, keys, list(places), [text(v) + more for v in values], [float(v) for v in values] if numbers else []
    )
