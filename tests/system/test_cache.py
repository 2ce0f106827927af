"""Folders of this package in the user's cache."""

from pathlib import Path

from compression.system.cache import find_cache


def test_the_variable_comes_first_then_the_cache_of_the_user(monkeypatch):
    monkeypatch.setenv("MY_CACHE", "mine")
    monkeypatch.setenv("XDG_CACHE_HOME", "shared")
    assert find_cache("kernels", variable="MY_CACHE") == Path("mine")
    monkeypatch.setenv("MY_CACHE", "")
    assert find_cache("kernels", variable="MY_CACHE") == Path("shared/compression/kernels")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert find_cache("kernels", variable="MY_CACHE") == Path.home() / ".cache/compression/kernels"
