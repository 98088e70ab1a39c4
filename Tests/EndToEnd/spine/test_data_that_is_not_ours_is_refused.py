import pytest

from harness.cluster import StartFailed


def identity_file(cluster):
    """The text file of a guild node's store that says whose it is."""
    found = [
        path for path in (cluster.data / "guild-1").rglob("*")
        if path.is_file() and path.stat().st_size < 1000 and path.read_bytes().startswith(b"format ")
    ]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def stopped(own_cluster):
    cluster = own_cluster(guild_nodes=1, gateway_nodes=1)
    assert cluster.stop() == 0
    return cluster


def refused(cluster):
    with pytest.raises(StartFailed) as failure:
        cluster.start()
    return str(failure.value)


def test_a_foreign_clusters_store_is_refused_and_left_alone(stopped, own_cluster):
    other = own_cluster(guild_nodes=1, gateway_nodes=1)
    assert other.stop() == 0
    ours, theirs = stopped.data / "guild-1", other.data / "guild-1"
    aside = stopped.data / "aside"
    ours.rename(aside)
    theirs.rename(ours)
    before = identity_file(stopped).read_bytes()
    reason = refused(stopped)
    assert "cluster" in reason and "guild-1" in reason
    assert identity_file(stopped).read_bytes() == before
    # With its own store back, the cluster goes on.
    ours.rename(theirs)
    aside.rename(ours)
    stopped.start()


def test_a_newer_data_format_is_refused_and_left_alone(stopped):
    file = identity_file(stopped)
    original = file.read_text()
    file.write_text(original.replace(original.splitlines()[0], "format 1000"))
    reason = refused(stopped)
    assert "1000" in reason and "newer" in reason
    assert file.read_text().startswith("format 1000")
    file.write_text(original)
    stopped.start()


def test_a_store_that_another_process_holds_is_not_opened_twice(own_cluster):
    import subprocess

    from harness.cluster import PROGRAMS

    cluster = own_cluster(guild_nodes=1, gateway_nodes=1)
    second = subprocess.run(
        [PROGRAMS / "guildhall-node", "--config", cluster.data / "config" / "guild-1.yaml"],
        capture_output=True, text=True, timeout=60,
    )
    assert second.returncode != 0
    assert "guild-1" in second.stdout + second.stderr
