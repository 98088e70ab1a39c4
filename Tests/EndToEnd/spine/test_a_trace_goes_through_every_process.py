"""One request's trace is found in the logs of all the processes that worked on it."""

from harness.cluster import until
from harness.rest import Rest

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_a_requests_trace_id_is_in_the_routers_and_the_guild_nodes_logs(own_cluster, conformance):
    cluster = own_cluster(options=["--log-level", "debug"])
    client = Rest(cluster.url, conformance, cluster.file["owner"]["token"])
    try:
        made = await client.call(
            "POST", "/guilds", json_body={"name": "Traced"}, expect=201,
            headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
        )
    finally:
        await client.close()

    def spans(name):
        return [line for line in cluster.log(name).splitlines() if TRACE in line and "trace: span" in line]

    router = cluster.names("router")[0]
    await until(lambda: spans(router) and spans(cluster.where(made.json["id"])), 10, "the spans to be logged")
    assert "span=create_guild" in spans(router)[0] and "parent_id=b7ad6b7169203331" in spans(router)[0]
    # The guild node's span is a child of the router's.
    span = spans(router)[0].split("span_id=")[1].split()[0]
    assert all(f"parent_id={span}" in line for line in spans(cluster.where(made.json["id"])))
