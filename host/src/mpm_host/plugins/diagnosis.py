"""What works and what does not, for `mpm doctor`: every instance, and what to type next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import attrs
import sqlalchemy as sa

from mpm_core import MpmError, NotSupported, PluginLoadError, UserError
from mpm_core.deprecations import deprecation_notices
from mpm_core.discovery import InstalledPlugin
from mpm_core.settings.values import did_you_mean
from mpm_host.database.tables import attempts, orders
from mpm_host.directory import CompanyRecord, InstanceRecord, InstanceState
from mpm_host.host import Host
from mpm_host.identifiers import new_identifier
from mpm_host.plugins.instance_loading import called_urls
from mpm_host.plugins.waiting_remarks import waiting_remarks

__all__ = ["Diagnosis", "Finding", "diagnose"]

_CHECKS_AT_ONCE = 8
_ATTEMPTS_LOOKED_AT = 10_000  # the newest; older troubles are history
_FAILURES = ("not_sent", "throttled", "unknown", "refused")


@attrs.frozen(kw_only=True)
class Finding:
    """One instance's condition.

    Attributes:
        installed: whether its plugin is.
        allowed: whether `mpm.toml` lets it be imported.
        compatible: whether it was made for this core; none if it is not installed.
        enabled: whether it takes new work.
        configured: whether it could be made from its settings.
        reachable: whether the other side answers; none if that was not asked.
        detail: what the other side said, or why it was not asked.
        problem: what is wrong; empty if nothing is.
        last_error: of its newest orders, with the time.
        next: what to type or do; empty if nothing is to be done.
    """

    company: str
    instance: str
    plugin: str
    state: str
    installed: bool
    allowed: bool
    compatible: bool | None
    enabled: bool
    configured: bool
    reachable: bool | None = None
    detail: str = ""
    problem: str = ""
    last_error: str = ""
    next: str = ""


@attrs.frozen(kw_only=True)
class Diagnosis:
    """Everything `mpm doctor` says.

    Attributes:
        findings: one per instance.
        remarks: what is wrong, or to be done, beside any instance.
        plain_http: instances and URLs that production calls without TLS, by permission.
        private_addresses: instances that production lets call our own network.
        notices: what of the contract goes away and is used still; it works.
    """

    production: bool
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()
    plain_http: tuple[str, ...] = ()
    private_addresses: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.remarks and not any(finding.problem for finding in self.findings)


def diagnose(host: Host, *, slug: str | None = None) -> Diagnosis:
    """Look at every instance, or at those of one company; asks the vendors, changes nothing.

    Raises:
        ServiceRefused: there is no such company.
    """
    directory = host.house.directory
    companies = _companies(host, slug)
    pairs = [
        (company, record) for company in companies for record in directory.instances_of(company.id)
    ]
    errors = _last_errors(host)
    installed = {each.name: each for each in host.house.catalog.installed()}
    with ThreadPoolExecutor(_CHECKS_AT_ONCE) as pool:
        findings = pool.map(
            lambda pair: _finding(
                host, pair[0], pair[1], installed.get(pair[1].plugin), errors.get(pair[1].id, "")
            ),
            pairs,
        )
    records = [record for _, record in pairs]
    production = host.config.host.production
    return Diagnosis(
        production=production,
        findings=tuple(findings),
        remarks=(*_remarks(host, slug), *waiting_remarks(host, companies)),
        plain_http=tuple(_plain_http(host, records)) if production else (),
        private_addresses=tuple(_private_addresses(host, records)) if production else (),
        notices=tuple(_notices(host, records)),
    )


def _companies(host: Host, slug: str | None) -> Sequence[CompanyRecord]:
    if slug is None:
        records = host.house.directory.companies.values()
        return sorted(records, key=lambda record: record.company.slug)
    if slug in host.config.companies and slug not in host.house.directory.by_slug:
        return ()  # a remark says that it is only declared
    return (host.companies.find(slug),)


def _finding(
    host: Host,
    company: CompanyRecord,
    record: InstanceRecord,
    plugin: InstalledPlugin | None,
    last_error: str,
) -> Finding:
    finding = Finding(
        company=company.company.slug,
        instance=record.name,
        plugin=record.plugin,
        state=record.state.value,
        installed=plugin is not None,
        allowed=record.plugin in host.house.catalog.allowed,
        compatible=plugin.compatible if plugin else None,
        enabled=record.state is InstanceState.ENABLED,
        configured=host.house.plan_of(record.id) is not None,
        problem=record.problem,
        last_error=last_error,
    )
    if record.state is InstanceState.REMOVED:
        return attrs.evolve(finding, detail="removed")
    if record.state is InstanceState.UNCONFIGURED:
        finding = attrs.evolve(finding, problem="It has no settings yet.")
    elif not finding.problem:
        finding = _asked(host, company, finding)
    return attrs.evolve(finding, next=_next_step(host, finding, record, plugin))


def _asked(host: Host, company: CompanyRecord, finding: Finding) -> Finding:
    """Ask the other side whether it is there."""
    plugins = host.house.plugins_of(company.id)
    try:
        health = plugins.check(finding.instance, correlation_id=new_identifier())
    except NotSupported:
        return attrs.evolve(finding, detail="The plugin has no check.")
    except MpmError as error:
        return attrs.evolve(finding, reachable=False, problem=str(error))
    problem = "" if health.ok else health.detail or "The other side does not answer."
    return attrs.evolve(finding, reachable=health.ok, detail=health.detail, problem=problem)


def _next_step(
    host: Host, finding: Finding, record: InstanceRecord, plugin: InstalledPlugin | None
) -> str:
    if not finding.problem:
        return ""
    if host.house.is_gone(record):
        return f"mpm company remove {finding.company} {finding.instance}, or put its section back"
    return _next_step_of_plugin(host, finding, plugin) or _next_step_of_settings(
        host, finding, record
    )


def _next_step_of_plugin(host: Host, finding: Finding, plugin: InstalledPlugin | None) -> str:
    if not finding.allowed:
        near = did_you_mean(finding.plugin, sorted(host.house.catalog.allowed))
        return near or f'add "{finding.plugin}" to allowed_plugins in mpm.toml'
    if plugin is None:
        return f"pip install mpm-{finding.plugin}"
    if plugin.problem:
        return f"pip install --upgrade {plugin.distribution}"
    if not _can_be_imported(host, finding.plugin):
        return f"reinstall {plugin.distribution}, or tell its author"
    return ""


def _can_be_imported(host: Host, plugin: str) -> bool:
    try:
        host.house.catalog.load(plugin)
    except PluginLoadError:
        return False
    return True


def _next_step_of_settings(host: Host, finding: Finding, record: InstanceRecord) -> str:
    if finding.configured:
        again = f"mpm plugins check {finding.company} {finding.instance}"
        return f"see that the other side is up and its settings are right, then {again}"
    if record.managed:
        return f"correct [companies.{finding.company}.plugins.{finding.instance}] in mpm.toml"
    if not _can_be_read(host, record):
        return "put the former key back as the last of [host] secret_key in mpm.toml"
    return f"mpm company enable {finding.company} {finding.instance}"


def _can_be_read(host: Host, record: InstanceRecord) -> bool:
    try:
        host.house.table_of(record)
    except UserError:
        return False
    return True


def _last_errors(host: Host) -> Mapping[str, str]:
    """Return, by instance id, how its newest attempt failed, if it did."""
    newest = (
        sa.select(attempts).order_by(attempts.c.id.desc()).limit(_ATTEMPTS_LOOKED_AT).subquery()
    )
    query = (
        sa.select(orders.c.instance_id, newest.c.at, newest.c.outcome, newest.c.detail)
        .join(newest, newest.c.order_id == orders.c.id)
        .where(newest.c.outcome != "sent")
        .order_by(newest.c.id.desc())
    )
    found: dict[str, str] = {}
    with host.engines.read.begin() as connection:
        for row in connection.execute(query):
            if row.instance_id not in found:
                failed = row.outcome in _FAILURES
                text = f"{row.at:%Y-%m-%d %H:%M} {row.outcome}: {row.detail}"
                found[row.instance_id] = text if failed else ""
    return found


def _remarks(host: Host, slug: str | None) -> Iterable[str]:
    directory = host.house.directory
    file_name = host.config.source.file_name
    if not directory.companies and not host.config.companies:
        yield (
            "There are no companies; run `mpm company create SLUG --name … --country … "
            "--currency …`, or declare one in the configuration."
        )
    for name, declared in host.config.companies.items():
        if slug not in {None, name}:
            continue
        known = directory.by_slug.get(name)
        missing = [
            f"instance {instance!r} of company {name!r}"
            for instance in declared.instances
            if known and directory.instance_named(known.id, instance) is None
        ]
        for what in missing if known else [f"Company {name!r}"]:
            yield (
                f"{what[0].upper()}{what[1:]} is declared in {file_name} but not in the database "
                "yet; run `mpm company reconcile`, or start `mpm serve`."
            )


def _notices(host: Host, records: Iterable[InstanceRecord]) -> Iterable[str]:
    """Say once per plugin in use what its author should change before it is too late."""
    plans = (host.house.plan_of(record.id) for record in records)
    plugins = {plan.plugin.installed.name: plan.plugin for plan in plans if plan is not None}
    for name, plugin in sorted(plugins.items()):
        for notice in deprecation_notices(plugin.plugin_class):
            yield f"Plugin {name!r}: {notice}"


def _plain_http(host: Host, records: Iterable[InstanceRecord]) -> Iterable[str]:
    for record in records:
        plan = host.house.plan_of(record.id)
        for name, url in called_urls(plan) if plan else ():
            if url.scheme == "http":
                yield f"{_label(host, record)}: {name} is http://{url.shown}"


def _private_addresses(host: Host, records: Iterable[InstanceRecord]) -> Iterable[str]:
    for record in records:
        plan = host.house.plan_of(record.id)
        if plan and plan.options.allow_private_addresses:
            yield f"{_label(host, record)}: may call addresses of our own network"


def _label(host: Host, record: InstanceRecord) -> str:
    slug = host.house.directory.companies[record.company_id].company.slug
    return f"{slug}/{record.name}"
