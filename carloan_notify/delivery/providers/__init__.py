"""The vendors, a file or folder each; `pyproject.toml` names the settings of each `type`."""
