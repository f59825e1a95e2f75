#!/usr/bin/python3
"""make_sales.py OUT [ROWS]: a sales table, 45,000 rows if not said otherwise, always the same bytes."""
import datetime
import sys

PRODUCTS = ("anchor", "bellows", "chisel", "dowel", "easel", "funnel", "gasket", "hammer", "inkwell",
            "jigsaw", "kettle")
REGIONS = ("north", "east", "south", "west", "abroad")


def rows(n):
    state = 20240229  # a small generator of our own: random's sequences may change with Python
    start = datetime.date(2024, 1, 1)
    for i in range(n):
        draws = []
        for _ in range(4):
            state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            draws.append(state >> 33)
        quantity = 1 + draws[2] % 24
        cents = quantity * (199 + draws[3] % 8800)
        yield (start + datetime.timedelta(days=i * 366 // n), PRODUCTS[draws[0] % len(PRODUCTS)],
               REGIONS[draws[1] % len(REGIONS)], quantity, f"{cents // 100}.{cents % 100:02d}")


def main():
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 45000
    with open(sys.argv[1], "w", encoding="ascii", newline="") as f:
        f.write("date,product,region,quantity,amount\n")
        for row in rows(n):
            f.write(",".join(map(str, row)) + "\n")


if __name__ == "__main__":
    main()
