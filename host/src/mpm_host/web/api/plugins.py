"""`/plugins` and `/manufacturers`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import attrs
import msgspec
from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core import DeviceKind, PluginKind, SettingsError
from mpm_core.discovery import canonical_name
from mpm_core.settings import describe
from mpm_host.access.roles import Permission
from mpm_host.companies.company_views import callback_urls, instance_view
from mpm_host.companies.instance_changes import InstanceChangedError
from mpm_host.directory import InstanceState
from mpm_host.plugins.instance_settings import InstanceTable
from mpm_host.plugins.plugin_views import setting_view
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.values import Body, Name, View

__all__ = ["OPERATIONS"]

# The other host's keys open the host's own network, or belong to whoever runs it.
_OPTIONS = frozenset({"allowed_addresses", "minimum_amount", "maximum_amount"})
_TRIES = 5  # when others change the same instance at the same time


class Instance(View, frozen=True, kw_only=True):
    """A company's instance of a plugin; secrets are masked."""

    instance: str
    plugin: str
    kind: PluginKind | None
    state: InstanceState
    managed_by_configuration: bool
    problem: str
    callback_urls: dict[str, str]
    options: dict[str, object]
    settings: dict[str, object]


class Setting(View, frozen=True, kw_only=True):
    """What a plugin asks for."""

    name: str
    type: str
    limits: str
    required: bool
    secret: bool
    default: str
    help: str


class AvailablePlugin(View, frozen=True, kw_only=True):
    """A plugin that this installation allows."""

    plugin: str
    title: str
    kind: PluginKind
    settings: list[Setting]


class Plugins(View, frozen=True, kw_only=True):
    """The company's instances, and the plugins it may use."""

    instances: list[Instance]
    available: list[AvailablePlugin]


class InstanceChange(Body, frozen=True, kw_only=True):
    """How an instance should be.

    `settings` are put over those it has: what is not named stays, null takes a setting out.
    Secrets are written and never read.
    """

    enabled: bool = True
    use: Name | None = None
    settings: Annotated[dict[str, object], Meta(max_length=100)] = msgspec.field(
        default_factory=dict
    )


class Manufacturer(View, frozen=True, kw_only=True):
    """An enabled manufacturer, with what registration must know."""

    instance: str
    title: str
    device_kinds: list[DeviceKind]
    serial_pattern: str
    example_serial: str
    details: list[Setting]


class Manufacturers(View, frozen=True, kw_only=True):
    """The manufacturers a device may be of."""

    items: list[Manufacturer]


def _list(call: Call, _connection: Connection) -> Plugins:
    host = call.context.host
    catalog = host.house.catalog
    installed = {each.name for each in catalog.installed() if not each.problem}
    return Plugins(
        instances=[
            _instance(call, each.name)
            for each in host.house.directory.instances_of(call.company.id)
        ],
        available=[_available(call, name) for name in sorted(catalog.allowed & installed)],
    )


def _available(call: Call, name: str) -> AvailablePlugin:
    manifest = call.context.host.house.catalog.load(name).manifest
    return AvailablePlugin(
        plugin=name,
        title=manifest.title,
        kind=manifest.kind,
        settings=[Setting(**setting_view(each)) for each in describe(manifest.settings_class)],  # type: ignore[arg-type]  # plain values by name
    )


def _instance(call: Call, name: str) -> Instance:
    host = call.context.host
    record = host.companies.find_instance(call.company.company.slug, name)
    shown = instance_view(host, record)
    return Instance(
        instance=record.name,
        plugin=record.plugin,
        kind=record.facts.kind if record.facts else None,
        state=record.state,
        managed_by_configuration=record.managed,
        problem=record.problem,
        callback_urls=callback_urls(host, record),
        options=_mapping(shown["options"]),
        settings=_mapping(shown["settings"]),
    )


def _show(call: Call, _connection: Connection) -> Instance:
    return _instance(call, call.path["instance"])


