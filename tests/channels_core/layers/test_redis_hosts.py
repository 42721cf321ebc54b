"""Where Redis may be, and how it is spoken to: every way of channels_redis' ``hosts``, with our layer."""

import asyncio
import datetime
import ipaddress
import socket
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

from channels_core.layers.redis import RedisChannelLayer
from channels_core.layers.redis.shard import KEEPALIVE, make_pool
from tests.servers import RedisServer, wait_until

HELLO = {"type": "greeting", "text": "Hello"}


class Configured(RedisServer):
    """A Redis with options of its own; in them, ``{directory}`` is that of the server."""

    def __init__(self, **options):
        super().__init__()
        self.options = {name: value.format(directory=self.directory) for name, value in options.items()}

    def command(self):
        return super().command() + [
            part for name, value in self.options.items() for part in (f"--{name.replace('_', '-')}", value)
        ]


@pytest.fixture
def start():
    """Start a server; it is gone afterwards."""
    servers = []

    def start(server):
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.remove()


@pytest.fixture
async def make_layer():
    layers, prefix = [], uuid4().hex

    def make_layer(*hosts, **options):
        layers.append(RedisChannelLayer(hosts=list(hosts), prefix=prefix, **options))
        return layers[-1]

    yield make_layer
    for layer in layers:
        await layer.flush()


async def carries(here, there):
    """What is sent to groups and to a channel by one process reaches the other."""
    channel = await there.new_channel()
    groups = [uuid4().hex for _ in range(20)]
    async with asyncio.timeout(10):
        for group in groups:
            await there.group_add(group, channel)
            await here.group_send(group, {"type": group})
            assert await there.receive(channel) == {"type": group}
        await here.send(channel, HELLO)
        return await there.receive(channel) == HELLO


async def test_several_servers_share_the_groups(start, make_layer):
    servers = [start(RedisServer()) for _ in range(2)]
    hosts = [server.url for server in servers]

    assert await carries(make_layer(*hosts), make_layer(*hosts))
    for server in servers:
        with Redis.from_url(server.url) as redis:
            assert redis.info("commandstats")["cmdstat_publish"]["calls"] > 0


async def test_a_password(start, make_layer):
    server = start(Configured(requirepass="sesame"))
    url = server.url.replace("//", "//:sesame@")

    assert await carries(make_layer(url), make_layer({"host": "127.0.0.1", "port": server.port, "password": "sesame"}))


async def test_a_wrong_password_is_told_and_not_logged(start, make_layer, caplog):
    server = start(Configured(requirepass="sesame"))
    layer = make_layer(server.url.replace("//", "//:barley@"))

    async with asyncio.timeout(5):
        with pytest.raises(ConnectionError, match="username-password"):
            await layer.new_channel()
    assert "username-password" in caplog.text
    assert "barley" not in caplog.text


async def test_a_pair_of_host_and_port(start, make_layer):
    server = start(RedisServer())

    assert await carries(make_layer(("127.0.0.1", server.port)), make_layer(server.url))


async def test_a_unix_socket(start, make_layer):
    server = start(Configured(unixsocket="{directory}/redis.sock"))
    url = f"unix://{server.directory}/redis.sock"

    assert await carries(make_layer(url), make_layer(server.url))


async def test_encryption(start, make_layer):
    """With the key of before, too: it is read with any of them, and written with the first."""
    server = start(RedisServer())
    before, after = {"symmetric_encryption_keys": ["old"]}, {"symmetric_encryption_keys": ["new", "old"]}

    assert await carries(make_layer(server.url, **before), make_layer(server.url, **after))


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that nobody but itself has signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, secret


class WithTLS(RedisServer):
    def __init__(self, cert, key):
        super().__init__()
        self.files = {"--tls-cert-file": str(cert), "--tls-key-file": str(key), "--tls-ca-cert-file": str(cert)}
        self.url = self.url.replace("redis://", "rediss://")

    def command(self):
        files = [part for each in self.files.items() for part in each]
        return ["redis-server", "--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no", *files]


async def test_tls(start, make_layer, certificate):
    server = start(WithTLS(*certificate))
    url = f"{server.url}?ssl_ca_certs={certificate[0]}"

    assert await carries(make_layer(url), make_layer(url))


async def test_a_server_whose_certificate_nobody_knows_is_not_spoken_to(start, make_layer, certificate):
    layer = make_layer(start(WithTLS(*certificate)).url)

    async with asyncio.timeout(5):
        with pytest.raises(ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await layer.new_channel()


class Sentinel(RedisServer):
    def __init__(self, master):
        super().__init__()
        (self.directory / "sentinel.conf").write_text(
            f"port {self.port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master.port} 1\n"
        )

    def command(self):
        return ["redis-server", "sentinel.conf", "--sentinel"]


async def test_sentinels_even_if_one_of_them_says_nothing(start, make_layer):
    master = start(RedisServer())
    sentinel = start(Sentinel(master))
    with Redis.from_url(sentinel.url) as redis:
        wait_until(lambda: redis.sentinel_get_master_addr_by_name("main"), what="the sentinel to know the master")
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, as far as a client can tell
        sentinels = [("127.0.0.1", mute.getsockname()[1]), ("127.0.0.1", sentinel.port)]
        host = {"master_name": "main", "sentinels": sentinels}

        assert await carries(make_layer(host), make_layer(master.url))


# Options


async def test_what_the_hosts_say_overrides_what_we_think():
    ours = make_pool({"address": "redis://localhost"}).connection_kwargs
    assert ours["socket_keepalive"]
    assert ours["socket_keepalive_options"] == KEEPALIVE
    assert ours["socket_connect_timeout"] == 2

    theirs = {"socket_keepalive": False, "socket_keepalive_options": {}, "socket_connect_timeout": 9.0}
    assert theirs.items() <= make_pool({"address": "redis://localhost", **theirs}).connection_kwargs.items()
    assert make_pool({"address": "redis://localhost?socket_timeout=7"}).connection_kwargs["socket_connect_timeout"] == 7


@pytest.mark.parametrize("option", ["protocol=3", "decode_responses=True", "socket_timeout=0.1", "db=3"])
async def test_options_that_change_how_redis_answers_do_no_harm(redis_server, make_layer, option):
    url = f"{redis_server.url.removesuffix('/0')}?{option}"
    layer = make_layer(url)
    channel = await layer.new_channel()
    receiving = asyncio.create_task(layer.receive(channel))
    if option == "socket_timeout=0.1":  # redis-py itself gives up meanwhile
        with Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as other, pytest.raises(TimeoutError):
            await asyncio.to_thread(other.blpop, "nothing")

    await layer.send(channel, HELLO)

    assert await receiving == HELLO


async def test_an_option_that_there_is_not_is_told(redis_server, make_layer):
    layer = make_layer({"address": redis_server.url, "colour": "green"})

    async with asyncio.timeout(5):
        with pytest.raises(ConnectionError, match="colour"):
            await layer.new_channel()
