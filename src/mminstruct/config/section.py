"""The base of every section of the config: frozen, and an unknown key is an error."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the config file; subclasses give each key its type, its default and one sentence of description."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
