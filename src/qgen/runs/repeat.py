"""Running a stage again from what it left behind: python -m qgen.train --from outputs/NAME/sft [key=value ...]"""

import sys
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from qgen.runs import rundir
from qgen.runs.files import read_json
from qgen.runs.origin import origin
from qgen.settings.compose import CONF
from qgen.settings.config import to_yaml

FLAG = "--from"
home: Path | None = None  # the directory that this process repeats


def flags() -> list[str]:
    """What a child process needs on its command line to repeat the same."""
    return [FLAG, str(home)] if home else []


def take_flag() -> str | None:
    """Take --from DIR off the command line, and make the config of that directory known to Hydra.

    Returns that config's name; None where the flag is absent. Raises RuntimeError where the directory holds no
    stage, or where what the stage started from is not what it was.
    """
    global home
    if FLAG not in sys.argv:
        return None
    at = sys.argv.index(FLAG)
    if at + 1 == len(sys.argv) or ("=" in sys.argv[at + 1] and not Path(sys.argv[at + 1]).is_dir()):
        raise RuntimeError(f"{FLAG} needs the directory of a stage: {FLAG} outputs/NAME/sft")
    home = Path(sys.argv[at + 1])
    del sys.argv[at : at + 2]
    if not (home / rundir.CONFIG).is_file():
        raise RuntimeError(f"{FLAG} {home}: it holds no {rundir.CONFIG}; name a stage's directory, as outputs/NAME/sft")
    config = rundir.config_at(home)
    config.run_name += "-again"
    config.output_dir = "outputs"
    config.scale = 1.0  # its numbers are scaled already
    config.resume = config.overwrite = False
    config.stage.init_from = _origin(home)
    hydra = OmegaConf.load(CONF / "config.yaml").hydra
    chosen = [{"override hydra/launcher": "processes"}, {"override hydra/job_logging": "file"},
              {"override hydra/hydra_logging": "disabled"}]  # fmt: skip
    node = OmegaConf.create(to_yaml(config))
    ConfigStore.instance().store(
        name="repeat", node={"defaults": ["schema", *chosen, "_self_"], **node, "hydra": hydra}
    )
    return "repeat"


def _origin(home: Path) -> str:
    """What the stage of a directory started from, as stage.init_from names it."""
    environment = read_json(home / rundir.ENVIRONMENT)
    if "started_from" not in environment:
        raise RuntimeError(f"{home} has no whole {rundir.ENVIRONMENT}: nothing says what the stage was started from")
    started = environment["started_from"]
    if started == "base":
        return started
    if (found := origin(home)) is not None:
        return str(found)
    rundir.adapter_at(Path(started))  # which says where there is none
    raise RuntimeError(f"{home} was started from {started}, which holds another adapter now")
