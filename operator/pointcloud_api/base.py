"""The base of every model: camelCase on the wire, snake_case in Python, immutable in both."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """An immutable value read from or written to JSON with camelCase names.

    Unknown fields are ignored, because a resource may have been written by a newer version of the operator.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )
