#!/bin/bash
# Somebody on the Internet: an address, and nothing else.
