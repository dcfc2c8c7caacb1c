"""`mpm demo`: plays the scenes in a simulated world and shows what each payment became."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from mpm_core import DeviceKind, PluginKind, SimulatedPayment, UserError
from mpm_core.manifest import Manifest
from mpm_host.demo.demo_scenes import Scene, SceneResult, more_payments, scenes, typed_in
from mpm_host.demo.simulated_world import SimulatedWorld, simulated_world
from mpm_host.registration.plan_terms import PlanTerms

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["DemoOptions", "run_demo"]

_STYLES = {"settled": "green", "rejected": "yellow", "unknown": "magenta", "held": "magenta"}


@attrs.frozen(kw_only=True)
class DemoOptions:
    """How to show the demo.

    Attributes:
        as_json: print one array of payments instead of the story.
        keep: leave everything running until Ctrl-C.
        payments: ordinary payments to add.
        plugins: installed plugins to add to the four.
        port: of the web server; 0 takes a free one.
    """

    as_json: bool = False
    keep: bool = False
    payments: int = 0
    plugins: tuple[str, ...] = ()
    port: int = 0


def run_demo(options: DemoOptions) -> bool:
    """Play the demo; tell whether every payment ended as it should.

    Raises:
        UserError: a plugin is missing or broken.
    """
    with (
        tempfile.TemporaryDirectory(prefix="mpm-demo-") as folder,
        simulated_world(Path(folder), extra_plugins=options.plugins, port=options.port) as world,
    ):
        results = _play(world, options)
        if options.as_json:
            print(json.dumps([result.payment for result in results], indent=2))  # noqa: T201
        if options.keep:
            _keep(world, options)
    return not any(result.surprises for result in results)


def _play(world: SimulatedWorld, options: DemoOptions) -> Sequence[SceneResult]:
    console = _console(quiet=options.as_json)
    console.print(f"A host on {world.url}, simulators on {world.simulation.url}\n")
    extra = [_extra_scene(world, name) for name in options.plugins]
    played = []
    for scene in (*scenes(), *more_payments(world, options.payments), *extra):
        result = scene.play(world)
        _show(console, scene, result)
        played.append(result)
    surprised = sum(bool(result.surprises) for result in played)
    if surprised:
        console.print(f"{surprised} of {len(played)} payments ended otherwise.", style="bold red")
    else:
        console.print(f"All {len(played)} payments ended as they should.", style="bold green")
    return played


def _console(*, quiet: bool) -> Console:
    from rich.console import Console  # noqa: PLC0415 - loaded late, only to print

    return Console(quiet=quiet, highlight=False, soft_wrap=True)


def _show(console: Console, scene: Scene, result: SceneResult) -> None:
    payment = result.payment
    status = str(payment["status"])
    console.print(f"■ {scene.title}", style="bold")
    console.print(f"  {payment['amount']} {payment['currency']} for {payment['serial']}")
    for note in result.notes:
        console.print(f"  {note}", style="dim")
    for line in _listed(payment["lines"]):
        console.print(f"    {line['kind']:<12} {line['amount']:>8}")
    for token in _listed(payment["tokens"]):
        granted = f" {token['quantity']} {token['unit']}" if token["quantity"] else ""
        code = token["value"] or "none, the device was credited itself"
        console.print(f"  {token['kind']} token{granted}: {code}", style="cyan")
    for message in _listed(payment["messages"]):
        console.print(f"  SMS to {message['to']}: {message['body']}", markup=False)
    reason = f" ({payment['reason']})" if payment["reason"] else ""
    console.print(f"  → {status}{reason}", style=_STYLES.get(status, "white"))
    for surprise in result.surprises:
        console.print(f"  ✗ {surprise}", style="bold red", markup=False)
    console.print()


def _listed(value: object) -> Sequence[Mapping[str, object]]:
    return value if isinstance(value, list) else []


def _keep(world: SimulatedWorld, options: DemoOptions) -> None:
    console = _console(quiet=options.as_json)
    payer = world.payers["airtel"]
    console.print(f"Host        {world.url}  (health: {world.url}/healthz)")
    console.print(f"Simulators  {world.simulation.url}")
    for name, each in sorted(world.payers.items()):
        console.print(f"Callbacks   {name}: {each.callback_url}")
    console.print(f"\n  {payer.curl(_sample(world))}\n", markup=False)
    console.print("Ctrl-C ends everything.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("\nStopped.")


def _sample(world: SimulatedWorld) -> SimulatedPayment:
    return SimulatedPayment(
        reference="CURL00000001",
        serial="47000124512",
        amount=world.money("1000"),
        msisdn="255781234567",
    )


# --- one more plugin ------------------------------------------------------------------------------


def _extra_scene(world: SimulatedWorld, name: str) -> Scene:
    """Return a payment that goes through a further plugin."""
    manifest = world.manifests[name]
    if manifest.kind is PluginKind.MANUFACTURER:
        return Scene(title=f"A device of {manifest.title}", play=lambda w: _extra_device(w, name))
    if manifest.kind is PluginKind.TELECOM:
        return Scene(title=f"Anna pays by {manifest.title}", play=lambda w: _extra_payer(w, name))
    return Scene(title=f"An SMS by {manifest.title}", play=lambda w: _extra_payer(w, "airtel"))


def _extra_payer(world: SimulatedWorld, telecom: str) -> SceneResult:
    return _extra_payment(world, telecom, "47000124512")


def _extra_device(world: SimulatedWorld, name: str) -> SceneResult:
    manifest = world.manifests[name]
    serial = _example_serial(name, manifest)
    if DeviceKind.METER in manifest.device_kinds:
        tariff = world.tariff(f"Tariff for {name}", "100")
        world.customer_with_meter("Hawa", "+255781230099", serial, tariff, manufacturer=name)
    else:
        sale = PlanTerms(cost=world.money("4000"), instalments=4, sold_on=world.today)
        kind = min(manifest.device_kinds)
        world.customer_with_device(
            "Hawa", "+255781230099", serial, sale, manufacturer=name, kind=kind
        )
    return typed_in(world, _extra_payment(world, "airtel", serial), makers=(name,))


def _example_serial(name: str, manifest: Manifest) -> str:
    if not manifest.example_serial:
        raise UserError(
            f"Plugin {name!r} cannot join the demo: its manifest has no example_serial; add one."
        )
    return manifest.example_serial


def _extra_payment(world: SimulatedWorld, telecom: str, serial: str) -> SceneResult:
    reference = f"EXTRA{telecom.upper()[:4]}{serial[-6:]}"
    world.payers[telecom].pay(
        SimulatedPayment(
            reference=reference, serial=serial, amount=world.money("1000"), msisdn="255781234567"
        )
    )
    found = world.wait_for(reference)
    surprises = () if found["status"] == "settled" else (f"status is {found['status']!r}",)
    return SceneResult(payment=found, surprises=surprises)
