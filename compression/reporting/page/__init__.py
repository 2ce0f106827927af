"""The page ``report.html``: one file that opens from disk, without any request to a network.

A page is a list of sections, and a section is a list of blocks (`page_blocks.py`). One template renders them all
(`templates/page.html`). Charts are Vega specifications, drawn as SVG when the page is made. So the page of a run needs
no JavaScript. The page of a sweep has Vega inside, which replaces the drawings by charts that can be brushed.
"""
