"""What all commands share: they start Hydra, and turn an error into one clear message and exit code 1.

Nothing here imports torch, so that --help, --cfg job and a mistyped key answer at once.
"""

import errno
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml.reader import ReaderError

from qgen.runs import repeat
from qgen.runtime import orphans
from qgen.settings.compose import CONF, instead, keys, naming, nearest, register, resolve
from qgen.settings.config import Config
from qgen.text import redact
from qgen.text.visible import clean

log = logging.getLogger("qgen")


def entry(task: Callable[[Any, Path, dict], Any], name: str = "config", schema: type = Config) -> Callable[[], None]:
    """Make a command of `task(config, output directory, config as plain data)`.

    Args:
        name: of the file in conf/ that composes the command's config.
        schema: the dataclass that the config becomes; its `check()` says what is wrong with the values.

    Every exception ends the command with one message on standard error and exit code 1; the traceback goes to
    the log in the output directory. Ctrl-C ends it with exit code 130.
    """

    failed: list[str] = []

    def job(cfg: DictConfig) -> Any:
        try:
            config = resolve(cfg)
        except Exception as error:
            if HydraConfig.get().mode is RunMode.MULTIRUN:  # a launcher must learn of it
                raise
            failed.append(explain(error, schema))
            return None
        try:
            out = Path(HydraConfig.get().runtime.output_dir)
            plain: Any = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
            return task(config, out, plain)
        except Exception as error:  # kept from Hydra, which would print it its own way and end a sweep
            log.exception("the job failed")
            if HydraConfig.get().mode is RunMode.MULTIRUN:
                raise
            failed.append(explain(error, schema))
            return None

    def main() -> None:
        orphans.follow()
        register(schema)
        logging.raiseExceptions = False  # a log that cannot be written must not hide why
        os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises what it finds wrong, instead of printing it
        try:
            redact.refuse(redact.overrides(given()))
            chosen = name
            if schema is Config:
                chosen = repeat.take_flag() or name
                add(naming(given()))
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=chosen)(job)()
        except KeyboardInterrupt:
            print(f"\nqgen: interrupted; what was written is kept, and {_again(schema)}", file=sys.stderr)
            sys.exit(130)
        except Exception as error:
            failed.append(explain(error, schema))
        for message in failed:
            print(f"qgen: {clean(message)}", file=sys.stderr)
        sys.exit(1 if failed else 0)

    return main


def given() -> list[str]:
    """The overrides on the command line."""
    pairs = zip(sys.argv, sys.argv[1:], strict=False)
    return [a for before, a in pairs if a[:1] != "-" and ("=" in a or a[:1] == "~") and before != repeat.FLAG]


def add(overrides: list[str]) -> None:
    """Put overrides onto the command line, and all of them to its end: argparse takes no two groups of them."""
    theirs = given()
    sys.argv[1:] = [*(a for a in sys.argv[1:] if a not in theirs), *overrides, *theirs]


def explain(error: BaseException, schema: type = Config) -> str:
    """One message for a person: what is wrong, and what to do about it, without passwords."""
    return redact.text(_explain(error, schema))


def _explain(error: BaseException, schema: type) -> str:
    text = str(error).strip() or type(error).__name__
    if _disk_full(error):
        return f"no space is left on the disk ({text.splitlines()[0]}): free some; {_again(schema)}"
    if isinstance(error, HydraException | OmegaConfBaseException) or "full_key: " in text:  # OmegaConf keeps some types
        return _explain_config(error, schema)
    if told := next((said for kind, words, said in _IN_YAML if isinstance(error, kind) and words in text), None):
        return f"{told} ({text.splitlines()[0]})"
    if "Unexpected type for root: NoneType" in text:  # OmegaConf's assertion
        return "reward.solver is null, so that its keys cannot be set: choose reward=verified, which sets it"
    known = isinstance(error, RuntimeError | ValueError | ImportError | NotImplementedError)
    where = _log_file()
    kind = "" if known else f"{type(error).__name__}: "
    return f"{kind}{text}" + (f"\nthe traceback is in {where}" if where else "")


def _again(schema: type) -> str:
    return "resume=true goes on from it" if schema is Config else "the same command goes on from it"


