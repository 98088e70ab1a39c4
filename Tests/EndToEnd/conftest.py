"""Fixtures of the end-to-end tests: one cluster for those that only use it, and one of its own for each that breaks it."""

import itertools

import pytest
import pytest_asyncio

from harness.cluster import Cluster
from harness.conformance import Conformance
from harness.people import People
from harness.rest import Rest
from harness.world import World

CONFORMANCE = Conformance.of_this_machine()


@pytest.fixture(scope="session")
def conformance():
    return CONFORMANCE


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Three guild nodes and two gateways, shared: a test that kills or stops anything makes its own."""
    cluster = Cluster(tmp_path_factory.mktemp("shared") / "data").start()
    yield cluster
    assert cluster.stop() == 0


@pytest.fixture
def own_cluster(tmp_path):
    """Makes clusters that end with the test."""
    made = []
    numbers = itertools.count()

    def make(**options):
        cluster = Cluster(tmp_path / f"data-{next(numbers)}", **options)
        made.append(cluster)
        return cluster.start()

    yield make
    for cluster in made:
        cluster.stop()


@pytest.fixture(scope="module")
def own_cluster_of_module(tmp_path_factory):
    """A cluster that a file's tests share and nobody else: its clock may be moved."""
    cluster = Cluster(tmp_path_factory.mktemp("module") / "data").start()
    yield cluster
    assert cluster.stop() == 0


@pytest_asyncio.fixture(scope="session")
async def rest(cluster, conformance):
    """Nobody's view: no token."""
    client = Rest(cluster.url, conformance)
    yield client
    await client.close()


@pytest_asyncio.fixture(scope="session")
async def world(tmp_path_factory, conformance):
    """What the bot libraries meet: guilds on three nodes, and a channel with three months of history."""
    cluster = Cluster(tmp_path_factory.mktemp("world") / "data").start()
    client = Rest(cluster.url, conformance)
    try:
        yield await World.make(cluster, People(cluster, client))
    finally:
        await client.close()
        code = cluster.stop()
    assert code == 0


@pytest.fixture(scope="session")
def people(cluster, rest):
    return People(cluster, rest)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def people_of_module(own_cluster_of_module, conformance):
    client = Rest(own_cluster_of_module.url, conformance)
    yield People(own_cluster_of_module, client)
    await client.close()


@pytest_asyncio.fixture
async def people_of(conformance):
    """The accounts of another cluster."""
    clients = []

    def make(cluster):
        client = Rest(cluster.url, conformance)
        clients.append(client)
        return People(cluster, client)

    yield make
    for client in clients:
        await client.close()


def pytest_terminal_summary(terminalreporter):
    if CONFORMANCE.by_document or CONFORMANCE.by_own or CONFORMANCE.unchecked:
        terminalreporter.section("REST responses")
        for line in CONFORMANCE.report():
            terminalreporter.write_line(line)


def pytest_sessionfinish(session, exitstatus):
    """A response that broke its schema fails the run, also where no test looked at it."""
    unvalidated = CONFORMANCE.has_document and sum(CONFORMANCE.unchecked.values())
    if (CONFORMANCE.faults or unvalidated) and exitstatus == 0:
        session.exitstatus = 1
