"""A value of the environment that means nothing is one line that names it; .env is not passed over unsaid."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from gateway_project import env_file
from gateway_project.doctor import configuration
from gateway_project.settings.environment import Environment
from tests.support.embedded import ROOT

READERS = {
    "int": lambda env: env.int("X", default=1),
    "float": lambda env: env.float("X", default=1.0),
    "bool": lambda env: env.bool("X", default=True),
    "choice": lambda env: env.choice("X", ("", "quorum"), default=""),
    "zone": lambda env: env.zone("X", default="UTC"),
    "address": lambda env: env.address("X", like="redis://host"),
    "database": lambda env: env.database("X"),
}


@pytest.mark.parametrize(
    ("reader", "value", "complaint"),
    [
        ("int", "abc", "X=abc is no whole number"),
        ("int", "", "X= is no whole number"),
        ("float", "fast", "X=fast is no number"),
        ("bool", "maybe", "X=maybe is neither true nor false"),
        ("choice", "funny", "X=funny is none of (empty), quorum"),
        ("zone", "Mars/Base", "X=Mars/Base is no time zone; write it like Europe/Berlin"),
        ("zone", "../etc", "X=../etc is no time zone; write it like Europe/Berlin"),
        ("address", "s3cret", "X is no address; write it like redis://host"),
        ("database", "s3cret", "X is no address; write it like postgres://user:password@host:5432/name"),
        (
            "database",
            "postgress://u:s3cret@h/d",
            "X is no address; write it like postgres://user:password@host:5432/name",
        ),
    ],
)
def test_what_means_nothing_is_named_and_no_secret_is_told(reader, value, complaint, monkeypatch, recwarn):
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured) as refused:
        READERS[reader](Environment())
    assert str(refused.value) == complaint
    assert not recwarn.list


@pytest.mark.parametrize(
    ("reader", "value", "means"),
    [
        ("int", "-3", -3), ("float", "0.5", 0.5), ("bool", "False", False), ("bool", "", False), ("bool", " yes", True),
        ("choice", "quorum", "quorum"), ("zone", "Asia/Dubai", "Asia/Dubai"), ("address", "redis://h", "redis://h"),
    ],
)  # fmt: skip
def test_what_means_something_is_read(reader, value, means, monkeypatch):
    monkeypatch.setenv("X", value)
    assert READERS[reader](Environment()) == means


def test_what_is_not_there_has_its_default(monkeypatch):
    monkeypatch.delenv("X", raising=False)
    env = Environment()
    assert [READERS[name](env) for name in ("int", "float", "bool", "choice", "zone")] == [1, 1.0, True, "", "UTC"]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GATEWAY_HTTP_PORT", "abc", "The settings are not right: GATEWAY_HTTP_PORT=abc is no whole number\n"),
        (
            "DATABASE_URL",
            "postgres://x@127.0.0.1:9/x",
            "The database of DATABASE_URL does not answer: connection failed",
        ),
    ],
)
def test_a_mistake_is_one_line_of_manage_py(name, value, says):
    named = {"BROKER_URL": "amqp://h", "CACHE_URL": "redis://h", "SECRET_KEY": "s", "FIELD_ENCRYPTION_KEYS": "k"}
    outside = {key: text for key, text in os.environ.items() if not key.startswith("DJANGO_")}
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={**outside, "DATABASE_URL": "postgres://x@127.0.0.1:9/x", **named, name: value},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(says) and len(done.stderr.splitlines()) == 1


def test_an_env_file_that_names_a_database_is_not_passed_over_unsaid(tmp_path, monkeypatch):
    monkeypatch.setattr(env_file.is_passed_over, "__defaults__", (tmp_path / ".env",))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert not env_file.is_passed_over()
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://u@h/d\n")
    assert env_file.is_passed_over()
    assert any(".env names DATABASE_URL" in finding.what for finding in configuration.look())
    monkeypatch.setenv("DATABASE_URL", "postgres://u@h/d")
    assert not env_file.is_passed_over()
