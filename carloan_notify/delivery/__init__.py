"""Dispatcher and providers."""
