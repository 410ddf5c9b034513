"""The SSH server of the tests of hosts."""

from tests.console.hosts.conftest import server as server
