"""Making one instance of a plugin: settings read, limits worked out, HTTP client opened.

Every mistake, be it a person's, a vendor's or a plugin author's, ends as one `UserError` about this
instance, so that it can never stop another one.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

import attrs

from mpm_core import Company, Manifest, Money, PluginLoadError, PluginRuntime, SettingsError
from mpm_core.company_plugins.plugin_instances import LoadedInstance, load_instance, place_of
from mpm_core.errors import UserError
from mpm_core.outbound import OutboundClient
from mpm_core.outbound.addresses import is_public_address
from mpm_core.outbound.targets import Target, take_apart
from mpm_core.settings import SettingsPlace, describe, read_settings
from mpm_host.configuration.config_host import is_exposed
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.directory import AmountRules
from mpm_host.plugins.instance_settings import InstanceOptions, InstanceTable, read_options
from mpm_host.plugins.plugin_catalog import LoadedPlugin

__all__ = ["InstancePlan", "PlanRequest", "called_urls", "make_instance", "plan_instance"]

_NOWHERE = Path()  # nothing the database owns may refer to a file


@attrs.frozen(kw_only=True)
class PlanRequest:
    """What an instance is to be made of.

    Attributes:
        source: of `mpm.toml`, for what that manages; nothing for what the database owns, whose
            settings must not refer to the host's environment and files.
        production: real money moves.
    """

    company: Company
    name: str
    plugin: str
    table: InstanceTable
    source: ConfigSource | None
    production: bool

    @property
    def place(self) -> SettingsPlace:
        """Whose settings they are, for messages."""
        return SettingsPlace(company=self.company.slug, instance=self.name, plugin=self.plugin)

    def options(self) -> InstanceOptions:
        """Read the host's keys.

        Raises:
            SettingsError: one line per mistake.
        """
        return read_options(
            self.table.options,
            place=self.place,
            company=self.company,
            environ=self.source.environ if self.source else {},
            folder=self.source.folder if self.source else _NOWHERE,
            allow_references=self.source is not None,
        )


@attrs.frozen(kw_only=True)
class InstancePlan:
    """A checked instance, not made yet; equal plans make interchangeable instances.

    Attributes:
        plugin: whose code it runs.
        options: the host's keys.
        settings: of the plugin's own class.
        amount_rules: of the manifest and the options together.
    """

    company: Company
    name: str
    plugin: LoadedPlugin
    options: InstanceOptions
    settings: object = attrs.field(repr=False)
    amount_rules: AmountRules
    production: bool

    @property
    def place(self) -> SettingsPlace:
        """Whose settings they are, for messages."""
        plugin = self.plugin.installed.name
        return SettingsPlace(company=self.company.slug, instance=self.name, plugin=plugin)

    @property
    def may_call_plain_http(self) -> bool:
        """Tell whether it may call http URLs: always in development, for simulators."""
        return self.options.allow_plain_http or not self.production

    @property
    def may_call_private_addresses(self) -> bool:
        """Tell whether it may call addresses of our own network, as simulators have."""
        return self.options.allow_private_addresses or not self.production


def plan_instance(request: PlanRequest, plugin: LoadedPlugin) -> InstancePlan:
    """Check everything about an instance that can be checked without making it.

    Raises:
        UserError: one line per mistake.
    """
    options = request.options()
    _check_currency(request, plugin.manifest)
    _refuse_exposed_secrets(request, plugin.manifest)
    plan = InstancePlan(
        company=request.company,
        name=request.name,
        plugin=plugin,
        options=options,
        settings=_read_settings(request, plugin),
        amount_rules=_amount_rules(request, plugin.manifest, options),
        production=request.production,
    )
    _check_urls(plan)
    return plan


def make_instance(plan: InstancePlan) -> LoadedInstance:
    """Make the plugin's object.

    Raises:
        UserError: the plugin refused its settings, or failed.
    """
    http = OutboundClient(
        allowed_hosts=[f"{url.scheme}://{url.authority}" for _, url in called_urls(plan)],
        allow_plain_http=plan.may_call_plain_http,
        allow_private_addresses=plan.may_call_private_addresses,
    )
    runtime = PluginRuntime(
        company=plan.company, instance=plan.name, http=http, production=plan.production
    )
    installed = plan.plugin.installed
    loaded = load_instance(
        plan.plugin.plugin_class,
        plan.settings,
        runtime,
        name=plan.name,
        plugin_name=installed.name,
        distribution=installed.distribution,
        version=installed.version,
    )
    if plan.options.concurrency is None:
        return loaded
    manifest = attrs.evolve(loaded.manifest, concurrency=plan.options.concurrency)
    return attrs.evolve(loaded, manifest=manifest)


def called_urls(plan: InstancePlan) -> tuple[tuple[str, Target], ...]:
    """Return the URLs an instance calls, each with the name of the setting that holds it.

    Raises:
        SettingsError: one of them is no URL.
    """
    return tuple(
        (name, _target(plan, name, text))
        for name in plan.plugin.manifest.url_settings
        for text in _texts(getattr(plan.settings, name))
    )


def _texts(value: object) -> tuple[str, ...]:
    """Take one URL, several, or none."""
    if isinstance(value, tuple):
        return tuple(str(item) for item in value)
    return (str(value),) if value else ()


def _target(plan: InstancePlan, name: str, text: str) -> Target:
    try:
        return take_apart(text, {})
    except ValueError as error:
        raise SettingsError(f"{plan.place}, setting {name!r}: {error}; correct it.") from None


def _read_settings(request: PlanRequest, plugin: LoadedPlugin) -> object:
    source = request.source
    try:
        return read_settings(
            plugin.manifest.settings_class,
            request.table.settings,
            place=request.place,
            environ=source.environ if source else {},
            folder=source.folder if source else _NOWHERE,
            allow_references=source is not None,
        )
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - containment: a settings class is a stranger's code
        # its own text may hold a secret, so only its kind and place are told
        raise PluginLoadError(
            f"{request.place}: its settings class raised {type(error).__name__} "
            f"({place_of(error)}); tell the plugin's author."
        ) from None


def _check_currency(request: PlanRequest, manifest: Manifest) -> None:
    served, currency = manifest.currencies, request.company.currency
    if served and currency not in served:
        raise PluginLoadError(
            f"{request.place} serves {', '.join(sorted(served))}, not the company's {currency}; "
            "disable it, or choose a plugin for your currency."
        )


def _refuse_exposed_secrets(request: PlanRequest, manifest: Manifest) -> None:
    """Refuse secrets that everybody on the machine can read."""
    source = request.source
    if source is None:
        return
    for description in describe(manifest.settings_class):
        if not description.secret:
            continue
        match request.table.settings.get(description.name):
            case str() if source.is_world_readable:
                file = source.file_name
            case {"file": str(file)} if is_exposed(source.folder / file):
                pass
            case _:
                continue
        raise SettingsError(
            f"{request.place}, setting {description.name!r} is in clear in {file}, which everybody "
            f"on this machine can read; run `chmod 600 {file}`."
        )


def _amount_rules(
    request: PlanRequest, manifest: Manifest, options: InstanceOptions
) -> AmountRules:
    currency = request.company.currency
    minimum, maximum = options.limits(currency)
    rules = AmountRules(
        step=manifest.payment_step.get(currency, 1),
        minimum=minimum or _declared(request, manifest.minimum_amount),
        maximum=maximum or _declared(request, manifest.maximum_amount),
    )
    if rules.minimum and rules.maximum and rules.minimum > rules.maximum:
        raise SettingsError(
            f"{request.place}: no amount is from minimum_amount {rules.minimum} to maximum_amount "
            f"{rules.maximum} {currency}; correct one of them."
        )
    return rules


def _declared(request: PlanRequest, amount: str | None) -> Money | None:
    if amount is None:
        return None
    try:
        return Money.parse(amount, request.company.currency)
    except ValueError:
        raise PluginLoadError(
            f"{request.place}: its manifest's limit {amount!r} is no amount in "
            f"{request.company.currency}; set minimum_amount and maximum_amount yourself."
        ) from None


def _check_urls(plan: InstancePlan) -> None:
    """Refuse at start what the outbound client would refuse at the first payment."""
    for name, url in called_urls(plan):
        if url.scheme == "http" and not plan.may_call_plain_http:
            raise SettingsError(
                f"{plan.place}, setting {name!r} is plain http, which production refuses; use "
                "https, or write allow_plain_http = true if nobody else is on the way."
            )
        if not plan.may_call_private_addresses and _is_private(url.host):
            raise SettingsError(
                f"{plan.place}, setting {name!r} is an address of our own network, which "
                "production refuses; write allow_private_addresses = true if the vendor is there."
            )


def _is_private(host: str) -> bool:
    """Tell whether a host is surely private; names are looked up only when they are called."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return not is_public_address(host)
