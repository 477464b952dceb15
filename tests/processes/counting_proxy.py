"""Passes TCP connections on, and counts the bytes that go through each port, both ways.

usage: counting_proxy.py COUNTS PORT=TARGET...     on 127.0.0.1; COUNTS gets a line "PORT BYTES" for each, anew at every change
"""
import asyncio
import sys

counts_file, pairs = sys.argv[1], [tuple(map(int, pair.split("="))) for pair in sys.argv[2:]]
counts = {port: 0 for port, _ in pairs}


def note(port, number):
    counts[port] += number
    with open(counts_file, "w") as file:
        file.writelines(f"{port} {count}\n" for port, count in counts.items())


async def copy(port, reader, writer):
    try:
        while data := await reader.read(1 << 16):
            note(port, len(data))
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
