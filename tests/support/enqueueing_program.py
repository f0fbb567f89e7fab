"""A program that takes orders: `python enqueueing_program.py URL PORT`; every second order is rolled back.

What it has tried is counted by a sequence, which no rollback takes back; what is committed stands in `orders`.
"""

import sys

import psycopg

from mailnode import Email, enqueue

TABLES = "CREATE TABLE orders (number bigint PRIMARY KEY); CREATE SEQUENCE numbers"


def take_orders(url: str, port: int) -> None:
    """Take orders until it is killed."""
    with psycopg.connect(url) as db:
        while True:
            (number,) = db.execute("SELECT nextval('numbers')").fetchone() or (0,)
            db.execute("INSERT INTO orders VALUES (%s)", [number])
            email = Email(from_="shop@x.example", to=f"n{number}@y.example", subject="Order", text="It is on its way.")
            enqueue(email, within=db, host="127.0.0.1", port=port, tls_option="none")
            if number % 2:
                db.commit()
            else:
                db.rollback()


if __name__ == "__main__":
    take_orders(sys.argv[1], int(sys.argv[2]))
