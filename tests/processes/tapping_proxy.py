"""Passes TCP connections on, and writes down every byte that goes through, both ways.

usage: tapping_proxy.py FILE PORT=TARGET...     on 127.0.0.1
"""
import asyncio
import sys

pairs = [tuple(map(int, pair.split("="))) for pair in sys.argv[2:]]
tape = open(sys.argv[1], "wb", buffering=0)


async def copy(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            tape.write(data)
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
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    return await asyncio.start_server(on_connection, "127.0.0.1", port)


async def main():
    servers = [await serve(port, target) for port, target in pairs]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
