#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Much data, and many connections at once. Both ends know what every byte must be: a transfer is right or it is not.

bulk.py serve PORT...             on all addresses; answers "put N" and "get N", one a connection
bulk.py put|get ADDRESS PORT N    N bytes that way
bulk.py many ADDRESS PORT N       N connections that are all open before any of them carries its request
What a client has seen is printed as one line of JSON; exit 1 if it was not right."""
import asyncio
import json
import socket
import sys
import time

BLOCK = bytes((i * 131 + i // 256 * 7) & 0xFF for i in range(65536))


def piece(offset, length):
    """Bytes `offset` up to `offset + length` of the endless stream, or less: never over the end of a block."""
    start = offset % len(BLOCK)
    return BLOCK[start:start + length]


async def send(writer, count):
    sent = 0
    while sent < count:
        part = piece(sent, count - sent)
        writer.write(part)
        sent += len(part)
        await writer.drain()


async def receive(reader, count):
    """How many bytes came, and whether each was the right one."""
    seen = 0
    while seen < count:
        part = await reader.read(min(len(BLOCK) - seen % len(BLOCK), count - seen))
        if not part or part != piece(seen, len(part)):
            return seen, False
        seen += len(part)
    return seen, True


async def serve(reader, writer):
    try:
        verb, count = (await reader.readline()).decode().split()
        if verb == "put":
            writer.write(b"%d %d\n" % await receive(reader, int(count)))
            await writer.drain()
        else:
            await send(writer, int(count))
    except (OSError, ValueError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def serve_all(ports):
    for port in ports:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            await asyncio.start_server(serve, address, port, family=family, backlog=4096)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def transfer(verb, address, port, count):
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(b"%s %d\n" % (verb.encode(), count))
    if verb == "put":
        await send(writer, count)
        seen, right = map(int, (await reader.readline()).split())
    else:
        seen, right = await receive(reader, count)
    mss = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    writer.close()
    return {"bytes": seen, "right": bool(right) and seen == count, "seconds": round(time.monotonic() - began, 3), "mss": mss}


async def many(address, port, count):
    gate = asyncio.Semaphore(100)

    async def open_one():
        async with gate:
            return await asyncio.wait_for(asyncio.open_connection(address, port), 20)

    async def use(reader, writer):
        writer.write(b"get 1000\n")
        right = (await asyncio.wait_for(receive(reader, 1000), 20))[1]
        writer.close()
        return right

    opened = await asyncio.gather(*(open_one() for _ in range(count)), return_exceptions=True)
    good = [pair for pair in opened if isinstance(pair, tuple)]
    answers = await asyncio.gather(*(use(*pair) for pair in good), return_exceptions=True)
    return {"opened": len(good), "answered": sum(answer is True for answer in answers),
            "right": sum(answer is True for answer in answers) == count}


def main(verb, *words):
    if verb == "serve":
        asyncio.run(serve_all([int(word) for word in words]))
        return 0
    address, port, count = words[0].strip("[]"), int(words[1]), int(words[2])
    work = many(address, port, count) if verb == "many" else transfer(verb, address, port, count)
    try:
        result = asyncio.run(asyncio.wait_for(work, 300))
    except (OSError, ValueError, asyncio.TimeoutError) as error:
        result = {"right": False, "error": repr(error)}
    print(json.dumps(result), flush=True)
    return 0 if result["right"] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