def _explain_config(error: BaseException, schema: type) -> str:
    """Hydra's and OmegaConf's errors, with the nearest key or choice that exists."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    message = "\n".join(filter(None, (str(e).strip() for e in chain)))
    if file := re.search(r"In '(\S+)': (\w+) raised while composing config:\n(.+)", message):
        return _explain_file(file[1], file[2], file[3], re.search(r"full_key: (\S+)", message), schema)
    if isinstance(error, OverrideParseException):
        return f"{error.override}: this override cannot be read ({str(chain[-1]).splitlines()[0]}); {_QUOTING}"
    if (ambiguous := re.search(r"Ambiguous value for argument '(.+)'\n", message)) and "=" in ambiguous[1]:
        key, value = ambiguous[1].split("=", 1)
        return (
            f"{ambiguous[1]}: several values are a sweep, which -m starts; one value with a comma in it is quoted, "
            f"\"{key}='{value}'\", and a list is {key}=[{value}]"
        )
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        options = ", ".join(error.options)
        return f"{group}={choice}: there is no such {group}{nearest(choice, error.options)} (there are: {options})"
    if told := re.search(r"ValueError raised while resolving interpolation: (.+)", message):
        return told[1]
    full = re.search(r"full_key: (\S+)", message)
    lost = re.search(r"Interpolation key '(\S+)' not found", message)
    if isinstance(chain[-1], InterpolationKeyError) and full and lost:
        return f"{full[1]}: ${{{lost[1]}}} is no key{nearest(lost[1], keys(schema))}"
    if isinstance(chain[-1], MissingMandatoryValue) and full:
        return f"{full[1]} has no value: set {full[1]}=VALUE"
    if full and not isinstance(chain[-1], ConfigAttributeError | ConfigKeyError):
        return f"{full[1]}: {str(chain[-1]).splitlines()[0]}"
    if there := re.search(r"An item is already at '(\S+)'", message):
        return f"{there[1]} is there already: set it without the +"
    named = re.search(r"Could not (?:override|append to config\.|delete from config\.) '([\w./-]+)'", message)
    if at := named if named and named[1] in set(keys(schema)) else full or named:
        name = at[1]
        if within := [key for key in keys(schema) if key.startswith(f"{name}.")]:
            return f"{name}: has no files to choose from here; its keys: {', '.join(dict.fromkeys(within))}"
        if name in set(keys(schema)):
            return f"{name}: not there in the groups that are chosen: +{name}=VALUE adds it, or choose a group with it"
        return f"{name}: there is no such key{instead(name, keys(schema))}"
    if "Incompatible key type" in message:
        return "a YAML file of the config has a key that is no word: null, true, false and numbers cannot be keys"
    return message.splitlines()[0]


def _explain_file(name: str, kind: str, told: str, full: re.Match | None, schema: type) -> str:
    """What is wrong in a YAML file, by the file's name without .yaml."""
    if full and kind in ("ConfigKeyError", "ConfigAttributeError"):
        return f"{name}.yaml: {full[1]}: there is no such key{instead(full[1], keys(schema))}"
    return f"{name}.yaml: {full[1]}: {told}" if full else f"{name}.yaml: {told}"


# what Hydra and OmegaConf let through of the config's YAML; what qgen reads itself is told by name
_IN_YAML = (
    (UnicodeDecodeError, "", "a YAML file of the config is not UTF-8: save it as UTF-8"),
    (UnicodeEncodeError, "surrogates", "a value of the config holds half a character, \\ud800 to \\udfff"),
    (ReaderError, "unacceptable character", "a YAML file of the config holds a character that no text has"),
    (ValueError, "embedded null byte", "a value of the config holds a null character"),
    (ValueError, "integer string conversion", "a number of the config is longer than Python reads"),
    (RecursionError, "", "the config's files or values refer to one another without end"),
)
_QUOTING = "a value with signs of its own is quoted: \"KEY='VALUE'\""

# safetensors' words for it, then torch.save's
_FULL = ("No space left", "PytorchStreamWriter", "inline_container", "iostream error")


def _disk_full(error: BaseException | None) -> bool:
    while error is not None:
        text = str(error)
        if getattr(error, "errno", None) == errno.ENOSPC or any(words in text for words in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def _log_file() -> Path | None:
    files = [h.baseFilename for h in logging.getLogger().handlers if isinstance(h, logging.FileHandler)]
    return next((path for path in map(Path, files) if path.is_file()), None)
