"""`doctor` names settings that contradict each other or are not fit for production."""

import pytest
from cryptography.fernet import Fernet

from gateway_project.doctor import configuration
from gateway_project.doctor.findings import Level
from tests.gateway_project.doctor_findings import levels, told

KEY = Fernet.generate_key().decode()


GOOD = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ",
    "FIELD_ENCRYPTION_KEYS": [KEY],
    "ALLOWED_HOSTS": ["sms.example.com"],
    "PUBLIC_BASE_URL": "https://sms.example.com",
    "CSRF_TRUSTED_ORIGINS": ["https://sms.example.com"],
    "SESSION_COOKIE_SECURE": True,
    "OUTBOUND_HTTP_ALLOW": [],
    "TRUSTED_PROXIES": ["10.0.0.0/8"],
    "RETENTION_DAYS": 0,
    "DELIVERY_SCHEDULE_SCALE": 1.0,
}


def test_settings_that_agree_are_fine(settings):
    for name, value in GOOD.items():
        setattr(settings, name, value)
    assert levels(configuration.look()) == {Level.OK}


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize(
    ("name", "value", "level", "words"),
    [
        ("SECRET_KEY", "", Level.FAIL, "SECRET_KEY is short"),
        ("SECRET_KEY", "change-me", Level.FAIL, "SECRET_KEY is short"),
        ("FIELD_ENCRYPTION_KEYS", [], Level.FAIL, "FIELD_ENCRYPTION_KEYS is empty"),
        ("FIELD_ENCRYPTION_KEYS", [KEY, "nonsense"], Level.FAIL, "key 2 of FIELD_ENCRYPTION_KEYS"),
        ("ALLOWED_HOSTS", ["*"], Level.WARN, "every host name"),
        ("ALLOWED_HOSTS", ["localhost"], Level.FAIL, "add sms.example.com to ALLOWED_HOSTS"),
        ("PUBLIC_BASE_URL", "sms.example.com", Level.FAIL, "is no address"),
        ("PUBLIC_BASE_URL", "http://sms.example.com", Level.WARN, "nobody can log in"),
        ("SESSION_COOKIE_SECURE", False, Level.WARN, "COOKIES_SECURE=true"),
        ("CSRF_TRUSTED_ORIGINS", [], Level.WARN, "CSRF_TRUSTED_ORIGINS=https://sms.example.com"),
        ("DEBUG", True, Level.FAIL, "DEBUG"),
        ("BROKER_URL", "memory://", Level.FAIL, "set BROKER_URL"),
        ("CACHE_URL", "", Level.FAIL, "set CACHE_URL"),
        ("DATABASES", {"default": {"ENGINE": "django.db.backends.sqlite3"}}, Level.FAIL, "set DATABASE_URL"),
        ("TRUSTED_PROXIES", ["0.0.0.0/0"], Level.FAIL, "everybody"),
        ("OUTBOUND_HTTP_ALLOW", ["nowhere"], Level.FAIL, "is no network"),
        ("RETENTION_DAYS", 3, Level.FAIL, "too short"),
        ("DELIVERY_SCHEDULE_SCALE", 0.01, Level.WARN, "0.01 times"),
    ],
)
def test_settings_that_contradict_are_named(settings, name, value, level, words):
    for other, good in GOOD.items():
        setattr(settings, other, good)
    setattr(settings, name, value)
    found = list(configuration.look())
    assert words in told(found, level)
    assert all(finding.do for finding in found)
