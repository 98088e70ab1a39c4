"""The members of etcd, when it is the cluster's coordinator: how each is started, and what the processes are told."""

import aiohttp

PROGRAM = "/usr/bin/etcd"


def _url(cluster, name, use):
    return f"http://{cluster.host(name).address}:{cluster.ports[name, use]}"


def member_command(cluster, name):
    """A member as an operator would start it, but for a quicker election."""
    peers = ",".join(f"{member}={_url(cluster, member, 'peer')}" for member in cluster.members)
    client, peer = _url(cluster, name, "listen"), _url(cluster, name, "peer")
    return [
        PROGRAM, "--name", name, "--data-dir", cluster.data(name), "--listen-client-urls", client,
        "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", peers, "--initial-cluster-token", "chaos", "--initial-cluster-state", "new",
        "--heartbeat-interval", "100", "--election-timeout", "1000", "--auto-compaction-mode", "revision",
        "--auto-compaction-retention", "1000", "--log-level", "warn", "--logger", "zap",
    ]


def settings(cluster):
    """What each process of the cluster is told of etcd."""
    endpoints = ",".join(_url(cluster, member, "listen") for member in cluster.members)
    return {"coordinator.kind": "etcd", "coordinator.endpoints": endpoints}


async def leader(cluster):
    """The member that leads, or None when no member says that it does."""
    for member in cluster.members:
        try:
            url = _url(cluster, member, "listen") + "/v3/maintenance/status"
            async with cluster.http.post(url, json={}, timeout=aiohttp.ClientTimeout(total=2)) as response:
                status = await response.json(content_type=None)
                if status["leader"] == status["header"]["member_id"]:
                    return member
        except (aiohttp.ClientError, TimeoutError, KeyError):
            continue
    return None
