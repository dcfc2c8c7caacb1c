"""The OpenAPI 3.1 document, made of the operations and of the very classes that read and write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version

import msgspec

from mpm_core import Secret
from mpm_host.web.api.operation import Method, Operation
from mpm_host.web.api.problems import MEDIA_TYPE, Problem
from mpm_host.web.api.routes import PREFIX

__all__ = ["describe_api"]

_REF = "#/components/schemas/{name}"
_JSON = "application/json"
_EXPORT_ROW = "ExportRow"
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repeated request with the same key gets the first answer and does nothing.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
Json = dict[str, object]
_PATH_PARTS: Mapping[str, Json] = {
    "id": {"type": "string", "pattern": "^[0-9a-z]{1,64}$"},
    "appliance_id": {"type": "string", "pattern": "^[0-9a-z]{1,64}$"},
    "instance": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"},
    "number": {"type": "integer", "minimum": 1, "maximum": 1000},
}


def describe_api(operations: Iterable[Operation], server: str) -> Json:
    """Return the document.

    Args:
        operations: everything the API can do.
        server: where callers reach this host.
    """
    listed = tuple(operations)
    schemas, components = _schemas(listed)
    paths: dict[str, Json] = {}
    for operation in listed:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(
            operation, schemas
        )
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "mpm",
            "version": version("mpm-host"),
            "description": "Mobile-money payments for prepaid energy devices.",
        },
        "servers": [{"url": server}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, or the bearer of a session.",
                }
            },
        },
    }
    return {name: _portable(part) for name, part in document.items()}


def _portable(part: object) -> object:
    """Write the end of patterns as JSON Schema does, where no newline may follow `$`."""
    match part:
        case dict():
            return {name: _portable(value) for name, value in part.items()}
        case list():
            return [_portable(value) for value in part]
        case str():
            return part.replace(r"\Z", "$")
        case _:
            return part


def _schemas(operations: tuple[Operation, ...]) -> tuple[Mapping[object, Json], Json]:
    """Return the schema of every class, and the components they refer to."""
    kinds: list[object] = [Problem]
    for operation in operations:
        kinds += [
            kind
            for kind in (operation.body, operation.query, operation.answer)
            if kind is not None and kind not in kinds
        ]
    found, components = msgspec.json.schema_components(
        kinds, schema_hook=_schema_of, ref_template=_REF
    )
    schemas: Mapping[object, Json] = dict(zip(kinds, found, strict=True))
    for operation in operations:  # a query is described by its parameters, each alone
        if operation.query is not None:
            components.pop(_name_of(schemas[operation.query]), None)
    row: Json = {"type": "object", "additionalProperties": {"type": "string"}}
    return schemas, _titled({**components, _EXPORT_ROW: {"title": _EXPORT_ROW, **row}})


def _name_of(schema: Json) -> str:
    """Return the name of the component that a reference leads to."""
    return str(schema["$ref"]).rpartition("/")[2]


def _titled(components: Json) -> Json:
    """Give every map that is a member a title: generated clients make a class of each."""
    for name, component in components.items():
        for member, schema in component.get("properties", {}).items():  # type: ignore[attr-defined]  # a JSON schema
            if schema.get("type") == "object":
                words = member.title().replace("_", "")
                schema.setdefault("title", f"{name}{words}")
    return components


def _schema_of(kind: type) -> Json:
    """Return the schema of what msgspec does not know by itself."""
    if kind is Secret:
        return {"type": "string", "format": "password", "writeOnly": True}
    if kind is object:
        return {"description": "Any JSON value."}
    raise NotImplementedError(kind)


def _operation(operation: Operation, schemas: Mapping[object, Json]) -> Json:
    described: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": _details(operation),
        "parameters": _parameters(operation, schemas),
        "responses": _responses(operation, schemas),
    }
    if operation.public:
        described["security"] = []
    if operation.body is not None:
        content: Json = {_JSON: {"schema": schemas[operation.body]}}
        described["requestBody"] = {"required": True, "content": content}
    if operation.takes is not None:
        raw: Json = {operation.takes: {"schema": {"type": "string", "format": "binary"}}}
        described["requestBody"] = {"required": True, "content": raw}
    return described


def _details(operation: Operation) -> str:
    parts = [operation.details]
    if operation.permission is not None:
        parts.append(f"Needs permission `{operation.permission.value}`.")
    if operation.elevated:
        parts.append("Needs the protected-pages password: see `POST /elevations`.")
    return " ".join(part for part in parts if part)


def _parameters(operation: Operation, schemas: Mapping[object, Json]) -> list[Json]:
    names = re.findall(r"\{(\w+)\}", operation.path)
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_PARTS[name]}
        for name in names
    ]
    if operation.method is Method.POST:
        parameters.append(_IDEMPOTENCY)
    if operation.query is not None:
        schema = msgspec.json.schema(operation.query, ref_template=_REF)
        own: Json = schema["$defs"][_name_of(schemas[operation.query])]
        required = own.get("required", [])
        properties: Mapping[str, Json] = own["properties"]  # type: ignore[assignment]  # a JSON schema
        parameters += [
            {
                "name": field,
                "in": "query",
                "required": field in required,  # type: ignore[operator]  # a list
                "schema": _without_null(each),
            }
            for field, each in properties.items()
        ]
    return parameters


def _without_null(schema: Json) -> Json:
    """A parameter that may be left out is left out, never null."""
    choices = schema.get("anyOf")
    if not isinstance(choices, list):
        return schema
    kept = [each for each in choices if each != {"type": "null"}]
    return kept[0] if len(kept) == 1 else {"anyOf": kept}


def _responses(operation: Operation, schemas: Mapping[object, Json]) -> Json:
    success: Json = {"description": HTTPStatus(operation.status).phrase}
    if operation.answer is not None:
        success["content"] = {_JSON: {"schema": schemas[operation.answer]}}
    elif operation.downloads:
        success["content"] = {kind: {"schema": _file(kind)} for kind in operation.downloads}
    problem: Json = {MEDIA_TYPE: {"schema": schemas[Problem]}}
    responses: Json = {str(operation.status): success}
    for status in _problem_statuses(operation):
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": problem}
    return responses


def _file(media_type: str) -> Json:
    """Return the schema of a downloaded file: rows of texts, if it is JSON."""
    if media_type != _JSON:
        return {"type": "string"}
    return {"type": "array", "items": {"$ref": _REF.format(name=_EXPORT_ROW)}}


def _problem_statuses(operation: Operation) -> list[int]:
    """Return every status that this operation can answer besides success."""
    statuses = {400, 404, 413, 422, 503}
    if not operation.public:
        statuses |= {401, 403}
    if operation.body is not None or operation.takes is not None:
        statuses.add(415)
    if operation.method is not Method.GET:
        statuses |= {403, 409, 429}
    return sorted(statuses)
