import pytest

from harness.cluster import until
from harness.extra_node import ExtraNode


@pytest.fixture
def extra_node(own_cluster):
    """Starts further guild nodes of a cluster; they end before it."""
    made = []

    def make(cluster, name):
        node = ExtraNode(cluster, name)
        made.append(node)
        return node.start()

    yield make
    for node in made:
        node.kill()


class Shape:
    """What operators see of a cluster's shape."""

    def __init__(self, cluster):
        self.cluster = cluster

    @property
    def replication(self):
        return self.cluster.guildctl.json("cluster", "status")["replication"]

    @property
    def rows(self):
        return self.cluster.guildctl.json("shard", "list")

    def primaries(self, node):
        return sum(row["primary"] == node for row in self.rows)

    def copies(self, node):
        return sum(node in row["in_sync"] + row["eligible"] + row["learners"] for row in self.rows)

    async def whole(self, factor, limit=180):
        def look():
            answer = self.replication
            return (answer["replication_factor"] == factor and answer["below_replication_factor"] == 0
                    and answer["learners"] == 0 and answer["moving"] == 0)

        await until(look, limit, f"all slots to have {factor} copies")


@pytest.fixture
def shape_of():
    return Shape
