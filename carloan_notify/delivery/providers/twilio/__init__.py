"""Twilio: messages and calls."""
