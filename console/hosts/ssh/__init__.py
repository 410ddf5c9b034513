"""Machines reached by SSH, with the operator's own OpenSSH configuration, agent and known hosts."""

from console.hosts.ssh.host import Ssh

__all__ = ["Ssh"]
