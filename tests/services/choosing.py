"""Which service the suite uses: named, standard, private or installed, in this order."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from tests.services import private
from tests.services.answering import SERVICES, Service, Unusable, first_answering

INSTALL_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Chosen:
    """A service that let us in, and how it came to be."""

    service: Service
    url: str
    origin: str  # "named", "standard port" or "private"


def choose_all(environment: Mapping[str, str], stack: ExitStack) -> list[Chosen]:
    """Find or start every service; what was started ends with `stack`. Raises Unusable with one line.

    GATEWAY_TEST_SERVICES=private passes the standard ports over.
    """
    return [_choose(service, environment, stack) for service in SERVICES]


def _choose(service: Service, environment: Mapping[str, str], stack: ExitStack) -> Chosen:
    named = environment.get(service.variable)
    if named:
        return Chosen(service, _named(service, named), "named")
    if environment.get("GATEWAY_TEST_SERVICES") != "private":
        url = first_answering(service, service.standard_urls)
        if url:
            return Chosen(service, url, "standard port")
    _install(service)
    return Chosen(service, private.start(service, stack), "private")


def _named(service: Service, url: str) -> str:
    """A service that somebody named is used or complained about, never replaced in silence."""
    try:
        service.login(url)
    except Unusable as error:
        raise Unusable(f"{service.variable} names a {service.name} that does not serve: {error}") from error
    return url


def _install(service: Service) -> None:
    """Install the package of `service` if it is absent."""
    if private.binary_of(service):
        return
    install(service.packages, f"missing: {service.name}; {advice(service)}")
    if not private.binary_of(service):
        raise Unusable(f"missing: {service.name}; apt-get installed {service.packages}, but no program of it")


def install(packages: str, missing: str) -> None:
    """Install packages; only root on Debian or Ubuntu can, everybody else is told what is `missing`."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unusable(missing)
    print(f"services: installing {packages}", flush=True)
    _apt_get("update", "-qq")
    _apt_get("install", "-y", "-qq", "--no-install-recommends", packages)


def advice(service: Service) -> str:
    """The command that brings `service`, as the end of a sentence."""
    return f"install it with: sudo apt-get install -y {service.packages} (or name one in {service.variable})"


def _apt_get(*arguments: str) -> None:
    command = ["apt-get", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise Unusable(f"`{' '.join(command)}` failed: {last}")
