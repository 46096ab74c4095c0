"""The simulator as the command line starts it."""

from pathlib import Path

import pydantic
import yaml

from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults
from carloan_notify.errors import ConfigError


def make_simulator(port: int, seed: int, faults: Path | None) -> Simulator:
    """A simulator with the faults of a YAML file, or without any.

    Raises:
        ConfigError: the file holds unknown or impossible faults.
    """
    if faults is None:
        return Simulator(Faults(), seed=seed, port=port)
    try:
        given = yaml.safe_load(faults.read_text(encoding="utf-8")) or {}
        return Simulator(Faults.model_validate(given), seed=seed, port=port)
    except yaml.YAMLError as error:
        raise ConfigError([f"{faults}: not valid YAML: {' '.join(str(error).split())}"]) from error
    except pydantic.ValidationError as error:
        raise ConfigError(
            [f"{faults}: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        ) from None
