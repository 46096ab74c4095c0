"""Nightly payment reminders and status messages for car-loan lenders."""

__version__ = "0.1.0"
