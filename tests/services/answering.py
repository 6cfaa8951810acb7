"""Does a service answer? A real login with a deadline; an open port alone proves nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import kombu
import psycopg
import redis

LOGIN_SECONDS = 3  # a local service answers within milliseconds; a dead port must not hold `make test`


class Unusable(Exception):
    """The service cannot carry the suite; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that the suite needs, and where it is looked for."""

    name: str
    variable: str
    standard_urls: tuple[str, ...]
    login: Callable[[str], None]  # raises Unusable
    packages: str  # of Debian and Ubuntu


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _require_scheme(url: str, prefixes: tuple[str, ...], wanted: str) -> None:
    if not urlsplit(url).scheme.startswith(prefixes):
        raise Unusable(f"{urlsplit(url).scheme or 'an empty URL'} is not {wanted}")


def login_postgresql(url: str) -> None:
    """Log in and make sure that a test database may be created there."""
    _require_scheme(url, ("postgres", "psql", "pgsql"), "PostgreSQL")
    parts = urlsplit(url)
    # The named database need not exist: the suite makes its own. "postgres" is where Django makes it from.
    target = urlunsplit(("postgresql", parts.netloc, "/postgres", "", ""))
    sql = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    try:
        with psycopg.connect(target, connect_timeout=LOGIN_SECONDS) as connection:
            row = connection.execute(sql).fetchone()
    except psycopg.Error as error:
        raise Unusable(_one_line(error)) from error
    if not (row and row[0]):
        raise Unusable(f"{parts.username or 'the user'} may not create the test database (needs CREATEDB)")


def login_rabbitmq(url: str) -> None:
    """Log in and open the virtual host."""
    _require_scheme(url, ("amqp",), "RabbitMQ")
    connection = kombu.Connection(url, connect_timeout=LOGIN_SECONDS)
    try:
        # One try at the transport: kombu's own connect() would wait and try again.
        connection.transport.close_connection(connection.transport.establish_connection())
    except (*connection.connection_errors, *connection.channel_errors) as error:
        raise Unusable(_one_line(error)) from error


def login_redis(url: str) -> None:
    """PING after the login."""
    _require_scheme(url, ("redis", "unix"), "Redis")
    client = redis.Redis.from_url(url, socket_connect_timeout=LOGIN_SECONDS, socket_timeout=LOGIN_SECONDS, retry=None)
    try:
        client.ping()
    except redis.RedisError as error:
        raise Unusable(_one_line(error)) from error
    finally:
        client.close()


POSTGRESQL = Service(
    name="PostgreSQL",
    variable="DATABASE_URL",
    # The second is the usual login of a throw-away container.
    standard_urls=(
        "postgres://postgres@127.0.0.1:5432/postgres",
        "postgres://postgres:postgres@127.0.0.1:5432/postgres",
    ),
    login=login_postgresql,
    packages="postgresql",
)
RABBITMQ = Service(
    name="RabbitMQ",
    variable="BROKER_URL",
    standard_urls=("amqp://guest:guest@127.0.0.1:5672//",),
    login=login_rabbitmq,
    packages="rabbitmq-server",
)
REDIS = Service(
    name="Redis",
    variable="CACHE_URL",
    standard_urls=("redis://127.0.0.1:6379/9",),  # 9: a developer's own data lives in 0
    login=login_redis,
    packages="redis-server",
)
SERVICES = (POSTGRESQL, RABBITMQ, REDIS)


def first_answering(service: Service, urls: tuple[str, ...]) -> str | None:
    """The first of `urls` that lets us in, or None."""
    for url in urls:
        try:
            service.login(url)
        except Unusable:
            continue
        return url
    return None
