"""The base of every settings class; the classes themselves live beside the code that uses them."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen options; an unknown key is an error. Every field carries a description and, if useful, examples."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
