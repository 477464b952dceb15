"""Passes TCP connections on, and keeps what goes through, both ways.

usage: proxy.py tape FILE PORT=TARGET...      on 127.0.0.1; FILE has every byte
       proxy.py counts FILE PORT=TARGET...    FILE has a line "PORT BYTES" for each, replaced at
                                              every change
"""
import asyncio
import os
import sys

what, name, pairs = sys.argv[1], sys.argv[2], [tuple(map(int, pair.split("=")))
                                               for pair in sys.argv[3:]]
counts = {port: 0 for port, _ in pairs}
if what == "tape":
    tape = open(name, "wb", buffering=0)


def keep(port, data):
    if what == "tape":
        tape.write(data)
        return
    counts[port] += len(data)
    with open(f"{name}.new", "w") as file:
        file.writelines(f"{port} {count}\n" for port, count in counts.items())
    os.replace(f"{name}.new", name)  # who reads it sees the whole of it, before or after


async def copy(port, reader, writer):
    try:
        while data := await reader.read(1 << 16):
            keep(port, data)
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def serve(port, target):
    async def on_connection(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        except ConnectionError:
            writer.close()
            return
        await asyncio.gather(copy(port, reader, far_writer), copy(port, far_reader, writer))

    return await asyncio.start_server(on_connection, "127.0.0.1", port)


async def main():
    servers = [await serve(port, target) for port, target in pairs]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
