"""Settings that belong together, and what a person is told when they do not."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from mpm_airtel.plugin import Airtel
from mpm_airtel.settings import AirtelSettings
from mpm_airtel.simulator import FAULTS
from mpm_core import Health, Secret, SettingsError, read_settings
from mpm_core.settings import SettingsPlace
from mpm_core.settings.forms import documentation_table

GIVE = "is missing; mode {mode} needs it: set what Airtel gave you."


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        pytest.param({"mode": "jwt_hs512"}, "jwt_secret", id="jwt"),
        pytest.param(
            {"mode": "body_credentials", "password": Secret("p")}, "username", id="body-user"
        ),
        pytest.param({"mode": "body_credentials", "username": "u"}, "password", id="body-password"),
        pytest.param({"mode": "basic", "username": ""}, "username", id="basic-empty-user"),
        pytest.param(
            {"mode": "basic", "username": "u", "password": Secret("")}, "password", id="basic-empty"
        ),
        pytest.param({"mode": "bearer_static", "bearer_token": None}, "bearer_token", id="bearer"),
    ],
)
def test_mode_without_its_credentials_is_refused_by_name(make_airtel, settings, name):
    with pytest.raises(SettingsError) as caught:
        make_airtel(**settings)
    assert str(caught.value) == (
        f"Company 'umeme', instance 'airtel', setting '{name}' {GIVE.format(mode=settings['mode'])}"
    )


@pytest.mark.parametrize("name", ["jwt_secret", "jwt_secret_previous"])
def test_short_signing_secret_is_refused_in_production(make_airtel, name):
    secrets = {"jwt_secret": Secret("s" * 64), name: Secret("s" * 63)}
    with pytest.raises(SettingsError) as caught:
        make_airtel(mode="jwt_hs512", production=True, **secrets)
    assert str(caught.value) == (
        f"Company 'umeme', instance 'airtel', setting '{name}' has 63 bytes; "
        "HS512 needs 64 or more: agree on a longer one."
    )


def test_short_signing_secret_is_warned_about_in_development(make_airtel, caplog):
    with caplog.at_level(logging.WARNING):
        make_airtel(mode="jwt_hs512", jwt_secret=Secret("short"))
    assert caplog.messages == [
        (
            "Company 'umeme', instance 'airtel', setting 'jwt_secret' has 5 bytes; "
            "HS512 needs 64 or more: agree on a longer one. Production will refuse it."
        )
    ]


def test_long_signing_secrets_are_accepted_in_production(make_airtel, caplog):
    secrets = {"jwt_secret": Secret("é" * 32), "jwt_secret_previous": Secret("s" * 64)}
    make_airtel(mode="jwt_hs512", production=True, **secrets)
    assert caplog.messages == []


@pytest.mark.parametrize(
    "text",
    ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", '{"kty":"oct","k":"AA"}'],
    ids=["pem", "jwk"],
)
def test_key_in_place_of_a_secret_is_refused_without_showing_it(make_airtel, text):
    with pytest.raises(SettingsError) as caught:
        make_airtel(mode="jwt_hs512", jwt_secret=Secret(text))
    assert str(caught.value) == (
        "Company 'umeme', instance 'airtel', setting 'jwt_secret' is empty, a public key or "
        "a certificate; set the shared HS512 secret."
    )


def test_settings_are_read_from_the_configuration_file():
    settings = read_settings(
        AirtelSettings,
        {"jwt_secret": {"env": "AIRTEL_SECRET"}, "jwt_max_age": 600, "accept_json": True},
        place=SettingsPlace(company="umeme", instance="airtel", plugin="airtel"),
        environ={"AIRTEL_SECRET": "s" * 64},
        folder=Path(),
    )
    expected = AirtelSettings(jwt_secret=Secret("s" * 64), jwt_max_age=600, accept_json=True)
    assert settings == expected
    assert "sss" not in repr(settings)


def test_manifest_says_what_airtel_can_send():
    manifest = Airtel.manifest
    assert manifest.callback_paths == ("c2b/validate", "c2b/process", "c2b/enquiry")
    assert manifest.payment_step == {"KES": 100, "MGA": 100, "TZS": 100}
    assert (manifest.minimum_amount, manifest.maximum_amount) == (None, None)


def test_check_says_that_only_airtel_calls(make_airtel):
    assert make_airtel().mpm_check() == Health(
        ok=True, detail="Airtel calls us; give it the callback URL of this instance."
    )


def test_readme_shows_the_settings_and_names_every_fault():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert documentation_table(AirtelSettings).strip() in readme
    assert [fault for fault in FAULTS if f"`{fault}`" not in readme] == []
