"""YAML to validated settings: all errors at once, each with its dotted path."""
