#!/usr/bin/env python3
"""Draws what measure.py printed: benches/system/plot.py FILE.csv > docs/performance.svg. Bars are ratios to nginx's rate."""
import csv
import sys
from xml.sax.saxutils import escape

WIDTH, BAR, GAP, LEFT = 720, 18, 6, 250
COLOURS = {"nginx": "#9aa5b1", "php+record": "#c98b3c", "gateway": "#2f6fb0", "other gateway": "#7fb3dd"}

rates = {}
for row in csv.DictReader(open(sys.argv[1])):
    if row["figure"] == "requests/s" and row["experiment"] in ("json", "pass-through"):
        rates.setdefault((row["experiment"], int(row["connections"])), {})[row["subject"]] = float(row["value"])

y, parts = 20, []
text = lambda x, y, words, extra="": parts.append(f'<text x="{x}" y="{y}" {extra}>{escape(words)}</text>')
for (experiment, connections), subjects in rates.items():
    text(8, y + 12, f"{experiment}, {connections} connections", 'font-weight="bold"')
    y += 22
    for subject, rate in subjects.items():
        ratio = rate / subjects["nginx"]
        text(LEFT - 8, y + 13, subject, 'text-anchor="end"')
        length = max(1, ratio * (WIDTH - LEFT - 60))
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{COLOURS[subject]}"/>')
        text(round(LEFT + length + 6), y + 13, f"{ratio:.2f}")
        y += BAR + GAP
    y += 12
print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="13">')
print('<title>Requests per second, as a share of those that nginx passes through</title>')
print(f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>')
print("\n".join(parts))
print("</svg>")
