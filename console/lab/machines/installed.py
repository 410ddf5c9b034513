"""What is installed on the lab's machines: HAProxy, Docker, Mailcow's folder, its images and its containers."""

from __future__ import annotations


class Installing:
    """What is there: HAProxy on the VPS; on the VM docker, Mailcow's folder, its images, and containers (`made`)."""

    def __init__(self, images: tuple[str, ...], empty: bool) -> None:
        self.wanted = images
        self.haproxy = self.docker = self.cloned = self.made = not empty
        self.images: tuple[str, ...] = () if empty else images