def _put(call: Call) -> Instance:
    for _ in range(_TRIES - 1):
        try:
            return _put_once(call)
        except InstanceChangedError:  # it knows now what there is
            continue
    return _put_once(call)


def _put_once(call: Call) -> Instance:
    given, name = call.body_as(InstanceChange), call.path["instance"]
    companies, slug = call.context.host.companies, call.company.company.slug
    companies.check_changeable(slug)
    known = call.context.host.house.directory.instance_named(call.company.id, name)
    plugin = given.use or (known.plugin if known else name)
    if given.enabled or given.settings or given.use or known is None:
        is_another = known is not None and known.plugin != canonical_name(plugin)
        stored = InstanceTable() if is_another else companies.stored_table(slug, name)
        table = _changed(stored, given.settings, name)
        companies.configure(slug, name, plugin, table, call.actor, enabled=given.enabled)
    else:
        companies.disable(slug, name, call.actor)
    return _instance(call, name)


def _changed(table: InstanceTable, given: Mapping[str, object], name: str) -> InstanceTable:
    new = InstanceTable.split(given)
    foreign = sorted(new.options.keys() - _OPTIONS)
    if foreign:
        raise SettingsError(
            f"Instance {name!r}: {foreign[0]!r} is not for a company to set; of the host's own "
            f"keys these are: {', '.join(sorted(_OPTIONS))}."
        )
    return attrs.evolve(
        table,
        options=_merged(table.options, new.options),
        settings=_merged(table.settings, new.settings),
    )


def _merged(before: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    merged = {**before, **given}
    return {name: value for name, value in merged.items() if value is not None}


def _delete(call: Call) -> None:
    slug, name = call.company.company.slug, call.path["instance"]
    call.context.host.companies.remove(slug, name, call.actor)


def _manufacturers(call: Call, _connection: Connection) -> Manufacturers:
    house = call.context.host.house
    plans = [
        (each.name, plan.plugin.manifest)
        for each in house.directory.instances_of(call.company.id)
        if each.takes_new_work and (plan := house.plan_of(each.id)) is not None
    ]
    return Manufacturers(
        items=[
            Manufacturer(
                instance=name,
                title=manifest.title,
                device_kinds=sorted(manifest.device_kinds),
                serial_pattern=manifest.serial_pattern.pattern,
                example_serial=manifest.example_serial,
                details=[
                    Setting(**setting_view(each))  # type: ignore[arg-type]  # plain values by name
                    for each in (describe(manifest.details_class) if manifest.details_class else ())
                ],
            )
            for name, manifest in plans
            if manifest.kind is PluginKind.MANUFACTURER
        ]
    )


def _mapping(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}


OPERATIONS = (
    Operation(
        method=Method.GET,
        path="/plugins",
        name="list_plugins",
        tag="plugins",
        summary="List the company's plugins, and those it may use.",
        permission=Permission.PLUGINS_READ,
        answer=Plugins,
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/plugins/{instance}",
        name="show_plugin",
        tag="plugins",
        summary="Show an instance of a plugin.",
        permission=Permission.PLUGINS_READ,
        answer=Instance,
        read=_show,
    ),
    Operation(
        method=Method.PUT,
        path="/plugins/{instance}",
        name="put_plugin",
        tag="plugins",
        summary="Add, change, enable or disable an instance of a plugin.",
        details="A disabled one finishes what was promised and takes nothing new.",
        permission=Permission.PLUGINS_WRITE,
        body=InstanceChange,
        answer=Instance,
        act=_put,
    ),
    Operation(
        method=Method.DELETE,
        path="/plugins/{instance}",
        name="remove_plugin",
        tag="plugins",
        summary="Stop an instance altogether; its orders wait for a person, its history stays.",
        permission=Permission.PLUGINS_WRITE,
        status=204,
        act=_delete,
    ),
    Operation(
        method=Method.GET,
        path="/manufacturers",
        name="list_manufacturers",
        tag="plugins",
        summary="List the manufacturers a device may be of.",
        permission=Permission.DEVICES_READ,
        answer=Manufacturers,
        read=_manufacturers,
    ),
)
