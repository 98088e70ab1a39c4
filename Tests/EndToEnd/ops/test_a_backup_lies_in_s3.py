"""Backups in a bucket: the nodes write them themselves, with keys that only their environment has (PyPI's moto is the S3)."""

import asyncio
import json
import subprocess

import boto3
import moto.settings
import pytest
from moto.server import ThreadedMotoServer

from harness.cluster import PROGRAMS
from harness.people import Account
from harness.rest import Rest
from harness.writers import Load, whole_history

BUCKET = "guildhall"
REGION = "us-east-1"


class Bucket:
    def __init__(self, endpoint, client, key, secret):
        self.endpoint = endpoint
        self.location = f"s3://{BUCKET}/of/this?region={REGION}&endpoint={endpoint}"
        self.keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        self._client = client

    def names(self):
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [thing["Key"] for page in pages for thing in page.get("Contents", [])]

    def change_a_byte(self, name):
        content = bytearray(self._client.get_object(Bucket=BUCKET, Key=name)["Body"].read())
        content[60] ^= 1
        self._client.put_object(Bucket=BUCKET, Key=name, Body=bytes(content))

    def size(self, name):
        return self._client.head_object(Bucket=BUCKET, Key=name)["ContentLength"]


@pytest.fixture
def bucket(monkeypatch):
    """An S3 that checks signatures: whoever has no keys is refused."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://127.0.0.1:%d" % server.get_host_and_port()[1]
    names = {"endpoint_url": endpoint, "region_name": REGION}
    anybody = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    boto3.client("s3", **names, **anybody).create_bucket(Bucket=BUCKET)
    identities = boto3.client("iam", **names, **anybody)
    identities.create_user(UserName="guildhall")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    identities.put_user_policy(UserName="guildhall", PolicyName="all", PolicyDocument=json.dumps(policy))
    made = identities.create_access_key(UserName="guildhall")["AccessKey"]
    monkeypatch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    key, secret = made["AccessKeyId"], made["SecretAccessKey"]
    client = boto3.client("s3", **names, aws_access_key_id=key, aws_secret_access_key=secret)
    yield Bucket(endpoint, client, key, secret)
    server.stop()


async def guildctl(*arguments, check=True, limit=300):
    """Off the loop: the bucket's server and the writers go on meanwhile."""
    done = await asyncio.to_thread(
        subprocess.run, [PROGRAMS / "guildctl", *arguments], capture_output=True, text=True, timeout=limit)
    if check:
        assert done.returncode == 0, f"guildctl {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr[-3000:]}"
    return done


@pytest.mark.timeout(900)
async def test_a_cluster_is_backed_up_to_s3_under_load_and_restored_from_it(
    own_cluster, people_of, conformance, bucket, monkeypatch
):
    # A cluster whose nodes have no keys: the command says what is wrong, and nothing is written.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    at = ["--location", bucket.location]
    keyless = await guildctl("backup", "list", *at, check=False)
    assert keyless.returncode != 0 and "AWS_ACCESS_KEY_ID" in keyless.stderr, keyless.stderr
    for name, value in bucket.keys.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    refused = await guildctl("backup", "list", *at, check=False)
    assert refused.returncode != 0 and "wrong" not in refused.stderr, "a key is nothing for a terminal"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.keys["AWS_SECRET_ACCESS_KEY"])

    source = own_cluster(guild_nodes=3, gateway_nodes=1)
    people = people_of(source)
    owner = await people.user("owner")
    guild = await people.guild(owner, on=source.names("guild")[0])
    channel = await people.channel(owner, guild)
    load = Load(owner, [channel], writers_a_channel=2, label="s3")
    load.start()
    await load.progress(10)
    full = json.loads((await guildctl("backup", "create", "--data", str(source.data), *at, "--json")).stdout)
    assert full.get("parent") is None
    await load.progress(10)
    await load.stop()
    last = json.loads((await guildctl("backup", "create", "--data", str(source.data), *at, "--json")).stdout)
    assert last["parent"] == full["id"] and last["incremental_slots"] == 1024
    expected = await whole_history(owner, channel["id"])
    assert len(expected) >= 20
    names = bucket.names()
    assert names and all(name.startswith("of/this/") for name in names)
    assert [backup["id"] for backup in json.loads((await guildctl("backup", "list", *at, "--json")).stdout)] == [
        full["id"], last["id"]]
    assert json.loads((await guildctl("backup", "verify", *at, "--json")).stdout)["faults"] == []
    assert source.stop() == 0

    restored = own_cluster(guild_nodes=1, gateway_nodes=1, options=["--without-accounts"])
    await guildctl("restore", "--data", str(restored.data), "--from", bucket.location, "--backup", last["id"])
    assert restored.stop() == 0
    restored.start()
    anyone = Rest(restored.url, conformance)
    try:
        account = Account(owner.id, owner.name, owner.token, anyone.with_token(owner.token))
        assert await whole_history(account, channel["id"]) == expected
    finally:
        await anyone.close()
    assert restored.stop() == 0

    bucket.change_a_byte(next(name for name in names if "/slots/" in name and bucket.size(name) > 200))
    broken = await guildctl("backup", "verify", *at, "--json", check=False)
    assert broken.returncode == 1 and len(json.loads(broken.stdout)["faults"]) == 1
