"""A provider on this machine with seeded faults, to rehearse an evening end to end."""

from carloan_notify.delivery.simulator.presets import SIMULATOR_SMS, SIMULATOR_VOICE, simulator_settings
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults

__all__ = ["SIMULATOR_SMS", "SIMULATOR_VOICE", "Faults", "Simulator", "simulator_settings"]
