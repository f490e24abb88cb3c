"""Random mutations of files: bytes, JSON texts and zip archives."""

import io
import json
import random
import zipfile

ODD = [None, True, -1, 0, 2**31, 2**63, 1e308, "", "x" * 1000, "os", [], {}, [[]], {"x": 1}]
"""Values that a JSON text is not expected to hold."""


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Some bytes flipped, cut, doubled, inserted or moved."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice([1, 2, 4, 64, 4096]))
        kind = rng.randrange(6)
        if kind == 0 and start < len(content):
            content[start] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del content[start:end]
        elif kind == 2:
            content[start:start] = content[start:end]
        elif kind == 3:
            content[start:start] = rng.randbytes(rng.choice([1, 4, 32]))
        elif kind == 4:
            content[start:end] = bytes([rng.choice([0, 255, 127])]) * (end - start)
        elif rng.random() < 0.2:
            del content[start:]
    return bytes(content)


def mutate_json(content: bytes, rng: random.Random) -> bytes:
    """One value somewhere in a JSON text replaced by an odd one, or a key dropped."""
    root = json.loads(content)
    node = root
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return json.dumps(root).encode()
        key = rng.choice(keys)
        if not isinstance(node[key], dict | list) or rng.random() < 0.2:
            break
        node = node[key]
    if rng.random() < 0.2:
        del node[key]
    elif isinstance(node[key], int) and rng.random() < 0.5:
        node[key] = rng.choice([node[key] + 1, -node[key], 10 ** rng.randrange(12)])
    else:
        node[key] = rng.choice(ODD)
    return json.dumps(root).encode()


def mutate_member(name: str, content: bytes, rng: random.Random) -> bytes:
    """One file: JSON by its structure most of the time, anything else as bytes."""
    structured = name.endswith(".json") and rng.random() < 0.8
    return (mutate_json if structured else mutate)(content, rng)


def mutate_archive(content: bytes, rng: random.Random) -> bytes:
    """The archive with one member mutated and its checksum made to fit, or mutated as bytes."""
    if rng.random() < 0.5:
        return mutate(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = rng.choice(sorted(members))
    members[chosen] = mutate_member(chosen, members[chosen], rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return packed.getvalue()
