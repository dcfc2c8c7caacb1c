"""`{ env = "VARIABLE" }` and `{ file = "path" }`: values kept outside `mpm.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from mpm_core.errors import SettingsError

__all__ = ["Referenced", "look_up", "resolve_reference"]

MAXIMUM_FILE_BYTES = 64 * 1024


@attrs.frozen(kw_only=True)
class Referenced:
    """A text that came from elsewhere and still has to become its setting's type.

    Attributes:
        text: what was found; may be a secret.
        source: for messages: `environment variable X`, `file x.key`.
    """

    text: str = attrs.field(repr=False)
    source: str


def resolve_reference(
    value: object, *, where: str, environ: Mapping[str, str], folder: Path
) -> object:
    """Replace references by the texts they name, in lists too; other values stay as they are.

    Args:
        value: as TOML gave it.
        where: whose value it is, to begin the message: `Company 'umeme', plugin 'calin', setting
            'api_key'`.
        environ: the environment variables.
        folder: paths are relative to it: the folder of `mpm.toml`.

    Raises:
        SettingsError: a variable is not set, a file cannot be read, or the table is no reference.
    """
    if isinstance(value, list):
        return [
            resolve_reference(item, where=where, environ=environ, folder=folder) for item in value
        ]
    if not isinstance(value, Mapping):
        return value
    try:
        return look_up(value, environ=environ, folder=folder).text
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from None


def look_up(
    reference: Mapping[object, object], *, environ: Mapping[str, str], folder: Path
) -> Referenced:
    """Find the text that a reference names.

    Raises:
        ValueError: the message says what is wrong and what to do.
    """
    match list(reference.items()):
        case [("env", str(variable))]:
            return _from_environment(variable, environ)
        case [("file", str(path))]:
            return _from_file(path, folder)
        case _:
            raise ValueError(
                'a table is no value; write { env = "VARIABLE" }, { file = "path" } or the value.'
            )


def _from_environment(variable: str, environ: Mapping[str, str]) -> Referenced:
    if variable not in environ:
        raise ValueError(
            f"environment variable {variable} is not set; set it or write another value."
        )
    return Referenced(text=environ[variable], source=f"environment variable {variable}")


def _from_file(path: str, folder: Path) -> Referenced:
    source = f"file {path if path.isprintable() else repr(path)}"
    try:
        with (folder / path).open("rb") as file:
            content = file.read(MAXIMUM_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path"
        raise ValueError(
            f"{source} cannot be read ({reason}); create it or write another value."
        ) from None
    if len(content) > MAXIMUM_FILE_BYTES:
        raise ValueError(f"{source} has more than {MAXIMUM_FILE_BYTES} bytes; name another file.")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{source} is not UTF-8 text; write it anew.") from None
    return Referenced(text=text.removesuffix("\n").removesuffix("\r"), source=source)
