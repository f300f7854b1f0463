"""How the report page looks."""

STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
figure { margin: 1rem 0; background: white; border-radius: 6px; }
figure svg { width: 100%; min-width: 40rem; height: auto; display: block; }
figure, .scroll, pre { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.8rem; text-align: right; white-space: nowrap; }
thead { border-bottom: 2px solid var(--line); }
tbody tr { border-bottom: 1px solid var(--line); }
pre { border: 1px solid var(--line); border-radius: 6px; padding: 0.8rem; font-size: 0.85rem; }
"""
