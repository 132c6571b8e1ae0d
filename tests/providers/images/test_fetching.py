"""From where results may be fetched."""

import pytest

from studio.providers.errors import ProviderBrokenError
from studio.providers.images import fetching


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1%eth0",
            "fc00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fec0::1",
            "192.88.99.1",
            "::ffff:192.88.99.1",
            "64:ff9b:1::1",
            "not an address",
        ],
    )
    def test_within_ones_own_network_are_not_public(self, address):
        assert not fetching.is_public(address)

    @pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
    def test_of_the_internet_are(self, address):
        assert fetching.is_public(address)

    def test_a_host_is_resolved_once_and_one_private_address_is_enough_to_refuse(self):
        asked = []

        def resolve(host, port):
            asked.append((host, port))
            return ["93.184.216.34", "::ffff:10.0.0.1"]

        with pytest.raises(ProviderBrokenError, match="private network"):
            fetching.fetch(
                "https://pictures.example/x.png",
                home=None,
                hosts={"pictures.example"},
                timeout=1.0,
                resolver=resolve,
            )
        assert asked == [("pictures.example", 443)]

    def test_of_the_providers_own_server_only_with_its_port(self, server):
        home = fetching.origin_of(server.url)
        with pytest.raises(ProviderBrokenError):
            fetching.fetch("http://127.0.0.1:1/x.png", home=home, hosts=set(), timeout=1.0)

    def test_ends_a_picture_without_end(self, monkeypatch, server):
        monkeypatch.setattr(fetching, "MOST_BYTES", 50)
        with pytest.raises(ProviderBrokenError, match="20 MB"):
            fetching.fetch(f"{server.url}/result/x", home=fetching.origin_of(server.url), hosts=(), timeout=2.0)
