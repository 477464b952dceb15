#!/usr/bin/env python3
"""What links.py promises, in virtual time."""
import unittest

from links import Links

MBIT = 125e3  # bytes


def sent(links, count, size=1250, every=0.0, sender=0, receiver=1):
    """[(time, number)] of the packets that arrive; each is of this size, its number at its front."""
    for number in range(count):
        links.send(number * every, sender, receiver, number.to_bytes(4, "big") + bytes(size - 4))
    return drained(links)


def drained(links):
    arrived = []
    while links.next() is not None:
        now = links.next()
        arrived += [(now, int.from_bytes(packet[:4], "big")) for _, packet in links.due(now)]
    return arrived


class LinksTest(unittest.TestCase):
    def test_a_delay_keeps_the_order(self):
        links = Links(2, seed=1)
        links.paths[0][1].delay = 25
        arrived = sent(links, 10)
        self.assertEqual([number for _, number in arrived], list(range(10)))
        self.assertTrue(all(abs(at - 0.025) < 1e-9 for at, _ in arrived))

    def test_a_rate_holds_for_sender_and_receiver(self):
        for side in ("up", "down"):
            links = Links(3, seed=1)
            getattr(links, side)[0 if side == "up" else 1].rate = 1
            self.assertAlmostEqual(sent(links, 100)[-1][0], 100 * 1250 / MBIT)

    def test_two_senders_share_the_rate_of_their_receiver(self):
        links = Links(3, seed=1)
        links.down[1].rate = 1
        for sender in (0, 2):
            for _ in range(50):
                links.send(0, sender, 1, bytes(1250))
        self.assertAlmostEqual(drained(links)[-1][0], 100 * 1250 / MBIT)

    def test_a_full_queue_drops_its_tail(self):
        links = Links(2, seed=1)
        links.up[0].rate, links.up[0].queue = 1, 10  # KiB: eight packets
        self.assertEqual([number for _, number in sent(links, 20)], list(range(8)))
        self.assertEqual(links.paths[0][1].overflowed, 12)

    def test_a_cut_is_of_one_direction_and_of_what_is_under_way(self):
        links = Links(2, seed=1)
        links.paths[0][1].delay = 25
        links.send(0, 0, 1, bytes(100))
        links.paths[0][1].cut = 1
        self.assertEqual(links.due(1), [])
        self.assertEqual(len(sent(links, 5)), 0)
        self.assertEqual(len(sent(links, 5, sender=1, receiver=0)), 5)
        self.assertEqual(links.paths[0][1].cut_off, 6)

    def test_losses_and_late_packets_come_as_often_as_told_and_by_the_seed(self):
        def run(seed):
            links = Links(2, seed)
            path = links.paths[0][1]
            path.loss, path.late, path.jitter = 2, 5, 10
            arrived = sent(links, 10000, every=0.001)
            late = sum(at > number * 0.001 + 1e-9 for at, number in arrived)
            return path.lost, late, [number for _, number in arrived]
        lost, late, order = run(1)
        self.assertTrue(150 < lost < 250 and 400 < late < 600, (lost, late))
        self.assertNotEqual(order, sorted(order))
        self.assertEqual(run(1), run(1))
        self.assertNotEqual(run(1), run(2))


if __name__ == "__main__":
    unittest.main()
