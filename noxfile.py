"""Every task of the project, one session per concern: `uv run nox -s SESSION`."""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "uv"
nox.options.sessions = ["tests", "lint", "types", "package"]

ROOT = Path(__file__).parent
SOURCES = [
    "src",
    "host/src",
    *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("plugins/*/src")),
]


@nox.session(venv_backend="none")
def demo(session: nox.Session) -> None:
    """Play the demo."""
    session.run("mpm", "demo", *session.posargs)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run every test, on SQLite and on a real PostgreSQL."""
    session.run("pytest", *session.posargs)


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Check every type, strictly."""
    session.run("mypy", *SOURCES)


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """Measure what is promised as ratios in one run and print the report."""
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session(venv_backend="none")
def growth(session: nox.Session) -> None:
    """Book payments on a short and on a long history, and explain each of their statements.

    What grows with the history costs many times more on the long one, so this shows on a busy
    machine, too; the exact figure is `bench`'s.
    """
    session.run("python", "-m", "tests.benchmarks", "--only", "growth", "--slack", "3")


@nox.session(venv_backend="none")
def scaffold(session: nox.Session) -> None:
    """Write every kind of plugin, build it, install it beside core's wheel, and prove it."""
    session.run("pytest", "-m", "slow", "tests/scaffold", *session.posargs)


@nox.session(venv_backend="none")
def faults(session: nox.Session) -> None:
    """Kill a host at random moments and once at every crash point, and compare the books."""
    places = ["tests/faults", "tests/operations"]
    session.run("pytest", "-m", "slow and not long", *places, *session.posargs)


@nox.session(venv_backend="none")
def walk(session: nox.Session) -> None:
    """Kill a host several times at every crash point, on both databases, and compare the books."""
    session.run("pytest", "-m", "long", "tests/faults/test_crash_walk.py", *session.posargs)


@nox.session(venv_backend="none")
def nightly(session: nox.Session) -> None:
    """Kill a host more often, with more payments, on both databases, and so on; a few hours."""
    env = {"MPM_KILLS": "200", "MPM_PAYMENTS": "2000", "MPM_HITS": "10", "MPM_LOST": "1000"}
    env |= {"MPM_STOPS": "200", "MPM_SOAK_SECONDS": "600"}
    session.run("pytest", "-m", "", "tests/faults", *session.posargs, env=env)
    many = {"MPM_ORDERS": "10000", "MPM_POISON": "100"}
    session.run("pytest", "-m", "slow", "tests/operations", env=many)
    crowd = {"MPM_REFERENCES": "20000", "MPM_COPIES": "10", "MPM_CONFLICTS": "1000"}
    session.run("pytest", "tests/concurrency", env=crowd | {"MPM_OF_ONE": "160000"})
    orders = {"MPM_REORDERINGS": "1000"}
    session.run("pytest", "tests/machine/test_reordering.py", env=orders)
    machine = {"MPM_MACHINE_EXAMPLES": "1600"}  # on SQLite, and an eighth of them on PostgreSQL
    session.run("pytest", "-s", "tests/machine/test_whole_machine.py", env=machine)
    session.run("python", "-m", "tests.mutations")


@nox.session(venv_backend="none")
def mutations(session: nox.Session) -> None:
    """Take one guard away at a time and see that its tests turn red."""
    session.run("python", "-m", "tests.mutations", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build every wheel, install them without the checkout and play the demo from them."""
    wheels = Path(session.create_tmp()) / "wheels"
    session.run("uv", "build", "--quiet", "--all-packages", "--wheel", "--clear", "--out-dir",
                str(wheels), external=True)  # fmt: skip
    built = sorted(wheels.glob("*.whl"))
    session.install(*(str(wheel) for wheel in built))
    session.chdir(session.create_tmp())  # nothing of the checkout may be found by accident
    session.run("mpm", "--version")
    session.run("mpm", "demo")
