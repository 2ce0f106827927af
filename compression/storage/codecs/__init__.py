"""The codecs, one per file; each one turns an array into bytes and back, bit for bit."""
