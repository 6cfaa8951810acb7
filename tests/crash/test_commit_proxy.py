"""The proxy cuts exactly the commits that it is told to cut, and the database tells what became of them."""

import asyncio
import os
from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings

from tests.crash.commit_proxy import CommitProxy, Where, commit_proxy


@pytest.fixture
def proxy() -> Iterator[CommitProxy]:
    with commit_proxy(int(_server()["port"])) as proxy:
        yield proxy


def _server() -> dict[str, str]:
    database = settings.DATABASES["default"]
    return {
        "host": "127.0.0.1",
        "port": str(database["PORT"] or 5432),
        "user": database["USER"],
        "password": database["PASSWORD"],
    }


def _through(proxy: CommitProxy) -> str:
    return psycopg.conninfo.make_conninfo("", **{**_server(), "port": proxy.port, "dbname": "postgres"})


@pytest.fixture
def table() -> Iterator[str]:
    """A table of our own beside the suite's database."""
    name = f"crash_proxy_{os.getpid()}"
    with psycopg.connect(psycopg.conninfo.make_conninfo("", **_server(), dbname="postgres"), autocommit=True) as own:
        own.execute(f"CREATE TABLE {name} (n int)")
        try:
            yield name
        finally:
            own.execute(f"DROP TABLE {name}")


def _rows(table: str) -> list[int]:
    with psycopg.connect(psycopg.conninfo.make_conninfo("", **_server(), dbname="postgres")) as own:
        return [row[0] for row in own.execute(f"SELECT n FROM {table} ORDER BY n")]


@pytest.mark.parametrize(("where", "kept"), [(Where.AFTER, [1]), (Where.BEFORE, [])])
def test_a_cut_commit_is_lost_for_the_client_and_true_or_not_by_its_kind(proxy, table, where, kept):
    proxy.cut(where)
    with psycopg.connect(_through(proxy)) as connection:
        connection.execute(f"INSERT INTO {table} VALUES (1)")
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    assert _rows(table) == kept
    assert proxy.cuts == {where: 1}


def test_a_racing_cut_leaves_it_open_but_never_half_done(proxy, table):
    proxy.cut(Where.RACING, times=5)
    for number in range(5):
        with psycopg.connect(_through(proxy)) as connection:
            connection.execute(f"INSERT INTO {table} VALUES (%s), (%s)", [number, number])
            with pytest.raises(psycopg.OperationalError):
                connection.commit()
    found = _rows(table)
    assert all(found.count(number) in (0, 2) for number in range(5))
    assert proxy.cuts[Where.RACING] == 5


def test_it_cuts_so_many_times_and_only_what_touched_the_table(proxy, table):
    proxy.cut(Where.AFTER, times=2, touching=table.encode())
    cut = 0
    for number in range(4):
        with psycopg.connect(_through(proxy)) as connection:
            connection.execute("SELECT 1")
            connection.commit()  # another transaction: not meant
            connection.execute(f"INSERT INTO {table} VALUES (%s)", [number])
            try:
                connection.commit()
            except psycopg.OperationalError:
                cut += 1
    assert cut == 2
    assert proxy.left == 0
    assert _rows(table) == [0, 1, 2, 3]


def test_it_sees_the_commit_of_a_pipeline(proxy, table):
    proxy.cut(Where.AFTER, touching=table.encode())
    connection = psycopg.connect(_through(proxy))
    with pytest.raises(psycopg.OperationalError), connection.pipeline():
        connection.execute(f"INSERT INTO {table} VALUES (7)")
        connection.commit()
    assert _rows(table) == [7]


async def test_it_sees_the_commit_of_an_asynchronous_connection(proxy, table):
    proxy.cut(Where.AFTER)
    connection = await psycopg.AsyncConnection.connect(_through(proxy))
    await connection.execute(f"INSERT INTO {table} VALUES (8)")
    with pytest.raises(psycopg.OperationalError):
        await connection.commit()
    assert await asyncio.to_thread(_rows, table) == [8]


def test_a_server_that_is_down_is_a_connection_that_is_cut():
    with commit_proxy(1) as proxy, pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"host=127.0.0.1 port={proxy.port} user=postgres dbname=postgres", connect_timeout=5)
