#!/usr/bin/env python3
"""Writes numbered lines to logs for ever, and rotates them from the first line on standard input on until that ends.

usage: writer.py SEED LOG=WAY…      WAY: rename | copytruncate

Every line is a JSON object with `log`, `generation` (which file it went to, counted over rotations) and `seq` (which line
of the log it is, counted over all its files). Lines come in pieces, singly and in bursts. Nothing that was written is ever
deleted. A copytruncate happens only between two writes of this one process, so the lines that copytruncate itself loses
(written between the copy and the cut) do not exist here. At the end: one line of JSON, the lines of each log and how often it was rotated.
"""
import json
import os
import random
import select
import shutil
import sys
import time

SERVICES = ["auth", "payments", "search", "mailer"]
BURST = 5000  # lines: more than one batch holds, so that there is a backlog now and then


def level(seq):
    return "info" if seq % 10 else "error" if seq % 50 else "critical"


class Log:
    def __init__(self, path, way, rng):
        self.path, self.way, self.rng = path, way, rng
        self.name = os.path.basename(path).split(".")[0]
        self.shifts = rng.random() < 0.5  # app.log.1 becomes app.log.2, …; else each file gets a number of its own
        self.seq = self.generation = self.rotated = 0
        self.half = b""
        self.left = self.new_life()
        self.open()

    def open(self):
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def new_life(self):
        return self.rng.choice([50, 500, 3000, 10000])  # lines until the next rotation

    def write(self, data):
        done = 0
        while done < len(data):
            done += os.write(self.fd, data[done:])

    def line(self):
        seq = self.seq
        self.seq += 1
        self.left -= 1
        text = (f'{{"time":{time.time():.3f},"level":"{level(seq)}","service":'
                f'"{SERVICES[seq % 4]}","log":"{self.name}","generation":{self.generation},"seq":{seq},"msg":"line",'
                f'"padding":"{"x" * (seq % 50)}"}}\n')
        return text.encode()

    def step(self, rotates):
        """Some lines; the last one may lack its second half until the next step."""
        count = BURST if self.rng.random() < 0.01 else self.rng.randint(1, 60)
        text = self.half + b"".join(self.line() for _ in range(count))
        self.half = b""
        if self.rng.random() < 0.3:
            cut = self.rng.randint(1, 40)
            text, self.half = text[:-cut], text[-cut:]
        self.write(text)
        if self.left <= 0 and rotates:
            self.rotate()

    def finish_line(self):
        self.write(self.half)
        self.half = b""

    def next_name(self):
        self.rotated += 1
        if not self.shifts:
            return f"{self.path}.{self.rotated}"
        for number in range(self.rotated - 1, 0, -1):
            os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        return f"{self.path}.1"

    def rotate(self):
        if self.way == "rename":
            os.rename(self.path, self.next_name())
            # A program goes on with the old file until it is told; a line may be in the middle.
            self.write(self.half + b"".join(self.line() for _ in range(self.rng.randint(0, 20))))
            self.half = b""
            os.close(self.fd)
            self.open()
        else:
            self.finish_line()
            shutil.copyfile(self.path, self.next_name())
            os.ftruncate(self.fd, 0)
        self.generation += 1
        self.left = self.new_life()


def main():
    rng = random.Random(int(sys.argv[1]))
    logs = [Log(*argument.split("="), rng) for argument in sys.argv[2:]]
    rotates = False
    while True:
        if select.select([sys.stdin], [], [], rng.uniform(0.0, 0.008))[0]:
            if not sys.stdin.readline():
                break
            rotates = True
        rng.choice(logs).step(rotates)
    for log in logs:
        log.finish_line()
    print(json.dumps({log.name: [log.seq, log.generation] for log in logs}))


if __name__ == "__main__":
    main()
